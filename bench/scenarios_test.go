package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"spillway/bench/report"
	"spillway/bench/scenario"
	"spillway/server/policy"
)

// fixed is a scenario whose figure has that value, and the target 1.
func fixed(id string, value float64) scenario.Scenario {
	return scenario.Scenario{ID: id, Parts: []scenario.Part{func(_ context.Context, e *scenario.Env) ([]scenario.Figure, error) {
		f, err := e.Mean("makespan", "pull", []float64{value}, "s")
		f.Target = 1
		return []scenario.Figure{f}, err
	}}}
}

func TestRunScenarios_LineAndExitCodeTellTheVerdict(t *testing.T) {
	rows := []struct {
		name      string
		scenarios []scenario.Scenario
		lines     string
		code      int
	}{
		{"all met", []scenario.Scenario{fixed("S1", .5), fixed("S2", 1)}, "S1 ok makespan=0.500s target=1.00s\nS2 ok makespan=1.00s target=1.00s\n", exitDone},
		{"one short", []scenario.Scenario{fixed("S1", 2), fixed("S2", 1)}, "S1 short makespan=2.00s target=1.00s\nS2 ok makespan=1.00s target=1.00s\n", exitFailed},
		{"one fails", []scenario.Scenario{{ID: "S1"}, fixed("S2", 1)}, "S1 failed\nS2 ok makespan=1.00s target=1.00s\n", exitFailed},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			cfg := config{out: t.TempDir(), seed: 1, seeds: 1, scenarios: row.scenarios}
			require.Equal(t, row.code, runScenarios(t.Context(), cfg, &stdout, &stderr), stderr.String())
			require.Equal(t, row.lines, stdout.String())
		})
	}
}

func TestRunScenarios_ResultsReplaceThoseOfTheSameScenario(t *testing.T) {
	var stdout, stderr bytes.Buffer
	cfg := config{out: t.TempDir(), seed: 7, seeds: 1, scenarios: []scenario.Scenario{fixed("S1", .25), fixed("S2", .5)}}
	require.Zero(t, runScenarios(t.Context(), cfg, &stdout, &stderr))
	cfg.scenarios = []scenario.Scenario{fixed("S1", .75)}
	require.Zero(t, runScenarios(t.Context(), cfg, &stdout, &stderr))
	file, err := os.Open(filepath.Join(cfg.out, scenariosFile))
	require.NoError(t, err)
	defer file.Close()
	all, err := report.Read(file)
	require.NoError(t, err)
	var got []string
	for _, r := range all {
		require.Equal(t, uint64(7), r.Seed)
		got = append(got, strings.Join([]string{r.Params["scenario"], r.Name, r.Command}, " "))
	}
	require.Equal(t, []string{
		"S2 policy_metric bin/bench run S2 --seed 7 --seeds 1", "S2 verdict bin/bench run S2 --seed 7 --seeds 1",
		"S1 policy_metric bin/bench run S1 --seed 7 --seeds 1", "S1 verdict bin/bench run S1 --seed 7 --seeds 1",
	}, got)
	left, err := os.ReadDir(cfg.out)
	require.NoError(t, err)
	require.Len(t, left, 1, "nothing is left beside the results")
}

func TestRunScenarios_InterruptEndsAll(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var stdout, stderr bytes.Buffer
	cfg := config{out: t.TempDir(), seeds: 1, scenarios: []scenario.Scenario{fixed("S1", 1), fixed("S2", 1)}}
	require.Equal(t, exitInterrupted, runScenarios(ctx, cfg, &stdout, &stderr))
	require.Empty(t, stdout.String(), "what was interrupted has not failed")
	require.Contains(t, stderr.String(), "interrupted")
	require.NotContains(t, stderr.String(), "the results are in")
}

func TestRunScenarios_TellsAtTheEndWhereTheResultsAre(t *testing.T) {
	var stdout, stderr bytes.Buffer
	cfg := config{out: filepath.Join(t.TempDir(), "a b"), seeds: 1, quick: true, scenarios: []scenario.Scenario{fixed("S1", 1)}}
	require.Zero(t, runScenarios(t.Context(), cfg, &stdout, &stderr))
	require.Equal(t, "S1 ok makespan=1.00s target=1.00s (--quick)\n", stdout.String())
	require.True(t, strings.HasSuffix(stderr.String(), "bench: the results are in "+filepath.Join(cfg.out, scenariosFile)+
		"; make the page of them with: bin/bench report --out '"+cfg.out+"'\n"), stderr.String())
}

func TestHelp_ListsTellTheirDefaultsInWords(t *testing.T) {
	for _, text := range []string{help(), simHelp(), compareHelp()} {
		require.NotContains(t, text, "(default [")
		require.NotRegexp(t, `\(default: [^)]*\) \(default`, text)
	}
	require.Contains(t, simHelp(), "(default: pull and central)")
	require.Contains(t, compareHelp(), "(default: random, balance, p2c and pull)")
}

func TestCommand_WrongScenarioIsOneLineAndCode2(t *testing.T) {
	rows := []struct {
		name string
		args []string
		want string
	}{
		{"unknown", []string{"run", "S15"}, `there is no scenario "S15"; use any of S1 to S14`},
		{"one of two unknown", []string{"run", "S2", "twice"}, `there is no scenario "twice"`},
		{"unknown policy", []string{"run", "S2", "--policy", "pul"}, "no such policy; use one of balance,"},
		{"no seeds", []string{"run", "S2", "--seeds", "0"}, "--seeds 0 plays nothing"},
		{"seeds of nothing", []string{"run", "--seeds", "3"}, "--seeds and --policy are for scenarios, and none is named"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			require.Equal(t, exitUsage, command(t.Context(), row.args, &stdout, &stderr), stderr.String())
			require.Empty(t, stdout.String())
			require.Equal(t, 1, strings.Count(stderr.String(), "\n"))
			require.Contains(t, stderr.String(), row.want)
		})
	}
}

func TestCommand_AScenarioEndsWithOneLineAndResultsThatCanBeRead(t *testing.T) {
	dir := t.TempDir()
	var stdout, stderr bytes.Buffer
	code := command(t.Context(), []string{"run", "S9", "--quick", "--seeds", "1", "--out", dir}, &stdout, &stderr)
	require.Contains(t, []int{exitDone, exitFailed}, code, stderr.String())
	require.Regexp(t, `^S9 (ok|short)( [a-z_]+=[0-9.]+ target=[0-9.]+)+ \(--quick\)\n$`, stdout.String())
	require.Equal(t, code == exitDone, strings.HasPrefix(stdout.String(), "S9 ok"))
	all, err := readScenarios(filepath.Join(dir, scenariosFile))
	require.NoError(t, err)
	names := map[string]int{}
	for _, r := range all {
		names[r.Name]++
		require.Equal(t, "bin/bench run S9 --seed 1 --seeds 1 --quick", r.Command)
	}
	require.Positive(t, names[report.Metric])
	require.Positive(t, names[report.Moment])
	require.Equal(t, 2, names[report.Verdict])
}

func TestReport_KnowsTheDefaultPolicy(t *testing.T) {
	require.Equal(t, policy.Default, report.DefaultPolicy)
}
