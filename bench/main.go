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
	"spillway/native/opencv"
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
	if ok, err := subcommand(ctx, args, stdout, stderr); ok {
		return exitCode(err, stderr)
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

// subcommand is those commands that have flags of their own; false: it is none of them.
func subcommand(ctx context.Context, args []string, stdout, stderr io.Writer) (ok bool, err error) {
	switch {
	case len(args) == 0:
		return false, nil
	case args[0] == "sim":
		return true, simulate(ctx, args[1:], stdout)
	case args[0] == "compare":
		return true, comparePolicies(ctx, args[1:], stdout, stderr)
	case args[0] == "media":
		return true, media(ctx, args[1:], stdout, stderr)
	case args[0] == "api":
		return true, measureAPI(ctx, args[1:], stdout)
	case args[0] == load.PlainHTTP && len(args) == 4:
		return true, plainHTTP(ctx, args[1], args[2], args[3])
	case args[0] == "events":
		return true, measureEvents(ctx, args[1:], stdout)
	case args[0] == load.PlainSong && len(args) == 4:
		return true, plainSong(ctx, args[1:], stdout)
	}
	if p, ok := load.ParsePlainPipeline(args[1:]); ok && args[0] == load.PlainVideo {
		return true, plainVideo(ctx, p, stdout)
	}
	return false, nil
}

// exitCode tells people of err, if there is one.
func exitCode(err error, stderr io.Writer) int {
	if err == nil {
		return exitDone
	}
	if errors.Is(err, errShort) { // its line has told
		return exitFailed
	}
	if errors.Is(err, opencv.ErrUnavailable) {
		err = job.E(job.Unimplemented, "", err, "run make build")
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
