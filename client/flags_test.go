package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWholePolicies_ParametersStayWithTheirs(t *testing.T) {
	for list, want := range map[string][]string{
		"random,balance":                        {"random", "balance"},
		"prequal:q=0.6,pool=16":                 {"prequal:q=0.6,pool=16"},
		"random,prequal:q=0.6,pool=16,p2c,c3:":  {"random", "prequal:q=0.6,pool=16", "p2c", "c3:"},
		"p2c:hedge=0,throttle=2,pull:explore=0": {"p2c:hedge=0,throttle=2", "pull:explore=0"},
		"q=1":                                   {"q=1"},
	} {
		require.Equal(t, want, wholePolicies(strings.Split(list, ",")), list)
	}
}

func TestFolder_OneFileIsNamedFromTheRootWhereverTheClientStands(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	input := filepath.Join(dir, "input_dir")
	require.NoError(t, os.Mkdir(input, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(input, "a.avi"), nil, 0o644))
	require.NoError(t, os.Symlink("a.avi", filepath.Join(input, "b.avi")))
	require.NoError(t, os.Symlink(dir, filepath.Join(dir, "link")))
	t.Chdir(dir)
	require.Equal(t, input, folder("input_dir"))
	require.Equal(t, filepath.Join(input, "a.avi"), folder("input_dir/a.avi"))
	require.Equal(t, filepath.Join(input, "a.avi"), folder("link/input_dir/a.avi"), "the server's root is no link")
	require.Equal(t, filepath.Join(input, "b.avi"), folder("input_dir/b.avi"), "its outputs are named by the link")
	require.Equal(t, "input_dir/elsewhere.avi", folder("input_dir/elsewhere.avi"), "another machine's")
}
