//go:build gocv_specific_modules

package test

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// The tests of the Python client say what they promise; here they get a server.
func TestPythonClient_KeepsItsPromises(t *testing.T) {
	needModule(t, "requests", "python3-requests")
	c := prepare(t, 2)
	for i := range 2 {
		c.nodes = append(c.nodes, c.startNode(i, "0"))
	}
	write(t, filepath.Join(c.dir, "a.png"), pngBytes(t, 1))
	write(t, filepath.Join(c.dir, "b.png"), pngBytes(t, 2))
	tune(t, filepath.Join(c.dir, "song.flac"), "-t 2")
	at := freeAddr(t)
	c.startServer("--http", at, "--demo")

	tests := exec.Command(python, "-W", "error", "-B", "-m", "unittest", "-v")
	var err error
	tests.Dir, err = filepath.Abs("../clients/python")
	require.NoError(t, err)
	tests.Env = append(tests.Environ(), "SPILLWAY_URL=http://"+at, "SPILLWAY_DATA="+c.dir)
	out, err := tests.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.NotContains(t, string(out), "skipped")
}
