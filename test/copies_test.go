package test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A node that delays tasks for a minute holds nobody up: copies on the other node are
// done first, and what lost is cancelled on its node, really.
func TestCopies_TheLosersAreCancelledOnTheirNodes(t *testing.T) {
	c := newCluster(t, nil, nodeArgs{"0.6", "--delay", "1m", "--seed", "1"}, nodeArgs{"0"})
	touch(t, c.folder("data"), 40)
	r, code := c.run("data", "--op", "none", "--policy", "p2c:hedge=1")
	require.Zero(t, code, "%+v", r)
	require.Equal(t, 40, r.Done)
	superseded := 0
	for _, n := range r.Nodes {
		superseded += n.Superseded
		require.Zero(t, n.Failed, "%+v", n)
	}
	require.Positive(t, superseded)
	eventually(t, "nothing is left on the nodes", func() bool {
		out, _ := c.client("--json", "nodes")
		return strings.Count(out, `"delayed":0`) == 2 && strings.Count(out, `"outstanding":0`) == 2
	})
}
