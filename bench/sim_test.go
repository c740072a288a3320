package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"spillway/bench/report"
)

// simulated is the output of bench sim, which must succeed.
func simulated(t *testing.T, args ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	require.Zero(t, command(t.Context(), append([]string{"sim"}, args...), &stdout, &stderr), stderr.String())
	require.Empty(t, stderr.String())
	return stdout.String()
}

func TestSim_WrongUsageIsOneLineAndCode2(t *testing.T) {
	dir := t.TempDir()
	rubbish, empty := filepath.Join(dir, "rubbish"), filepath.Join(dir, "empty")
	require.NoError(t, os.WriteFile(rubbish, []byte("10ms\nten\n"), 0o644))
	require.NoError(t, os.WriteFile(empty, nil, 0o644))
	rows := []struct{ name, args, want string }{
		{"an argument", "walk", `"walk" is one argument too many; bench sim --help`},
		{"unknown flag", "--fast", "unknown flag: --fast"},
		{"no nodes", "--nodes 0", "--nodes 0 work on nothing"},
		{"no seeds", "--seeds 0", "--seeds 0 plays nothing"},
		{"no tasks", "--tasks 0", "tasks: 0 of them are nothing to do"},
		{"policy", "--policy fastest", `policy "fastest": no such policy; use one of`},
		{"admission", "--admission doorman", "no such controller"},
		{"sizes", "--sizes normal", `sizes "normal": no such distribution; use one of constant`},
		{"sigma", "--sizes lognormal:sigma=-1", "sigma=-1 is no number from 0 to 5"},
		{"no file", "--sizes file:/nowhere", "open /nowhere"},
		{"rubbish in a file", "--sizes file:" + rubbish, rubbish + `:2: "ten" is no time; write a time such as 12.5ms`},
		{"empty file", "--sizes file:" + empty, "it holds no sizes"},
		{"speeds", "--speeds 1,fast", `"fast" is no speed; write numbers above 0`},
		{"stragglers", "--stragglers part=2", "part=2 is no number from 0 to 1; write it with any of part=0.05: of the nodes, times=8"},
		{"antagonists", "--antagonists often", `"often" is not PARAMETER=VALUE; write it with any of part=0.3`},
		{"deaths", "--deaths up=never", "up=never is no time"},
		{"steps", "--load .5 --steps 5", `"5" is no step; write TIME*FACTOR`},
		{"steps of a batch", "--steps 5s*2", "steps and bursts vary a rate, and there is none"},
		{"probability", "--load-probabilities .5,2", "node 1: a probability is not between 0 and 1"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			require.Equal(t, exitUsage, command(t.Context(), append([]string{"sim"}, strings.Fields(row.args)...), &stdout, &stderr), stderr.String())
			require.Empty(t, stdout.String())
			require.Equal(t, 1, strings.Count(stderr.String(), "\n"))
			require.Contains(t, stderr.String(), row.want)
		})
	}
}

func TestSim_HelpShowsExamplesThatWork(t *testing.T) {
	help := simulated(t, "--help")
	examples := 0
	for line := range strings.Lines(help) {
		if args, ok := strings.CutPrefix(strings.TrimSpace(line), "bench sim --"); ok {
			examples++
			_, err := parseSim(strings.Fields("--" + args))
			require.NoError(t, err, line)
		}
	}
	require.GreaterOrEqual(t, examples, 3)
}

func TestSim_TableHasALineForEachPolicy(t *testing.T) {
	got := simulated(t, strings.Fields("--policy random --policy central --nodes 10 --tasks 500 --load .8 --sizes exponential --seeds 3")...)
	lines := strings.Split(strings.TrimSpace(got), "\n")
	require.Len(t, lines, 3)
	require.Regexp(t, `^policy +makespan +mean +p50 +p99 +p99\.9 .*p99/central$`, lines[0])
	require.Regexp(t, `^random +\S+ m?s ±\S+ `, lines[1])
	require.Regexp(t, `^central .* 1 ±0$`, lines[2])
	require.NotContains(t, got, "rejections", "what is 0 for all is left out")
}

func TestSim_JSONIsResultsWithSeedAndCommand(t *testing.T) {
	args := "--policy balance --load-probabilities .1,.9 --tasks 100 --seed 5 --seeds 4 --json"
	got := simulated(t, strings.Fields(args)...)
	require.Equal(t, got, simulated(t, strings.Fields(args)...), "the same seed plays the same")
	results, err := report.Read(strings.NewReader(got))
	require.NoError(t, err)
	seen := map[string]report.Result{}
	for _, r := range results {
		require.Equal(t, report.Simulated, r.Name)
		require.Equal(t, "balance", r.Params["policy"])
		require.Equal(t, uint64(5), r.Seed)
		require.Equal(t, 4, r.N)
		require.Equal(t, "bench sim "+args, r.Command)
		seen[r.Params["metric"]] = r
	}
	require.Equal(t, "s", seen["makespan"].Unit)
	require.Greater(t, seen["rejections/task"].Value, .2)
	require.Less(t, seen["rejections/task"].Low, seen["rejections/task"].High)
}

// As many nodes as probabilities, unless the number is given.
func TestSim_LoadProbabilitiesMakeTheNodes(t *testing.T) {
	c, err := parseSim([]string{"--load-probabilities", ".1,.5"})
	require.NoError(t, err)
	nodes := c.at("random", 1).Nodes
	require.Len(t, nodes, 2)
	require.Equal(t, .5, nodes[1].Probability)
	c, err = parseSim([]string{"--load-probabilities", ".1,.5", "--nodes", "5"})
	require.NoError(t, err)
	require.Len(t, c.at("random", 1).Nodes, 5)
}
