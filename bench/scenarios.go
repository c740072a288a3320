package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"spillway/bench/report"
	"spillway/bench/scenario"
	"spillway/job"
	"spillway/server/policy"
)

// scenariosFile holds the results of scenarios, the last of each.
const scenariosFile = "scenarios.jsonl"

// findScenarios are those that are named. Errors: InvalidArgument.
func findScenarios(ids, policies []string) ([]scenario.Scenario, error) {
	for _, word := range policies {
		if _, err := policy.New(word); err != nil {
			return nil, err
		}
	}
	var all []scenario.Scenario
	for _, id := range ids {
		s, err := scenario.Find(id)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

// runScenarios runs those that are named, prints a line for each, and keeps their
// results. It returns the exit code: exitFailed where a figure misses its target, or
// cannot be measured; the others are run all the same.
func runScenarios(ctx context.Context, cfg config, stdout, stderr io.Writer) int {
	self, err := os.Executable()
	if err == nil {
		err = os.MkdirAll(cfg.out, 0o755)
	}
	if err != nil {
		return exitCode(unwritable(cfg.out, err), stderr)
	}
	code, kept := exitDone, false
	defer func() {
		if kept {
			sayKept(cfg.out, stderr)
		}
	}()
	for _, s := range cfg.scenarios {
		results := keeper{dir: cfg.out}
		figures, err := s.Run(ctx, scenario.Env{
			Seed: cfg.seed, Seeds: cfg.seeds, Quick: cfg.quick, Policies: cfg.policies,
			Bin: filepath.Dir(self), Photos: cfg.photos, Command: cfg.again(s.ID),
			Record: results.record, Progress: stderr,
		})
		if err == nil {
			err = results.save(func(r report.Result) bool { return r.Params["scenario"] == s.ID })
		}
		if err != nil {
			if code = exitCode(err, stderr); code == exitInterrupted {
				return code
			}
			fmt.Fprintln(stdout, s.ID, "failed")
			continue
		}
		kept = true
		line, met := scenario.Line(s.ID, figures)
		if cfg.quick {
			line += " (--quick)"
		}
		fmt.Fprintln(stdout, line)
		if !met {
			code = exitFailed
		}
	}
	return code
}

// sayKept tells where results are that were kept, and how to make the page of them.
func sayKept(dir string, stderr io.Writer) {
	page := "bin/bench report"
	if dir != defaultOut {
		page += " --out " + quoted(dir)
	}
	fmt.Fprintf(stderr, "bench: the results are in %s; make the page of them with: %s\n", filepath.Join(dir, scenariosFile), page)
}

// quoted is a word as a shell reads it as one.
func quoted(word string) string {
	if strings.ContainsFunc(word, func(r rune) bool { return strings.ContainsRune(" \t\n'\"\\$`&|;<>()*?[]#~!{}", r) }) {
		return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
	}
	return word
}

// again is the command that makes the results of a scenario again.
func (c config) again(id string) string {
	words := []string{"bin/bench run", id, fmt.Sprintf("--seed %d --seeds %d", c.seed, c.seeds)}
	if c.quick {
		words = append(words, "--quick")
	}
	for _, word := range c.policies {
		words = append(words, "--policy "+word)
	}
	return strings.Join(words, " ")
}

// keeper collects the results of a scenario.
type keeper struct {
	dir     string
	results report.Results
}

func (k *keeper) record(r report.Result) error {
	k.results = append(k.results, r)
	return nil
}

// again tells whether r is what the same setting came to before.
func (k *keeper) again(r report.Result) bool {
	return slices.ContainsFunc(k.results, func(now report.Result) bool { return now.Name == r.Name && maps.Equal(now.Params, r.Params) })
}

// save puts the results in the place of those that are replaced.
func (k *keeper) save(replaced func(report.Result) bool) error {
	name := filepath.Join(k.dir, scenariosFile)
	all, err := readScenarios(name)
	if err != nil {
		return err
	}
	all = slices.DeleteFunc(all, replaced)
	file, err := os.CreateTemp(k.dir, scenariosFile)
	if err != nil {
		return unwritable(k.dir, err)
	}
	defer os.Remove(file.Name()) // it is gone where all went well
	for _, r := range append(all, k.results...) {
		if err := report.Write(file, r); err != nil {
			return errors.Join(unwritable(k.dir, err), file.Close())
		}
	}
	if err := errors.Join(file.Chmod(0o644), file.Close(), os.Rename(file.Name(), name)); err != nil {
		return unwritable(k.dir, err)
	}
	return nil
}

// readScenarios reads results that were kept; none where there is no file.
func readScenarios(name string) (report.Results, error) {
	file, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, job.E(job.InvalidArgument, name, err, "name another folder with --out")
	}
	defer file.Close()
	all, err := report.Read(file)
	if err != nil {
		return nil, job.E(job.InvalidArgument, name, err, "remove it, or name another folder with --out")
	}
	return all, nil
}
