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

func TestTraceparent_OfTheFlagIsCheckedAndOfTheEnvironmentIsNot(t *testing.T) {
	const one, other = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01"
	var quiet output
	t.Setenv("TRACEPARENT", other)
	cfg, err := parse([]string{"--server", "127.0.0.1:1", "data"}, quiet)
	require.NoError(t, err)
	require.Equal(t, other, cfg.trace)
	cfg, err = parse([]string{"--server", "127.0.0.1:1", "--traceparent", one, "data"}, quiet)
	require.NoError(t, err)
	require.Equal(t, one, cfg.trace)
	_, err = parse([]string{"--server", "127.0.0.1:1", "--traceparent", "garbage", "data"}, quiet)
	require.ErrorContains(t, err, "--traceparent")
	t.Setenv("TRACEPARENT", "garbage")
	cfg, err = parse([]string{"--server", "127.0.0.1:1", "data"}, quiet)
	require.NoError(t, err)
	require.Empty(t, cfg.trace)
}
