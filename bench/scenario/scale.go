package scenario

import (
	"context"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"spillway/bench/sim"
	"spillway/server/policy"
)

// flapping is S12 in the simulator: a third of the nodes die and return again and again.
func flapping(ctx context.Context, e *Env) ([]Figure, error) {
	tasks := 10_000
	if e.Quick {
		tasks = quickTasks
	}
	all, err := e.study(ctx, study{words: e.Lineup(), config: func(uint64) sim.Config {
		return sim.Config{
			Nodes: make([]sim.Node, 30), Tasks: tasks, Arrivals: sim.Arrivals{Load: .5},
			Sizes:     sim.Sizes{Shape: sim.Exponential, Mean: 50 * time.Millisecond},
			Flap:      sim.Flap{Part: 1. / 3, Up: 5 * time.Second, Down: 2 * time.Second},
			Detection: 20 * time.Millisecond,
		}
	}})
	if err != nil {
		return nil, err
	}
	return []Figure{e.judged("lost_simulated", policy.Default, all.get(policy.Default, func(o outcome) float64 { return o.failed }), "", 0)}, nil
}

// wallTime is S13: how long the simulator takes for 1,000,000 tasks on 10,000 nodes. It
// runs on one thread; the collector's work on others is counted, too, so that the time
// is the processor's, which other programs on the machine lengthen less.
func wallTime(ctx context.Context, e *Env) ([]Figure, error) {
	nodes, tasks := 10_000, 1_000_000
	if e.Quick {
		nodes, tasks = 1000, 20_000
	}
	var figures []Figure
	for _, word := range e.Some(policy.Default, "p2c", Central) {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		runtime.GC() // what is left of other runs is not this one's
		began, before := time.Now(), used()
		_, err := sim.Run(sim.Config{
			Policy: word, Central: word == Central, Seed: e.Seed, Nodes: make([]sim.Node, nodes), Tasks: tasks,
			Arrivals: sim.Arrivals{Load: .9}, Sizes: sim.Sizes{Shape: sim.Exponential, Mean: 100 * time.Millisecond},
		})
		if err != nil {
			return nil, err
		}
		took := (used() - before).Seconds()
		pairs := []string{"nodes", strconv.Itoa(nodes), "tasks", strconv.Itoa(tasks)}
		if _, err := e.Mean("wall", word, []float64{time.Since(began).Seconds()}, "s", pairs...); err != nil {
			return nil, err
		}
		if _, err := e.Mean("processor", word, []float64{took}, "s", pairs...); err != nil {
			return nil, err
		}
		e.Say("  %s: %.1f s", word, took)
		if word == policy.Default {
			figures = append(figures, e.judged("processor", word, []float64{took}, "s", 10))
		}
	}
	return figures, nil
}

// used is the processor's time of this process until now.
func used() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
