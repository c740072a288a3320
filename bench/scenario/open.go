package scenario

import (
	"context"
	"time"

	"spillway/bench/report"
	"spillway/bench/sim"
	"spillway/server/policy"
)

// Of the tasks that come over time, the first part lets the policies settle.
const (
	openTasks  = 20_000
	openWarmup = 4_000
	quickTasks = 3_000
)

// plainP2C is p2c as its papers have it, which S7 and S8 are judged against: the p2c of
// this program may send second copies of what is slow, as all its policies may. The ratio
// to that one is recorded beside, without a target.
const plainP2C = "p2c:hedge=0"

// antagonists slow every other node down to a fifth, half of the time: a node that has
// been good is not for long, which is what tells policies apart that look at it from
// those that look at their own attempts.
func antagonists() sim.Antagonists {
	return sim.Antagonists{Part: .5, On: 10 * time.Second, Off: 10 * time.Second, Factor: .2}
}

// stream is a fleet whose tasks come over time.
func (e *Env) stream(nodes int, load float64) sim.Config {
	tasks, warmup := openTasks, openWarmup
	if e.Quick {
		tasks, warmup = quickTasks, quickTasks/5
	}
	return sim.Config{
		Nodes: make([]sim.Node, nodes), Tasks: tasks, Warmup: warmup, Arrivals: sim.Arrivals{Load: load},
		Sizes: sim.Sizes{Shape: sim.Exponential, Mean: 100 * time.Millisecond},
	}
}

// times is the p99 of a policy ÷ that of the best, seed by seed.
func (o outcomes) times(word string, best []float64) []float64 { return ratios(o.get(word, p99), best) }

// openLoop is S7: p99 of the default against that of the central queue, and of [plainP2C].
func openLoop(ctx context.Context, e *Env) ([]Figure, error) {
	var figures []Figure
	for _, load := range []float64{.9, .7} {
		e.Say("  load %v", load)
		pairs := []string{"load", spell(load)}
		all, err := e.study(ctx, study{
			words: e.Lineup(plainP2C, Central), pairs: pairs,
			config: func(uint64) sim.Config {
				cfg := e.stream(100, load)
				cfg.Antagonists = antagonists()
				return cfg
			},
		})
		if err != nil {
			return nil, err
		}
		for word, of := range all {
			if err := e.cdf(word, of, pairs...); err != nil {
				return nil, err
			}
		}
		best := all.get(policy.Default, p99)
		figures = append(figures,
			e.judged("p99_ratio_"+spell(load), policy.Default, ratios(best, all.get(Central, p99)), "", 1.1),
			e.judged("plain_p2c_p99_ratio_"+spell(load), policy.Default, all.times(plainP2C, best), "", 5).least())
		if _, err := e.Mean("copying_p2c_p99_ratio", policy.Default, all.times("p2c", best), "", append(pairs, "on", report.OnSimulator)...); err != nil {
			return nil, err
		}
	}
	return figures, nil
}

// sharedNodes is S8: 50 servers, each of which sees its own attempts alone. Judged is
// prequal, which asks the nodes, against the central queue and [plainP2C].
func sharedNodes(ctx context.Context, e *Env) ([]Figure, error) {
	const servers, load, probing = 50, .9, "prequal"
	words := e.Lineup(plainP2C, Central)
	all, err := e.study(ctx, study{
		words: words, pairs: []string{"load", spell(load)},
		config: func(uint64) sim.Config {
			cfg := e.stream(100, load)
			cfg.Servers, cfg.Antagonists = servers, antagonists()
			return cfg
		},
	})
	if err != nil {
		return nil, err
	}
	for _, word := range words {
		if err := e.cdf(word, all[word], "load", spell(load)); err != nil {
			return nil, err
		}
	}
	best := all.get(probing, p99)
	if _, err := e.Mean("copying_p2c_p99_ratio", probing, all.times("p2c", best), "", "load", spell(load), "on", report.OnSimulator); err != nil {
		return nil, err
	}
	return []Figure{
		e.judged("p99_ratio_prequal", probing, ratios(best, all.get(Central, p99)), "", 3.5),
		e.judged("plain_p2c_p99_ratio_prequal", probing, all.times(plainP2C, best), "", 8).least(),
	}, nil
}
