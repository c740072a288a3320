package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/bench/load"
	"spillway/bench/report"
	"spillway/job"
)

func TestCompare_WrongUsageIsOneLineAndCode2(t *testing.T) {
	rows := []struct {
		name, args, want string
	}{
		{"unknown flag", "--fast", "unknown flag: --fast"},
		{"one argument too many", "twice", `"twice" is one argument too many`},
		{"unknown policy", "--policy pul", "no such policy; use one of balance,"},
		{"wrong parameter", "--policy pull:hedge=2", "hedge"},
		{"unknown admission", "--admission maybe", "no such controller"},
		{"no nodes", "--nodes 0", "--nodes 0 is not from 1 to 64"},
		{"too many nodes", "--nodes 65", "--nodes 65 is not from 1 to 64"},
		{"no images", "--images 0", "--images 0 is not from 1 to"},
		{"no jobs", "--jobs -1", "--jobs -1 is not from 1 to 1000"},
		{"no seeds", "--seeds 0", "--seeds 0 is not from 1 to"},
		{"no window", "--window 0", "--window 0 is not from 1 to"},
		{"no probability", "--load-probabilities 1.5", "a probability is not between 0 and 1"},
		{"more probabilities than nodes", "--nodes 2 --load-probabilities .1,.2,.3", "3 load probabilities are too many for 2 nodes"},
		{"negative delay", "--delay -1s", "--delay -1s is in the past"},
		{"negative deadline", "--deadline -1s", "--deadline -1s is in the past"},
		{"negative rate", "--rate -3", "--rate -3 is no number of jobs a second"},
		{"no rate at all", "--rate NaN", "--rate NaN is no number of jobs a second"},
		{"both ways", "--batch --rate 3", "--batch and --rate do not go together"},
		{"rubbish operation", "--op edges:x", "write NAME or NAME:key=value"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			args := append([]string{"compare"}, strings.Fields(row.args)...)
			require.Equal(t, exitUsage, command(t.Context(), args, &stdout, &stderr), stderr.String())
			require.Empty(t, stdout.String())
			require.Equal(t, 1, strings.Count(stderr.String(), "\n"), stderr.String())
			require.Contains(t, stderr.String(), row.want)
		})
	}
}

func TestCompare_HelpShowsExamples(t *testing.T) {
	var stdout, stderr bytes.Buffer
	require.Zero(t, command(t.Context(), []string{"compare", "--help"}, &stdout, &stderr))
	require.Contains(t, stdout.String(), "bench compare --policy pull")
	require.Contains(t, stdout.String(), "--load-probabilities")
	require.Empty(t, stderr.String())
}

func TestCompare_LoadProbabilitiesGoToNodesInTurn(t *testing.T) {
	c, err := parseCompare([]string{"--load-probabilities", ".1,.5"})
	require.NoError(t, err)
	require.Equal(t, []float64{.1, .5}, c.trial.Loads)
	c, err = parseCompare([]string{"--nodes", "5", "--load-probabilities", ".1,.5"})
	require.NoError(t, err)
	require.Equal(t, []float64{.1, .5, .1, .5, .1}, c.trial.Loads)
	c, err = parseCompare([]string{"--nodes", "3"})
	require.NoError(t, err)
	require.Equal(t, []float64{0, 0, 0}, c.trial.Loads)
}

// outcome is a job of 2 tasks that took so many seconds and was sent so often.
func outcome(seconds float64, done, rejected int64) load.Outcome {
	return load.Outcome{
		Took: time.Duration(seconds * float64(time.Second)),
		Job:  job.Job{Total: 2, Nodes: []job.Tally{{Done: done, Rejected: rejected}}},
	}
}

func TestCompare_TableAndResultsTellOfEachPolicy(t *testing.T) {
	c, err := parseCompare([]string{"--policy", "pull", "--policy", "balance", "--images", "2"})
	require.NoError(t, err)
	c.out = t.TempDir()
	all := []compared{
		{"pull", [][]load.Outcome{{outcome(1, 2, 0), outcome(2, 2, 0)}, {outcome(3, 2, 0), outcome(6, 2, 2)}}},
		{"balance", [][]load.Outcome{{outcome(4, 2, 2)}, {outcome(4, 2, 2)}}},
	}
	var table, lines bytes.Buffer
	require.NoError(t, c.tell(all, &table))
	rows := strings.Split(strings.TrimSpace(table.String()), "\n")
	require.Len(t, rows, 3)
	require.Equal(t, []string{"policy", "makespan", "p50", "p95", "p99", "attempts", "rejections", "copies", "wasted"}, strings.Fields(rows[0]))
	require.Regexp(t, `^pull +3 s ±1\.5 +2 s ±1 .*6 s .*1\.25 ±0\.25 +0\.25`, rows[1])
	require.Regexp(t, `^balance +4 s +4 s +4 s +4 s +2 +1 +0 +0$`, rows[2])

	c.json = true
	require.NoError(t, c.tell(all, &lines))
	results, err := report.Read(&lines)
	require.NoError(t, err)
	require.Len(t, results, 16)
	require.Equal(t, report.Metric, results[0].Name)
	require.Equal(t, "compare", results[0].Params["scenario"])
	require.Equal(t, "pull", results[0].Params["policy"])
	require.InDelta(t, 3, results[0].Value, 1e-9)
	require.InDelta(t, 1.5, results[0].Low, 1e-9)
	require.InDelta(t, 4.5, results[0].High, 1e-9)
	require.Equal(t, 4, results[0].N)
}

func TestCompare_OpenLoopTellsLatencies(t *testing.T) {
	c, err := parseCompare([]string{"--rate", "10"})
	require.NoError(t, err)
	require.Equal(t, "latency", c.columns()[0].metric)
}

func TestCompare_ResultsOfOtherSettingsStay(t *testing.T) {
	dir := t.TempDir()
	for _, args := range []string{
		"--load-probabilities .2,.2,.2,.2", "--load-probabilities .1,.5,.2,.9", "--load-probabilities .1,.5,.2,.9 --deadline 5s",
		"--load-probabilities .2,.2,.2,.2 --seed 7",
	} {
		c, err := parseCompare(append([]string{"--policy", "pull", "--out", dir}, strings.Fields(args)...))
		require.NoError(t, err)
		require.NoError(t, c.tell([]compared{{"pull", [][]load.Outcome{{outcome(1, 2, 0)}}}}, io.Discard))
	}
	all, err := readScenarios(filepath.Join(dir, scenariosFile))
	require.NoError(t, err)
	var got []string
	for _, r := range all {
		if r.Params["metric"] == "makespan" {
			got = append(got, strings.TrimSpace(fmt.Sprint(r.Params["loads"], " ", r.Params["deadline"], " seed ", r.Seed)))
		}
	}
	require.Equal(t, []string{"0.1 0.5 0.2 0.9  seed 1", "0.1 0.5 0.2 0.9 5s seed 1", "0.2 0.2 0.2 0.2  seed 7"}, got)

	var stderr bytes.Buffer
	require.NoError(t, render(dir, &stderr))
	page, err := os.ReadFile(filepath.Join(dir, policiesFile))
	require.NoError(t, err)
	require.Contains(t, string(page), "loads 0.1 0.5 0.2 0.9")
	require.Contains(t, string(page), "loads 0.2 0.2 0.2 0.2")
	require.Contains(t, string(page), "deadline 5s")
}

func TestCompare_LateJobsCountAsLateAndInNoLatency(t *testing.T) {
	c, err := parseCompare([]string{"--rate", "10", "--deadline", "1s", "--policy", "pull", "--policy", "random", "--images", "2"})
	require.NoError(t, err)
	c.out = t.TempDir()
	late := outcome(9, 0, 4)
	late.Late, late.Job.State = true, job.Failed
	var table bytes.Buffer
	require.NoError(t, c.tell([]compared{
		{"pull", [][]load.Outcome{{outcome(.5, 2, 0), late}}},
		{"random", [][]load.Outcome{{late}, {late}}},
		{"p2c", [][]load.Outcome{{late}, {outcome(.25, 2, 0)}}},
	}, &table))
	rows := strings.Split(strings.TrimSpace(table.String()), "\n")
	require.Regexp(t, `goodput$`, rows[0])
	require.Regexp(t, `^pull +500 ms +500 ms .* 3 +2 +0 +0 +0\.5$`, rows[1])
	require.Regexp(t, `^random +– +– +– +– .* 0$`, rows[2])
	require.Regexp(t, `^p2c +250 ms +250 ms`, rows[3])
}
