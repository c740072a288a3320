// Command chaos runs whole clusters of real processes under faults that a seed
// draws, and checks after each run that nothing was lost, counted twice or left
// behind. docs/faults.md tells of the faults.
//
// Exit codes: 0 no violation; 1 there was one; 2 wrong usage; 130 interrupted.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/pflag"
)

// Exit codes.
const (
	exitDone        = 0
	exitViolation   = 1
	exitUsage       = 2
	exitInterrupted = 130
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second signal ends the program at once.
	context.AfterFunc(ctx, stop)
	os.Exit(command(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// config is what the command line asks for.
type config struct {
	seed     uint64
	runs     int
	parallel int
	kind     string
	plan     bool
	keep     bool
	bin      string
}

// parse reads the command line.
func parse(args []string) (cfg config, flags *pflag.FlagSet, err error) {
	flags = pflag.NewFlagSet("chaos", pflag.ContinueOnError)
	flags.SortFlags = false
	flags.Uint64Var(&cfg.seed, "seed", 1, "the seed of the first run; each further one has the next")
	flags.IntVar(&cfg.runs, "runs", 200, "how many runs")
	flags.IntVar(&cfg.parallel, "parallel", 3, "runs at once")
	flags.StringVar(&cfg.kind, "kind", "", "only seeds whose main fault is this `kind`")
	flags.BoolVar(&cfg.plan, "plan", false, "print the plans, and run nothing")
	flags.BoolVar(&cfg.keep, "keep", false, "keep the folder of each run, with the report that a violation would have")
	flags.StringVar(&cfg.bin, "bin", "", "the `folder` of the programs (default: they are built)")
	err = flags.Parse(args)
	switch {
	case err != nil:
	case flags.NArg() > 0:
		err = fmt.Errorf("%q is one argument too many", flags.Arg(0))
	case cfg.runs < 1 || cfg.parallel < 1:
		err = errors.New("--runs and --parallel want 1 or more")
	case cfg.kind != "" && len(cfg.seeds()) == 0:
		err = fmt.Errorf("--kind %q is no kind of fault; docs/faults.md lists them", cfg.kind)
	}
	return cfg, flags, err
}

// seeds are those of the runs.
func (c config) seeds() []uint64 {
	var seeds []uint64
	for seed, tried := c.seed, 0; len(seeds) < c.runs && tried < c.runs*len(traits()); seed, tried = seed+1, tried+1 {
		if c.kind == "" || string(draw(seed).kind) == c.kind {
			seeds = append(seeds, seed)
		}
	}
	return seeds
}

// command is the whole program; it returns the exit code.
func command(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	cfg, flags, err := parse(args)
	switch {
	case errors.Is(err, pflag.ErrHelp):
		fmt.Fprint(stdout, "Runs clusters under faults, and checks that nothing is lost.\n\n", flags.FlagUsages())
		return exitDone
	case err != nil:
		fmt.Fprintln(stderr, "chaos:", err)
		return exitUsage
	case !haveOpenCV:
		fmt.Fprintln(stderr, "chaos: this build has no OpenCV; use make chaos, which sets the tags")
		return exitUsage
	case cfg.plan:
		for _, seed := range cfg.seeds() {
			fmt.Fprintln(stdout, draw(seed))
		}
		return exitDone
	}
	k, err := newKit(ctx, cfg.bin)
	if err != nil {
		fmt.Fprintln(stderr, "chaos:", err)
		return exitViolation
	}
	plans := make([]plan, 0, cfg.runs)
	for _, seed := range cfg.seeds() {
		plans = append(plans, draw(seed))
	}
	s := k.runAll(ctx, plans, cfg, func(r result) {
		fmt.Fprintln(stdout, r)
		if len(r.wrong) > 0 {
			fmt.Fprintln(stdout, r.report)
		}
	})
	if err := k.close(); err != nil {
		fmt.Fprintln(stderr, "chaos:", err)
	}
	fmt.Fprint(stdout, s)
	switch {
	case ctx.Err() != nil:
		return exitInterrupted
	case s.violations > 0:
		return exitViolation
	}
	return exitDone
}

// runAll runs all plans, so many at once, and tells of each.
func (k *kit) runAll(ctx context.Context, plans []plan, cfg config, tell func(result)) *summary {
	s := newSummary()
	todo := make(chan plan)
	results := make(chan result)
	var wg sync.WaitGroup
	for range cfg.parallel {
		wg.Go(func() {
			for p := range todo {
				results <- k.run(ctx, p, cfg.keep)
			}
		})
	}
	go func() {
		for _, p := range plans {
			if ctx.Err() != nil {
				break
			}
			todo <- p
		}
		close(todo)
		wg.Wait()
		close(results)
	}()
	for r := range results {
		if ctx.Err() != nil {
			continue // its violations are ours
		}
		s.add(r)
		tell(r)
	}
	s.took = time.Since(s.begun)
	return s
}
