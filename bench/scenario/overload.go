package scenario

import (
	"context"
	"errors"
	"time"

	"spillway/bench/report"
	"spillway/bench/sim"
	"spillway/computenode/admission"
	"spillway/server/policy"
)

// A run of S10: a time in which the queues fill, one in which what comes is counted, and
// a deadline more, so that the last that are counted have others to compete with. Shorter
// runs, or such as count to the end, flatter: the last queue is served without new tasks.
const (
	overloadWarmup = 3 * time.Second
	overloadSpan   = 15 * time.Second
	quickSpan      = 8 * time.Second
)

// overloadNodes are few, since a policy that keeps no queue asks every node again and again
// for each task.
const overloadNodes = 10

// comparedSeeds are those of policies and controllers that are held against each other
// without a target, where a run takes long.
const comparedSeeds = 10

// overloads are the loads of S10, as parts of the capacity: the curves need some below 1,
// and targets are for those above.
func overloads() []float64 { return []float64{.5, .8, 1, 1.5, 2, 3} }

// overload is S10: more comes than the nodes can do, from half as much again to three
// times. Ideal goodput is min(arrivals, capacity), in work: see [sim.Offered]. The default
// policy is judged with nodes that admit all but the injected load; then policies are
// held against each other, and with two of them the controllers. The default is played
// with every seed that there is, even in quick runs, which are only shorter.
func overload(ctx context.Context, e *Env) ([]Figure, error) {
	span := overloadSpan
	if e.Quick {
		span = quickSpan
	}
	e = e.whole()
	var goodputs, attempts []Figure
	played := map[float64]outcomes{}
	for _, load := range overloads() {
		e.Say("  %v × capacity", load)
		all, err := e.offered(ctx, load, span)
		if err != nil {
			return nil, err
		}
		played[load] = all
		if load <= 1 {
			continue
		}
		goodputs = append(goodputs, e.judged("goodput_"+spell(load), policy.Default, all.get(policy.Default, workGoodput), "", .98).least())
		attempts = append(attempts, e.judged("attempts_"+spell(load), policy.Default, all.get(policy.Default, perDone), "", 1.1))
	}
	return append(goodputs, attempts...), e.controllers(ctx, span, played)
}

func workGoodput(o outcome) float64 { return o.offered.Goodput() }
func taskGoodput(o outcome) float64 { return o.offered.TaskGoodput() }
func perDone(o outcome) float64     { return o.attempts }

// overloaded is a fleet to which a part load of its capacity comes.
func overloaded(load float64, span time.Duration, controller string) sim.Config {
	cfg := withDeadline(overloadNodes)
	rate := load * overloadNodes / cfg.Sizes.Mean.Seconds()
	cfg.Warmup = int(rate * overloadWarmup.Seconds())
	cfg.Tasks = cfg.Warmup + int(rate*(span+deadline).Seconds())
	cfg.Arrivals.Load, cfg.Admission = load, controller
	return cfg
}

// offered plays a load, and records the goodputs and attempts.
func (e *Env) offered(ctx context.Context, load float64, span time.Duration) (outcomes, error) {
	words := e.Some(policy.Default, Central, "random", "p2c")
	pairs := []string{"offered", spell(load), "on", report.OnSimulator}
	all, err := e.study(ctx, study{words: words, rest: comparedSeeds, pairs: pairs[:2], config: func(uint64) sim.Config {
		return overloaded(load, span, admission.DefaultName)
	}})
	if err != nil {
		return nil, err
	}
	for _, word := range words {
		for _, m := range []struct {
			name string
			of   func(outcome) float64
		}{{"goodput_work", workGoodput}, {"goodput_tasks", taskGoodput}} {
			if _, err := e.Mean(m.name, word, all.get(word, m.of), "", pairs...); err != nil {
				return nil, err
			}
		}
		useful := all.get(word, func(o outcome) float64 { return float64(o.offered.DoneWork) / float64(max(1, o.offered.Capacity)) })
		if err := e.sampled(report.Goodput, word, useful, pairs...); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// controllers holds the controllers against each other at every load, each with a policy
// that leaves the queues at the nodes and with the default, which keeps them at the
// server. All see the same tasks. played is what came with the default controller.
func (e *Env) controllers(ctx context.Context, span time.Duration, played map[float64]outcomes) error {
	for _, name := range admission.Names() {
		e.Say("  controller %s", name)
		for _, load := range overloads() {
			all, err := played[load], error(nil)
			if name != admission.DefaultName {
				all, err = play(ctx, e.withSeeds(min(e.Seeds, comparedSeeds)), heldControllers(), func(uint64) sim.Config {
					return overloaded(load, span, name)
				}, look)
			}
			if err == nil {
				err = e.controller(name, load, all)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// heldControllers are the policies that controllers are held against each other with.
func heldControllers() []string { return []string{"random", policy.Default} }

// controller records what came of a controller at a load.
func (e *Env) controller(name string, load float64, all outcomes) error {
	for _, word := range heldControllers() {
		pairs := []string{"admission", name, "offered", spell(load), "on", report.OnSimulator}
		err := errors.Join(
			e.sampled(report.Controller, word, all.get(word, workGoodput), append(pairs, "metric", "goodput_work")...),
			e.sampled(report.Controller, word, all.get(word, perDone), append(pairs, "metric", "attempts")...),
		)
		if err != nil {
			return err
		}
	}
	return nil
}
