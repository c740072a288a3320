// Command bench measures the programs that stand beside it, on this machine, and
// writes a report.
//
// Exit codes: 0 done; 1 a measurement failed, or a scenario misses a target; 2 wrong
// usage; 130 interrupted.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/pflag"

	"spillway/bench/load"
	"spillway/bench/report"
	"spillway/job"
)

// Exit codes.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	// A second signal ends the program at once.
	context.AfterFunc(ctx, stop)
	os.Exit(command(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// command is the whole program; it returns the exit code.
func command(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) > 0 && args[0] == "sim" {
		return exitCode(simulate(ctx, args[1:], stdout), stderr)
	}
	if len(args) > 0 && args[0] == "compare" {
		return exitCode(comparePolicies(ctx, args[1:], stdout, stderr), stderr)
	}
	if len(args) > 0 && args[0] == "media" {
		err := media(ctx, args[1:], stdout, stderr)
		if errors.Is(err, errShort) { // its line has told
			return exitFailed
		}
		return exitCode(err, stderr)
	}
	if len(args) > 0 && args[0] == "video" {
		return exitCode(video(ctx, args[1:], stdout, stderr), stderr)
	}
	if len(args) == 3 && args[0] == load.PlainVideo {
		return exitCode(plainVideo(ctx, args[1], args[2], stdout), stderr)
	}
	cfg, err := parse(args)
	if errors.Is(err, pflag.ErrHelp) {
		fmt.Fprint(stdout, help())
		return exitDone
	}
	if err == nil {
		switch cfg.command {
		case "run":
			if len(cfg.scenarios) > 0 {
				return runScenarios(ctx, cfg, stdout, stderr)
			}
			err = run(ctx, cfg, strings.Join(append([]string{"bench"}, args...), " "), stderr)
		case "report":
			err = render(cfg.out, stderr)
		case "plain":
			err = plain(ctx, cfg.in, cfg.out, stdout)
		}
	}
	return exitCode(err, stderr)
}

// exitCode tells people of err, if there is one.
func exitCode(err error, stderr io.Writer) int {
	if err == nil {
		return exitDone
	}
	fmt.Fprintln(stderr, "bench:", job.Describe(err))
	switch job.CodeOf(err) {
	case job.InvalidArgument:
		return exitUsage
	case job.CancelledCode:
		return exitInterrupted
	}
	return exitFailed
}

// run measures everything, records each figure as it comes, and renders.
func run(ctx context.Context, cfg config, called string, stderr io.Writer) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(cfg.out, 0o755); err != nil {
		return unwritable(cfg.out, err)
	}
	results, err := os.Create(filepath.Join(cfg.out, resultsFile))
	if err != nil {
		return unwritable(cfg.out, err)
	}
	defer results.Close()
	err = load.Run(ctx, load.Config{
		Bin: filepath.Dir(self), Self: self, Photos: cfg.photos, Quick: cfg.quick, Seed: cfg.seed, Command: called,
		Record:   func(r report.Result) error { return report.Write(results, r) },
		Progress: stderr,
	})
	if err != nil {
		return err
	}
	return render(cfg.out, stderr)
}

// unwritable is the error of a folder that takes no report.
func unwritable(dir string, err error) error {
	return job.E(job.InvalidArgument, "--out "+dir, err, "name a folder that can be written to")
}
