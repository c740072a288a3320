package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"spillway/bench/load"
	"spillway/bench/report"
	"spillway/bench/sim"
	"spillway/job"
)

const compareUsage = `bench compare runs policies on real clusters of the programs that stand beside it, on
this machine, and prints what came of each: means and quantiles over all of its jobs, and
± half of the interval that holds them with 95 % confidence. The policies take turns;
each gets a fresh server and fresh nodes for every seed, whose nodes draw the same for all.
What a setting came to is kept in the folder of the results, beside that of other settings,
and bench report shows them all.

Examples:
  bench compare
  bench compare --policy pull --policy balance --load-probabilities .1,.5,.2,.9 --images 100 --window 4
  bench compare --policy pull --policy p2c --nodes 8 --op none:ms=20 --images 1 --rate 100 --jobs 500
  bench compare --policy pull --nodes 2 --slots 2 --op none:ms=20 --images 1 --rate 300 --jobs 4500 --deadline 500ms
  bench compare --policy pull:hedge=0 --policy pull --op edges --images 200 --jobs 5 --seeds 10 --json

Flags:
`

// compareConfig is what the command line of compare asks for.
type compareConfig struct {
	trial     load.Trial
	policies  []string
	nodes     int
	images    int
	operation string
	batch     bool
	seed      uint64
	seeds     int
	out       string
	json      bool
	called    string
}

func newCompareFlags(c *compareConfig) *pflag.FlagSet {
	flags := pflag.NewFlagSet("bench compare", pflag.ContinueOnError)
	flags.SortFlags = false
	flags.Usage = func() {}
	flags.StringArrayVar(&c.policies, "policy", []string{"random", "balance", "p2c", "pull"}, "`NAME` or NAME:PARAMETER=VALUE,…; once for each (default: random, balance, p2c and pull)")
	flags.IntVar(&c.nodes, "nodes", 4, "how many nodes; as many as load probabilities, where those are given alone")
	flags.Float64SliceVar(&c.trial.Loads, "load-probabilities", nil, "of the nodes, in turn: `.1,.5,.2,.9` (default: 0)")
	flags.DurationVar(&c.trial.Delay, "delay", 3*time.Second, "injected delay")
	flags.IntVar(&c.trial.Slots, "slots", 0, "tasks that a node works on at once (default: one a core)")
	flags.StringVar(&c.trial.Admission, "admission", usualAdmission, "what nodes decide on tasks by")
	flags.IntVar(&c.trial.Window, "window", usualWindow, "tasks in flight at once, of all jobs together")
	flags.StringVar(&c.operation, "op", job.NoOperation, "the operation, as `NAME[:k=v,...]`, on small pictures; none:ms=20 takes 20 ms and no CPU")
	flags.IntVar(&c.images, "images", 6, "images of a job")
	flags.IntVar(&c.trial.Jobs, "jobs", 3, "jobs on each cluster")
	flags.BoolVar(&c.batch, "batch", false, "a job begins when that before has ended; this is so without --rate")
	flags.Float64Var(&c.trial.Rate, "rate", 0, "`JOBS` a second that come by chance, whether or not others have ended; times count from when they should have come")
	flags.DurationVar(&c.trial.Deadline, "deadline", 0, "of each job; those that miss it are counted, and no error (default: none)")
	flags.IntVar(&c.seeds, "seeds", 5, "runs of each policy, each with the next seed")
	flags.Uint64Var(&c.seed, "seed", 1, "the first of them")
	flags.StringVar(&c.out, "out", defaultOut, "`folder` of the results")
	flags.BoolVar(&c.json, "json", false, "print results as lines of JSON")
	tellOwnDefaults(flags)
	return flags
}

func compareHelp() string { return compareUsage + newCompareFlags(&compareConfig{}).FlagUsages() }

// The most that one machine is asked for.
const (
	mostNodes  = 64
	mostImages = 100_000
	mostJobs   = 1000 // that a server takes at once; more, where a deadline ends them
)

// The defaults of --window and --admission.
const (
	usualWindow    = 1024
	usualAdmission = "probability"
)

// parseCompare reads the command line of compare. Errors: pflag.ErrHelp;
// InvalidArgument.
func parseCompare(args []string) (compareConfig, error) {
	c := compareConfig{called: strings.TrimSpace("bin/bench compare " + strings.Join(args, " "))}
	flags := newCompareFlags(&c)
	err := flags.Parse(args)
	switch {
	case errors.Is(err, pflag.ErrHelp):
		return c, err
	case err != nil:
		return c, badCompare(err.Error())
	case flags.NArg() > 0:
		return c, badCompare(fmt.Sprintf("%q is one argument too many", flags.Arg(0)))
	case c.batch && c.trial.Rate != 0:
		return c, badCompare("--batch and --rate do not go together")
	}
	if n := len(c.trial.Loads); n > 0 && !flags.Changed("nodes") {
		c.nodes = n
	}
	if err := c.checkCounts(); err != nil {
		return c, err
	}
	c.spread()
	if c.trial.Operation, err = job.ParseOperation(c.operation); err != nil {
		return c, err
	}
	return c, c.checkWords()
}

// checkCounts checks the numbers. Errors: InvalidArgument.
func (c *compareConfig) checkCounts() error {
	for _, n := range []struct {
		flag  string
		value int
		most  int
	}{
		{"nodes", c.nodes, mostNodes},
		{"images", c.images, mostImages},
		{"jobs", c.trial.Jobs, c.mostJobs()},
		{"seeds", c.seeds, math.MaxInt},
		{"window", c.trial.Window, math.MaxInt},
	} {
		if n.value < 1 || n.value > n.most {
			return badCompare(fmt.Sprintf("--%s %d is not from 1 to %d", n.flag, n.value, n.most))
		}
	}
	switch {
	case c.trial.Slots < 0:
		return badCompare(fmt.Sprintf("--slots %d do nothing", c.trial.Slots))
	case c.trial.Deadline < 0:
		return badCompare(fmt.Sprintf("--deadline %v is in the past", c.trial.Deadline))
	case c.trial.Delay < 0:
		return badCompare(fmt.Sprintf("--delay %v is in the past", c.trial.Delay))
	case !(c.trial.Rate >= 0) || math.IsInf(c.trial.Rate, 1):
		return badCompare(fmt.Sprintf("--rate %v is no number of jobs a second", c.trial.Rate))
	case len(c.trial.Loads) > c.nodes:
		return badCompare(fmt.Sprintf("%d load probabilities are too many for %d nodes", len(c.trial.Loads), c.nodes))
	}
	return nil
}

// mostJobs is the most that --jobs may be.
func (c *compareConfig) mostJobs() int {
	if c.trial.Deadline > 0 {
		return mostImages
	}
	return mostJobs
}

// spread gives the load probabilities to the nodes, in turn.
func (c *compareConfig) spread() {
	given := c.trial.Loads
	c.trial.Loads = make([]float64, c.nodes)
	for i := range c.trial.Loads {
		if len(given) > 0 {
			c.trial.Loads[i] = given[i%len(given)]
		}
	}
}

// checkWords checks policies, admission and load probabilities, as the simulator does.
// Errors: InvalidArgument.
func (c *compareConfig) checkWords() error {
	nodes := make([]sim.Node, len(c.trial.Loads))
	for i, p := range c.trial.Loads {
		nodes[i].Probability = p
	}
	for _, word := range c.policies {
		if err := (sim.Config{Policy: word, Admission: c.trial.Admission, Nodes: nodes, Tasks: 1}).Validate(); err != nil {
			return err
		}
	}
	return nil
}

func badCompare(why string) error {
	return job.E(job.InvalidArgument, "", errors.New(why), "bench compare --help shows the flags, with examples")
}

// comparePolicies runs every policy under every seed, and prints what came of it.
func comparePolicies(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	c, err := parseCompare(args)
	if errors.Is(err, pflag.ErrHelp) {
		fmt.Fprint(stdout, compareHelp())
		return nil
	}
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err == nil {
		err = os.MkdirAll(c.out, 0o755)
	}
	if err != nil {
		return unwritable(c.out, err)
	}
	all, err := c.measure(ctx, filepath.Dir(self), stderr)
	if err != nil {
		return err
	}
	if err := c.tell(all, stdout); err != nil {
		return err
	}
	sayKept(c.out, stderr)
	return nil
}

// measure runs the policies in turn on fresh clusters.
func (c *compareConfig) measure(ctx context.Context, bin string, stderr io.Writer) (all []compared, err error) {
	lab, err := load.NewLab(bin)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, lab.Close()) }()
	fill := lab.Pictures
	if c.trial.Operation.Name == job.NoOperation {
		fill = lab.Empty
	}
	if c.trial.Base, err = fill(ctx, "images", c.images); err != nil {
		return nil, err
	}
	for _, word := range c.policies {
		all = append(all, compared{policy: word})
	}
	for n := range uint64(c.seeds) {
		for i := range all {
			outcomes, err := lab.Try(ctx, c.trial, all[i].policy, c.seed+n)
			if ctx.Err() != nil {
				return nil, job.E(job.CancelledCode, "bench compare", errors.New("interrupted"), "")
			}
			if err != nil {
				return nil, fmt.Errorf("%s: %w", all[i].policy, err)
			}
			all[i].seeds = append(all[i].seeds, outcomes)
			fmt.Fprintf(stderr, "bench: seed %d, %s: %.3f s for a job\n", c.seed+n, all[i].policy, report.Mean(seconds(outcomes)))
		}
	}
	return all, nil
}
