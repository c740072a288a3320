package main

import (
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/pflag"

	"spillway/bench/scenario"
	"spillway/job"
)

const usage = `bench measures client, server and computenode, which stand beside it, and
writes a report with tables and plots. It also plays them in simulated time.

  bench run [flags]          measure everything, in about six minutes, and report
  bench run S1 … [flags]     run scenarios, any of S1 to S14, and tell for each whether it meets its targets
  bench report [--out DIR]   write the report again from the recorded results
  bench compare [flags]      run policies on real clusters, side by side; bench compare --help tells more
  bench media [flags]        measure faces, videos and sound beside plain programs; bench media --help tells more
  bench api [flags]          measure the HTTP API beside a bare handler of net/http; bench api --help tells more
  bench sim [flags]          play policies in simulated time; bench sim --help tells more

Examples:
  bench run
  bench run --quick --out /tmp/look
  bench run --photos ~/pictures
  bench run S2 S7 --seeds 100 --policy pull:hedge=0

Flags:
`

// config is what the command line asks for.
type config struct {
	command string
	out     string
	in      string // of plain
	photos  string
	quick   bool
	seed    uint64

	scenarios []scenario.Scenario
	seeds     int
	policies  []string
}

// defaultOut is the folder of the results where none is named.
const defaultOut = "bench/out"

// newFlags describes the flags; parsing them fills c.
func newFlags(c *config) *pflag.FlagSet {
	flags := pflag.NewFlagSet("bench", pflag.ContinueOnError)
	flags.SortFlags = false
	flags.Usage = func() {}
	flags.StringVar(&c.out, "out", defaultOut, "`folder` of results and report")
	flags.StringVar(&c.photos, "photos", "data/input_dir", "`folder` of photographs, .jpg and .png")
	flags.BoolVar(&c.quick, "quick", false, "measure less of everything, for a first look")
	flags.Uint64Var(&c.seed, "seed", 1, "seed of all draws; the same seed draws the same")
	flags.IntVar(&c.seeds, "seeds", 30, "of scenarios: runs, each with the next seed")
	flags.StringArrayVar(&c.policies, "policy", nil, "of scenarios: `NAME` or NAME:PARAMETER=VALUE,… to be played beside the others; once for each")
	return flags
}

// help is the text of --help.
func help() string { return usage + newFlags(&config{}).FlagUsages() }

// commands, and the number of arguments that each takes. "plain IN OUT" is the
// loop that the programs are measured against, for bench's own use.
func commands() map[string]int { return map[string]int{"run": 0, "report": 0, "plain": 2} }

// parse reads the command line. Errors: pflag.ErrHelp; InvalidArgument.
func parse(args []string) (config, error) {
	var c config
	flags := newFlags(&c)
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, pflag.ErrHelp) {
			return c, err
		}
		return c, bad(err.Error())
	}
	if flags.NArg() == 0 {
		return c, bad("no command is given")
	}
	c.command, args = flags.Arg(0), flags.Args()[1:]
	wanted, known := commands()[c.command]
	if c.command == "run" && len(args) > 0 {
		return c.withScenarios(args)
	}
	switch {
	case !known:
		return c, bad(fmt.Sprintf("there is no command %q", c.command))
	case len(args) > wanted:
		return c, bad(fmt.Sprintf("%q is one argument too many", args[wanted]))
	case len(args) < wanted:
		return c, bad(fmt.Sprintf("%s wants %d folders", c.command, wanted))
	case flags.Changed("seeds") || flags.Changed("policy"):
		return c, bad("--seeds and --policy are for scenarios, and none is named")
	case c.command == "report" && slices.ContainsFunc([]string{"photos", "quick", "seed"}, flags.Changed):
		return c, bad("report measures nothing; it takes --out alone")
	}
	if wanted == 2 {
		c.in, c.out = args[0], args[1]
	}
	return c, nil
}

// withScenarios reads the names of scenarios. Errors: InvalidArgument.
func (c config) withScenarios(names []string) (config, error) {
	if c.seeds < 1 {
		return c, bad(fmt.Sprintf("--seeds %d plays nothing", c.seeds))
	}
	var err error
	c.scenarios, err = findScenarios(names, c.policies)
	return c, err
}

// bad is a wrong command line.
func bad(why string) error {
	return job.E(job.InvalidArgument, "", errors.New(why), "write bench run [S1 …] [flags], bench report [--out DIR], bench compare [flags] or bench sim [flags]; bench --help shows examples")
}
