package scenario

import (
	"context"
	"slices"

	"spillway/bench/report"
	"spillway/bench/sim"
	"spillway/computenode/admission"
	"spillway/server/policy"
)

// overloadTasks are those of one run of S10: 13 seconds at 1.5 × capacity.
const overloadTasks = 4000

// overload is S10: more comes than the nodes can do, from half as much again to three
// times. Ideal goodput is min(arrivals, capacity). The default policy is judged with
// nodes that admit all but the injected load; then policies are held against each other,
// and with each the controllers.
func overload(ctx context.Context, e *Env) ([]Figure, error) {
	var goodputs, attempts []Figure
	loads := []float64{1.5, 2, 3}
	for _, load := range slices.Concat([]float64{.5, .8, 1}, loads) {
		e.Say("  %v × capacity", load)
		all, err := e.offered(ctx, e.Some(policy.Default, Central, "random", "p2c"), load, admission.DefaultName)
		if err != nil {
			return nil, err
		}
		if load <= 1 {
			continue
		}
		good := func(o outcome) float64 { return o.goodput * load }
		goodputs = append(goodputs, e.judged("goodput_"+spell(load), policy.Default, all.get(policy.Default, good), "", .98).least())
		attempts = append(attempts, e.judged("attempts_"+spell(load), policy.Default,
			all.get(policy.Default, func(o outcome) float64 { return o.attempts }), "", 1.1))
	}
	return append(goodputs, attempts...), e.controllers(ctx)
}

// controllers holds the controllers against each other at twice the capacity, each with
// a policy that leaves the queues at the nodes and with the default, which keeps them at
// the server.
func (e *Env) controllers(ctx context.Context) error {
	for _, name := range admission.Names() {
		if name == admission.DefaultName {
			continue
		}
		if _, err := e.offered(ctx, e.Some("random", policy.Default), 2, name); err != nil {
			return err
		}
	}
	return nil
}

// offered plays a load, a part of the nodes' capacity, and records the goodput.
func (e *Env) offered(ctx context.Context, words []string, load float64, controller string) (outcomes, error) {
	tasks := overloadTasks
	if e.Quick {
		tasks = quickTasks
	}
	pairs := []string{"offered", spell(load), "admission", controller}
	all, err := e.study(ctx, study{words: words, rest: 1, pairs: pairs, config: func(uint64) sim.Config {
		cfg := withDeadline(deadlineNodes)
		cfg.Tasks, cfg.Warmup, cfg.Arrivals.Load, cfg.Admission = tasks, tasks/5, load, controller
		return cfg
	}})
	if err != nil {
		return nil, err
	}
	for _, word := range words {
		v := report.Mean(all.get(word, func(o outcome) float64 { return o.goodput }))
		if err := e.Put(report.Goodput, word, v, "", append(pairs, "on", report.OnSimulator)...); err != nil {
			return nil, err
		}
	}
	return all, nil
}
