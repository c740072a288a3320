//go:build gocv_specific_modules

package test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Inputs that kill whatever process they run in cost three nodes a child process
// each; a thousand others of the same job are done beside them.
func TestPoison_IsQuarantinedWhileAThousandOthersFinish(t *testing.T) {
	const good, bad = 1000, 3
	args := nodeArgs{"0", "--slots", "2"}
	c := newCluster(t, nil, args, args, args, args)
	in := c.folder("data")
	var pictures [][]byte
	for i := range 20 {
		pictures = append(pictures, pngBytes(t, i))
	}
	for i := range good {
		write(t, filepath.Join(in, fmt.Sprintf("p%04d.png", i)), pictures[i%len(pictures)])
	}
	for i := range bad {
		write(t, filepath.Join(in, fmt.Sprintf("poison%d.png", i)), pngBytes(t, i))
	}
	r, code := c.run("data", "--op", "poisonable")
	require.Equal(t, 1, code, "some tasks failed")
	require.Equal(t, good, r.Done)
	require.Zero(t, r.Failed, "no good input suffers from its neighbours: %+v", r.Failures)
	require.Equal(t, bad, r.Quarantined)
	require.Len(t, r.Failures, bad)
	for _, f := range r.Failures {
		require.True(t, strings.HasPrefix(f.Name, "poison"), "%+v", f)
		require.True(t, f.Quarantined)
		require.Equal(t, "internal", f.Error.Code)
		require.Len(t, f.Nodes, 3)
		require.Len(t, map[string]bool{f.Nodes[0]: true, f.Nodes[1]: true, f.Nodes[2]: true}, 3, "three different nodes: %+v", f)
	}
	outputs := c.outputs("data")
	require.Len(t, outputs, good, "and nothing else is left")
	for _, name := range outputs {
		require.False(t, strings.HasPrefix(name, "poison"))
	}
	for _, n := range r.Nodes {
		require.LessOrEqual(t, n.Failed, bad, "%+v", n)
	}
	out, code := c.client("job", r.ID)
	require.Zero(t, code, out)
	require.Contains(t, out, "quarantined")
}
