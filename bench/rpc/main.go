// Command rpc measures the Thrift layer against other RPC libraries on this
// machine, and writes rpc.json, rpc.md and plots.
//
// Exit codes: 0 done; 1 a measurement failed; 2 wrong usage; 130 interrupted.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/pflag"

	"spillway/bench/rpc/load"
	"spillway/bench/rpc/peer"
	"spillway/bench/rpc/report"
)

// Exit codes.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130
)

// config is the command line.
type config struct {
	quick          bool
	together       bool
	rounds         int
	settle, window time.Duration
	seed           uint64
	out            string
	cases, peers   []string
	render         string

	// Of the processes that a run starts for each sample.
	role, dir string
}

// The roles of a process.
const (
	roleRun    = "run"
	roleSample = "sample" // the client of one sample
	roleServe  = "serve"  // its server
	roleRender = "render"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	// A second signal ends the program at once.
	context.AfterFunc(ctx, stop)
	os.Exit(command(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// command is the whole program; it returns the exit code.
func command(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	cfg, err := parse(args, stdout)
	switch {
	case errors.Is(err, pflag.ErrHelp):
		return exitDone
	case err != nil:
		fmt.Fprintln(stderr, "bench-rpc:", err)
		return exitUsage
	}
	switch cfg.role {
	case roleServe:
		err = serve(cfg, stdin, stdout)
	case roleSample:
		err = printSample(ctx, cfg, stdout)
	case roleRender:
		err = again(cfg.render, stderr)
	default:
		err = run(ctx, cfg, args, stderr)
	}
	switch {
	case err == nil:
		return exitDone
	case ctx.Err() != nil:
		err = errors.New("interrupted")
	}
	fmt.Fprintln(stderr, "bench-rpc:", err)
	if ctx.Err() != nil {
		return exitInterrupted
	}
	return exitFailed
}

// parse reads the command line. Errors: pflag's, or a value that makes no sense.
func parse(args []string, stdout io.Writer) (config, error) {
	var cfg config
	flags := pflag.NewFlagSet("bench-rpc", pflag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.SortFlags = false
	flags.BoolVar(&cfg.quick, "quick", false, "a few seconds: one round of a few cases; the figures mean little")
	flags.BoolVar(&cfg.together, "together", false, "client and server in one process, where they share a collector and a scheduler")
	flags.IntVar(&cfg.rounds, "rounds", 5, "rounds that count; a warm-up round goes before them")
	flags.DurationVar(&cfg.settle, "settle", 150*time.Millisecond, "load before each window")
	flags.DurationVar(&cfg.window, "window", 600*time.Millisecond, "load that is counted")
	flags.Uint64Var(&cfg.seed, "seed", 1, "of the order of the peers in each round")
	flags.StringVar(&cfg.out, "out", "bench/out", "folder of the results")
	flags.StringSliceVar(&cfg.cases, "case", nil, "only these cases (default all)")
	flags.StringSliceVar(&cfg.peers, "peer", nil, "only these peers (default all)")
	flags.StringVar(&cfg.render, "render", "", "measure nothing; make the report and the plots of this rpc.json anew, beside it")
	flags.StringVar(&cfg.role, "role", roleRun, "what this process is")
	flags.StringVar(&cfg.dir, "dir", "", "folder for sockets")
	for _, name := range []string{"role", "dir"} { // for the program itself
		if err := flags.MarkHidden(name); err != nil {
			return cfg, err
		}
	}
	err := flags.Parse(args)
	if errors.Is(err, pflag.ErrHelp) {
		fmt.Fprintf(stdout, "Measures the Thrift layer against other RPC libraries.\n\nUsage: bench-rpc [flags]\n\n%s", flags.FlagUsages())
	}
	if err != nil {
		return cfg, err
	}
	if cfg.render != "" {
		cfg.role = roleRender
	}
	if cfg.quick {
		cfg.rounds, cfg.settle, cfg.window = 1, 20*time.Millisecond, 60*time.Millisecond
	}
	return cfg, cfg.validate(flags.Args())
}

// validate names the flag that makes no sense, and fills in the default lists.
func (cfg *config) validate(rest []string) error {
	switch {
	case len(rest) > 0:
		return fmt.Errorf("unexpected %q; see --help", rest[0])
	case cfg.rounds < 1:
		return fmt.Errorf("--rounds %d: want 1 or more", cfg.rounds)
	case cfg.window <= 0 || cfg.settle < 0:
		return errors.New("--window and --settle: want a time such as 600ms")
	}
	for _, name := range cfg.cases {
		if _, err := load.FindCase(name); err != nil {
			return fmt.Errorf("--case: %w", err)
		}
	}
	for _, name := range cfg.peers {
		if _, err := peer.Find(name); err != nil {
			return fmt.Errorf("--peer: %w", err)
		}
	}
	return nil
}

// again makes the report of a run's file anew. Errors: the file cannot be read, or
// the report not be written.
func again(file string, stderr io.Writer) error {
	rs, err := report.Read(file)
	if err != nil {
		return err
	}
	return render(rs, strings.TrimSuffix(file, ".json"), stderr)
}

// writeLine writes v as a line of JSON.
func writeLine(w io.Writer, v any) error {
	return json.NewEncoder(w).Encode(v)
}
