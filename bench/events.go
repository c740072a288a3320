package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/spf13/pflag"

	"spillway/bench/load"
	"spillway/job"
)

const eventsUsage = `bench events measures what it costs a server that many listen to the events of one job
over HTTP while it runs on two nodes: in turns with one listener, and with many. The line
at the end tells whether each heard of every task.

Examples:
  bench events
  bench events --listeners 100 --tasks 1000

Flags:
`

func newEventsFlags(c *load.ListenersConfig) *pflag.FlagSet {
	flags := pflag.NewFlagSet("bench events", pflag.ContinueOnError)
	flags.SortFlags = false
	flags.Usage = func() {}
	flags.IntVar(&c.Listeners, "listeners", 1000, "how many listen at once")
	flags.IntVar(&c.Tasks, "tasks", 400, "tasks of the job")
	flags.IntVar(&c.Turns, "turns", 3, "jobs with one listener, and as many with many")
	return flags
}

// parseEvents reads the command line. Errors: pflag.ErrHelp; InvalidArgument.
func parseEvents(args []string) (load.ListenersConfig, error) {
	var c load.ListenersConfig
	flags := newEventsFlags(&c)
	wrong := func(why string) error {
		return job.E(job.InvalidArgument, "bench events", errors.New(why), "bench events --help shows examples")
	}
	err := flags.Parse(args)
	const user, many = 1100, 100_000 // streams that a user may have; tasks and turns
	switch {
	case errors.Is(err, pflag.ErrHelp):
		return c, err
	case err != nil:
		return c, wrong(err.Error())
	case flags.NArg() > 0:
		return c, wrong(fmt.Sprintf("%q is too much", flags.Arg(0)))
	case c.Listeners < 1 || c.Listeners > user:
		return c, wrong(fmt.Sprintf("--listeners %d is not 1 to %d", c.Listeners, user))
	case c.Tasks < 1 || c.Tasks > many:
		return c, wrong(fmt.Sprintf("--tasks %d is not 1 to %d", c.Tasks, many))
	case c.Turns < 1 || c.Turns > many:
		return c, wrong(fmt.Sprintf("--turns %d is not 1 to %d", c.Turns, many))
	}
	return c, nil
}

// measureEvents is the command.
func measureEvents(ctx context.Context, args []string, stdout io.Writer) error {
	c, err := parseEvents(args)
	if errors.Is(err, pflag.ErrHelp) {
		fmt.Fprint(stdout, eventsUsage, newEventsFlags(&c).FlagUsages())
		return nil
	}
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	c.Bin = filepath.Dir(self)
	one, many, before, err := load.MeasureListeners(ctx, c)
	if err != nil {
		return err
	}
	verdict, short := "ok", error(nil)
	if many.Resets > 0 {
		verdict, short = "short", errShort
	}
	const mb, middle, high = 1e6, 0.5, 0.99
	fmt.Fprintln(stdout, strings.Join([]string{
		"events", verdict, fmt.Sprintf("listeners=%d tasks=%d events=%d resets=%d", c.Listeners, c.Tasks, many.Events, many.Resets),
		fmt.Sprintf("delay_ratio=%.2f", many.Quantile(middle).Seconds()/one.Quantile(middle).Seconds()),
		fmt.Sprintf("delay=%.1fms p99=%.1fms", 1e3*many.Quantile(middle).Seconds(), 1e3*many.Quantile(high).Seconds()),
		fmt.Sprintf("one=%.1fms one_p99=%.1fms", 1e3*one.Quantile(middle).Seconds(), 1e3*one.Quantile(high).Seconds()),
		fmt.Sprintf("cpu_each=%.1fµs", 1e6*(many.CPU-one.CPU).Seconds()/float64(max(1, many.Events-one.Events))),
		fmt.Sprintf("cpu=%.2fs one_cpu=%.2fs took=%.1fs one_took=%.1fs", many.CPU.Seconds(), one.CPU.Seconds(), many.Took.Seconds(), one.Took.Seconds()),
		fmt.Sprintf("memory=%.1fMB before=%.1fMB", float64(many.Memory)/mb, float64(before)/mb),
		fmt.Sprintf("turns=%d cores=%d", c.Turns, runtime.NumCPU()),
	}, " "))
	return short
}
