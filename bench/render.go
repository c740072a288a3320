package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"spillway/bench/report"
	"spillway/job"
	"spillway/server/policy"
)

// The files of a report: what was measured, and what is made of it.
const (
	resultsFile  = "results.jsonl"
	reportFile   = "report.md"
	policiesFile = "policies.md"
	pageFile     = "policies.html"
)

// render makes the reports of what was measured in dir: report.md of results.jsonl, and
// policies.html and policies.md of scenarios.jsonl, each with plots. Errors:
// InvalidArgument (there is neither, or a line of one is no result).
func render(dir string, stderr io.Writer) error {
	played, err := readScenarios(filepath.Join(dir, scenariosFile))
	if err != nil {
		return err
	}
	file, err := os.Open(filepath.Join(dir, resultsFile))
	switch {
	case err == nil:
		defer file.Close()
		if err := renderResults(file, dir, stderr); err != nil {
			return err
		}
	case len(played) == 0 || !errors.Is(err, fs.ErrNotExist):
		return job.E(job.InvalidArgument, "--out "+dir, errors.New("it holds no "+resultsFile), "measure first, with: bench run")
	}
	if len(played) == 0 {
		return nil
	}
	return renderPolicies(played, dir, stderr)
}

// renderResults makes report.md and its plots.
func renderResults(file io.Reader, dir string, stderr io.Writer) error {
	results, err := report.Read(file)
	if err != nil {
		return job.E(job.InvalidArgument, filepath.Join(dir, resultsFile), err, "measure again, with: bench run")
	}
	if err := report.Plots(results, dir); err != nil {
		return unwritable(dir, err)
	}
	return written(filepath.Join(dir, reportFile), report.Markdown(results), stderr)
}

// renderPolicies makes policies.html, and policies.md with its plots.
func renderPolicies(played report.Results, dir string, stderr io.Writer) error {
	markdown, err := report.PoliciesMarkdown(played, policy.Summaries(), dir)
	if err != nil {
		return unwritable(dir, err)
	}
	if err := written(filepath.Join(dir, policiesFile), markdown, stderr); err != nil {
		return err
	}
	page, err := report.Page(played, policy.Summaries())
	if err != nil {
		return job.E(job.Internal, pageFile, err, "")
	}
	return written(filepath.Join(dir, pageFile), page, stderr)
}

// written writes a file of the report, and says so.
func written(name, text string, stderr io.Writer) error {
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		return unwritable(filepath.Dir(name), err)
	}
	fmt.Fprintln(stderr, "bench: the report is", name)
	return nil
}
