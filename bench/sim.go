package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"spillway/bench/report"
	"spillway/bench/sim"
	"spillway/job"
)

const simUsage = `bench sim plays servers, nodes and tasks in simulated time, with the very policies of
the server, and prints what came of it: for each policy the mean over the seeds, and
± half of the interval that holds it with 95 % confidence.

Examples:
  bench sim --policy random --policy balance --load-probabilities .1,.5,.2,.9 --tasks 6 --sizes constant:mean=0s --seeds 1000
  bench sim --policy pull --policy central --nodes 100 --load .9 --sizes exponential --antagonists part=.3,on=2s,off=8s,factor=.3 --seeds 30
  bench sim --policy pull --nodes 1000 --tasks 100000 --stragglers part=.05,times=8 --json

Flags:
`

// simConfig is what the command line of sim asks for.
type simConfig struct {
	run      sim.Config
	fleet    sim.Fleet
	policies []string
	seeds    int
	json     bool
	called   string

	sizes, speeds, stragglers, antagonists, deaths, steps string
}

// central is the reference among the policies.
const central = "central"

func newSimFlags(c *simConfig) *pflag.FlagSet {
	flags := pflag.NewFlagSet("bench sim", pflag.ContinueOnError)
	flags.SortFlags = false
	flags.Usage = func() {}
	flags.StringArrayVar(&c.policies, "policy", []string{"pull", central}, "`NAME` or NAME:PARAMETER=VALUE,…, or central: an ideal queue; once for each (default: pull and central)")
	flags.IntVar(&c.fleet.Nodes, "nodes", 100, "how many nodes; as many as load probabilities, where those are given alone")
	flags.IntVar(&c.fleet.Slots, "slots", 1, "tasks that a node works on at once")
	flags.StringVar(&c.speeds, "speeds", "1", "of the nodes, in turn: `1,2,4`, or lognormal:sigma=0.5")
	flags.StringVar(&c.stragglers, "stragglers", "", "nodes that are slower: `part=.05,times=8`")
	flags.Float64SliceVar(&c.fleet.Probabilities, "load-probabilities", nil, "of the nodes, in turn: `.1,.5,.2,.9` (default: 0)")
	flags.DurationVar(&c.fleet.Delay, "delay", 3*time.Second, "injected delay")
	flags.StringVar(&c.run.Admission, "admission", "probability", "what nodes decide on tasks by")
	flags.StringVar(&c.antagonists, "antagonists", "", "what slows nodes down for a while: `part=.3,on=2s,off=8s,factor=.3`")
	flags.StringVar(&c.deaths, "deaths", "", "nodes that die and return: `part=.2,up=30s,down=5s`")
	flags.DurationVar(&c.run.Detection, "detection", 0, "how long servers need to see that a node died or is back")
	flags.IntVar(&c.run.Servers, "servers", 1, "how many servers share the nodes")
	flags.DurationVar(&c.run.RTT, "rtt", 200*time.Microsecond, "round trip between server and node")
	flags.Float64Var(&c.run.Jitter, "jitter", 0, "sigma of the logarithm of a factor on each way")
	flags.IntVar(&c.run.Tasks, "tasks", 10_000, "how many tasks come")
	flags.Float64Var(&c.run.Arrivals.Load, "load", 0, "part of the nodes' capacity that the tasks ask for; 0: a batch at once")
	flags.StringVar(&c.steps, "steps", "", "factors on the load, each for a time: `10s*0.5,5s*2,1s*1`; the last lasts on")
	flags.IntVar(&c.run.Arrivals.Window, "window", 0, "most tasks of a batch that are under way; 0: all")
	flags.StringVar(&c.sizes, "sizes", "constant", "time of a task at speed 1: `constant`, exponential or lognormal:sigma=1, each with mean=10ms; or file:PATH, a time a line")
	flags.BoolVar(&c.run.Unknown, "unknown", false, "servers know no sizes")
	flags.DurationVar(&c.run.Deadline, "deadline", 0, "of each task, after it came; 0: none")
	flags.IntVar(&c.run.Warmup, "warmup", 0, "first tasks that are left out of latencies and goodput")
	flags.Uint64Var(&c.run.Seed, "seed", 1, "seed of all draws; the same seed draws the same")
	flags.IntVar(&c.seeds, "seeds", 1, "runs, each with the next seed")
	flags.BoolVar(&c.json, "json", false, "print results as lines of JSON")
	tellOwnDefaults(flags)
	return flags
}

// tellOwnDefaults keeps pflag from adding the default of a list to those that tell theirs
// in words.
func tellOwnDefaults(flags *pflag.FlagSet) {
	flags.VisitAll(func(f *pflag.Flag) {
		switch {
		case !strings.Contains(f.Usage, "(default: "):
		case f.Value.Type() == "stringArray":
			f.DefValue = "[]" // which pflag takes for none
		case f.Value.Type() == "float64Slice":
			f.DefValue = ""
		}
	})
}

func simHelp() string { return simUsage + newSimFlags(&simConfig{}).FlagUsages() }

// parseSim reads the command line of sim. Errors: pflag.ErrHelp; InvalidArgument.
func parseSim(args []string) (simConfig, error) {
	c := simConfig{called: "bench sim " + strings.Join(args, " ")}
	flags := newSimFlags(&c)
	err := flags.Parse(args)
	switch {
	case errors.Is(err, pflag.ErrHelp):
		return c, err
	case err != nil:
		return c, badSim(err.Error())
	case flags.NArg() > 0:
		return c, badSim(fmt.Sprintf("%q is one argument too many", flags.Arg(0)))
	case c.seeds < 1:
		return c, badSim(fmt.Sprintf("--seeds %d plays nothing", c.seeds))
	case c.fleet.Nodes < 1:
		return c, badSim(fmt.Sprintf("--nodes %d work on nothing", c.fleet.Nodes))
	}
	if n := len(c.fleet.Probabilities); n > 0 && !flags.Changed("nodes") {
		c.fleet.Nodes = n
	}
	if c.run.RTT == 0 {
		c.run.RTT = -1 // 0 is the simulator's default
	}
	if err := c.readLists(); err != nil {
		return c, err
	}
	for _, word := range c.policies { // before the first run of any
		if err := c.at(word, c.run.Seed).Validate(); err != nil {
			return c, err
		}
	}
	return c, nil
}

// at is the run of a policy under a seed.
func (c simConfig) at(word string, seed uint64) sim.Config {
	cfg := c.run
	cfg.Policy, cfg.Central, cfg.Seed = word, word == central, seed
	cfg.Nodes = c.fleet.Draw(seed)
	return cfg
}

func badSim(why string) error {
	return job.E(job.InvalidArgument, "", errors.New(why), "bench sim --help shows the flags, with examples")
}

// simulate plays every policy under every seed, and prints what came of it.
func simulate(ctx context.Context, args []string, stdout io.Writer) error {
	c, err := parseSim(args)
	if errors.Is(err, pflag.ErrHelp) {
		fmt.Fprint(stdout, simHelp())
		return nil
	}
	if err != nil {
		return err
	}
	var all []outcomes
	for _, word := range c.policies {
		o := outcomes{policy: word}
		for n := range uint64(c.seeds) {
			if err := ctx.Err(); err != nil {
				return job.E(job.CancelledCode, "bench sim", err, "")
			}
			r, err := sim.Run(c.at(word, c.run.Seed+n))
			if err != nil {
				return err
			}
			o.add(&r)
		}
		all = append(all, o)
	}
	compare(all)
	if !c.json {
		c.table(stdout, all)
		return nil
	}
	for _, o := range all {
		for _, m := range o.metrics {
			if err := report.Write(stdout, c.result(o.policy, m)); err != nil {
				return err
			}
		}
	}
	return nil
}

// result is one figure of a policy as a line.
func (c simConfig) result(word string, m metric) report.Result {
	r := report.Result{
		Name: report.Simulated, Params: map[string]string{"policy": word, "metric": m.name}, Seed: c.run.Seed,
		Value: report.Mean(m.values), Unit: m.unit, N: len(m.values), Command: c.called,
	}
	if len(m.values) > 1 {
		r.Low, r.High = report.Interval(m.values, c.run.Seed)
	}
	return r
}

// table prints a line a policy and a column a metric; those that are 0 for all are left
// out.
func (c simConfig) table(w io.Writer, all []outcomes) {
	keep := slices.DeleteFunc(slices.Collect(indices(len(all[0].metrics))), func(i int) bool {
		return !slices.ContainsFunc(all, func(o outcomes) bool { return report.Mean(o.metrics[i].values) != 0 })
	})
	rows := [][]string{{"policy"}}
	for _, i := range keep {
		rows[0] = append(rows[0], all[0].metrics[i].name)
	}
	for _, o := range all {
		row := []string{o.policy}
		for _, i := range keep {
			row = append(row, o.metrics[i].cell(c.run.Seed))
		}
		rows = append(rows, row)
	}
	align(w, rows)
}
