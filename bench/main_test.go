package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"spillway/native/opencv"
	"spillway/server/policy"
)

func TestCommand_WrongUsageIsOneLineAndCode2(t *testing.T) {
	rows := []struct {
		name string
		args []string
		want string
	}{
		{"nothing", nil, "no command is given"},
		{"unknown command", []string{"walk"}, `there is no command "walk"`},
		{"unknown flag", []string{"run", "--fast"}, "unknown flag: --fast"},
		{"no number", []string{"run", "--seed", "abc"}, `invalid argument "abc" for "--seed"`},
		{"negative seed", []string{"run", "--seed", "-1"}, `invalid argument "-1" for "--seed"`},
		{"one argument too many", []string{"report", "twice"}, `"twice" is one argument too many`},
		{"a folder is missing", []string{"plain", "in"}, "plain wants 2 folders"},
		{"report measures nothing", []string{"report", "--quick"}, "report measures nothing"},
		{"nothing to report", []string{"report", "--out", "/nowhere"}, "it holds no results.jsonl; measure first"},
		{"no photographs", []string{"run", "--photos", "/nowhere", "--out", t.TempDir()}, "--photos /nowhere: it cannot be read; name a folder"},
		{"plain without a folder", []string{"plain", "/nowhere", t.TempDir()}, "plain: open /nowhere"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			require.Equal(t, exitUsage, command(t.Context(), row.args, &stdout, &stderr), stderr.String())
			require.Empty(t, stdout.String())
			said := bytes.Split(bytes.TrimSpace(stderr.Bytes()), []byte("\n"))
			last := string(said[len(said)-1])
			require.Contains(t, last, "bench: ")
			require.Contains(t, last, row.want)
		})
	}
}

func TestCommand_HelpIsNoError(t *testing.T) {
	var stdout, stderr bytes.Buffer
	require.Zero(t, command(t.Context(), []string{"--help"}, &stdout, &stderr))
	require.Contains(t, stdout.String(), "bench run --quick")
	require.Contains(t, stdout.String(), "--photos")
	require.Empty(t, stderr.String())
}

func TestCommand_RubbishInResultsNamesTheLine(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, resultsFile), []byte("{}\nrubbish\n"), 0o644))
	var stdout, stderr bytes.Buffer
	require.Equal(t, exitUsage, command(t.Context(), []string{"report", "--out", dir}, &stdout, &stderr))
	require.Contains(t, stderr.String(), "line 2")
}

func TestCommand_ReportIsWrittenFromRecordedResults(t *testing.T) {
	dir := t.TempDir()
	recorded, err := os.ReadFile("report/testdata/results.jsonl")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, resultsFile), recorded, 0o644))
	var stdout, stderr bytes.Buffer
	require.Zero(t, command(t.Context(), []string{"report", "--out", dir}, &stdout, &stderr), stderr.String())
	got, err := os.ReadFile(filepath.Join(dir, reportFile))
	require.NoError(t, err)
	want, err := os.ReadFile("report/testdata/report.md")
	require.NoError(t, err)
	require.Equal(t, string(want), string(got))
}

func TestCommand_ReportOfScenariosIsWrittenFromRecordedResults(t *testing.T) {
	dir := t.TempDir()
	recorded, err := os.ReadFile("report/testdata/scenarios.jsonl")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, scenariosFile), recorded, 0o644))
	var stdout, stderr bytes.Buffer
	require.Zero(t, command(t.Context(), []string{"report", "--out", dir}, &stdout, &stderr), stderr.String())
	page, err := os.ReadFile(filepath.Join(dir, pageFile))
	require.NoError(t, err)
	require.Contains(t, string(page), policy.Summaries()["pull"], "it says what the policies do")
	require.FileExists(t, filepath.Join(dir, policiesFile))
	require.NoFileExists(t, filepath.Join(dir, reportFile), "nothing of it was measured")
}

func TestCommand_RubbishInScenariosNamesTheLine(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, scenariosFile), []byte("{}\n{}\nrubbish\n"), 0o644))
	var stdout, stderr bytes.Buffer
	require.Equal(t, exitUsage, command(t.Context(), []string{"report", "--out", dir}, &stdout, &stderr))
	require.Contains(t, stderr.String(), scenariosFile+": line 3")
}

func TestPlain_BuildWithoutOpenCVSaysSo(t *testing.T) {
	if opencv.Available {
		t.Skip("this build has OpenCV")
	}
	in := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(in, "a.png"), nil, 0o644))
	var stdout, stderr bytes.Buffer
	require.Equal(t, exitFailed, command(t.Context(), []string{"plain", in, t.TempDir()}, &stdout, &stderr))
	require.Contains(t, stderr.String(), "make build")
}
