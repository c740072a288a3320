package scenario

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"spillway/bench/closedform"
	"spillway/bench/report"
	"spillway/bench/sim"
	"spillway/server/policy"
)

// injected is the assignment's delay T.
const injected = 3 * time.Second

// loaded are nodes with those load probabilities, each of two slots.
func loaded(loads ...float64) []sim.Node {
	nodes := make([]sim.Node, len(loads))
	for i, p := range loads {
		nodes[i] = sim.Node{Slots: 2, Probability: p, Delay: injected}
	}
	return nodes
}

// mixed are the load probabilities of S2 and S3.
func mixed() []float64 { return []float64{.1, .5, .2, .9} }

// fidelity is S1 in the simulator: tasks without work, all at once, so that a run lasts
// T where any of them is delayed.
func fidelity(ctx context.Context, e *Env) ([]Figure, error) {
	e = e.whole()
	worst := Figure{Metric: "deviation_simulated", Unit: "%", Target: 2, Policy: "balance"}
	for _, images := range []int{6, 100} {
		runs := e.Runs() * 12_000 / images / images
		for _, loads := range [][]float64{{.2, .2, .2, .2}, {.8, .8, .8, .8}, mixed(), {.8, .6, .5, .2}} {
			for word, form := range map[string]float64{"random": closedform.Random(loads, images), "balance": closedform.Balance(loads, images)} {
				of, err := play(ctx, e.withSeeds(max(e.Runs(), runs)), []string{word}, func(uint64) sim.Config {
					return sim.Config{Nodes: loaded(loads...), Tasks: images, Sizes: sim.Sizes{Mean: -1}}
				}, func(r *sim.Result) float64 { return r.Makespan.Seconds() / injected.Seconds() })
				if err != nil {
					return nil, err
				}
				f, err := e.Mean("makespan", word, of[word], "T", "on", report.OnSimulator, "images", strconv.Itoa(images), "loads", strings.Trim(fmt.Sprint(loads), "[]"), "closed_form", spell(form))
				if err != nil {
					return nil, err
				}
				if off := 100 * max(f.Value/form-1, 1-f.Value/form); off > worst.Value {
					worst.Value, worst.Policy, worst.N = off, word, f.N
				}
			}
		}
	}
	return []Figure{worst}, nil
}

// small are the images of S2 to S4: 5 ms each.
func small() sim.Sizes { return sim.Sizes{Mean: 5 * time.Millisecond} }

// The jobs of S2: the first is cold, and those from the tenth on are warm.
const (
	jobs      = 20
	warmFrom  = 10
	jobImages = 6
	jobEvery  = 10 * time.Second
)

// sixJobs is what came of the jobs of one run.
type sixJobs struct{ cold, warm, attempts float64 }

// sixImages is S2 in the simulator: jobs of six images, one after the other.
func sixImages(ctx context.Context, e *Env) ([]Figure, error) {
	e = e.whole()
	words := e.Lineup()
	config := func(uint64) sim.Config {
		cfg := sim.Config{Nodes: loaded(mixed()...), Tasks: jobs * jobImages, Sizes: small(), Trace: 10_000}
		for i := range cfg.Tasks {
			cfg.Arrivals.At = append(cfg.Arrivals.At, time.Duration(i/jobImages)*jobEvery)
		}
		return cfg
	}
	all, err := play(ctx, e, words, config, lookAtJobs)
	if err != nil {
		return nil, err
	}
	get := func(word string, f func(sixJobs) float64) []float64 { return values(all[word], f) }
	cold, warm := func(j sixJobs) float64 { return j.cold }, func(j sixJobs) float64 { return j.warm }
	attempts := func(j sixJobs) float64 { return j.attempts }
	for _, word := range words {
		for _, m := range []struct {
			name, state, unit string
			of                func(sixJobs) float64
		}{{"makespan", "cold", "s", cold}, {"makespan", "warm", "s", warm}, {"attempts", "all", "", attempts}} {
			if _, err := e.Mean(m.name, word, get(word, m.of), m.unit, "on", report.OnSimulator, "state", m.state); err != nil {
				return nil, err
			}
		}
	}
	best := policy.Default
	times := report.Mean(get("balance", cold)) / report.Mean(get(best, cold))
	return []Figure{
		e.judged("cold_simulated", best, get(best, cold), "s", .2),
		e.judged("warm_simulated", best, get(best, warm), "s", .12),
		e.judged("attempts_simulated", best, get(best, attempts), "", 1.3),
		Figure{Metric: "balance_ratio_simulated", Policy: best, Value: times, N: len(all[best]), Target: 20}.least(),
	}, nil
}

// lookAtJobs finds the makespan of each job in the attempts that ran.
func lookAtJobs(r *sim.Result) sixJobs {
	var ends [jobs * jobImages]time.Duration
	for _, s := range r.Trace {
		if s.Done && (ends[s.Task] == 0 || s.End < ends[s.Task]) {
			ends[s.Task] = s.End
		}
	}
	makespan := func(j int) float64 {
		return (slices.Max(ends[j*jobImages:(j+1)*jobImages]) - time.Duration(j)*jobEvery).Seconds()
	}
	o := sixJobs{cold: makespan(0), attempts: r.PerTask(r.Attempts)}
	for j := warmFrom; j < jobs; j++ {
		o.warm += makespan(j) / (jobs - warmFrom)
	}
	return o
}

// hundredImages is S3 in the simulator. The attempts of a few policies are drawn.
func hundredImages(ctx context.Context, e *Env) ([]Figure, error) {
	e = e.whole()
	config := func(uint64) sim.Config {
		return sim.Config{Nodes: loaded(mixed()...), Tasks: 100, Sizes: small(), Arrivals: sim.Arrivals{Window: 4}, Trace: 1000}
	}
	all, err := e.study(ctx, study{words: e.Lineup(), config: config})
	if err != nil {
		return nil, err
	}
	for _, word := range e.Some("balance", "cost", policy.Default) {
		cfg := config(e.Seed)
		cfg.Policy, cfg.Seed = word, e.Seed
		r, err := sim.Run(cfg)
		if err != nil {
			return nil, err
		}
		for _, s := range r.Trace {
			if err := e.Put(report.Span, word, (s.End - s.Start).Seconds(), "s", "node", strconv.Itoa(s.Node), "start", spell(s.Start.Seconds()),
				"copy", strconv.FormatBool(s.Copy), "done", strconv.FormatBool(s.Done), "task", strconv.Itoa(s.Task), "on", report.OnSimulator); err != nil {
				return nil, err
			}
		}
	}
	f := e.judged("makespan_simulated", policy.Default, all.get(policy.Default, func(o outcome) float64 { return o.makespan }), "s", 1.7)
	return []Figure{f}, nil
}

// workingImages are two hundred images all at once on the nodes of S3, which have real work
// to do, so that both a slot that idles and a delay that nobody sees coming cost. It has no
// target: random, whose nodes sleep through delays side by side, is hard to beat.
func workingImages(ctx context.Context, e *Env) ([]Figure, error) {
	_, err := e.study(ctx, study{
		words: e.Lineup(), pairs: []string{"images", "200", "work", "300 ms"},
		config: func(uint64) sim.Config {
			return sim.Config{Nodes: loaded(mixed()...), Tasks: 200, Sizes: sim.Sizes{Mean: 300 * time.Millisecond}}
		},
	})
	return nil, err
}

// rejecter is S4 in the simulator: one node of four turns nine tasks in ten away at
// once, and would be done with the tenth as fast as the others.
func rejecter(ctx context.Context, e *Env) ([]Figure, error) {
	e = e.whole()
	const tasks, first, bad = 2000, 200, 3
	words := e.Lineup()
	all, err := e.study(ctx, study{words: words, config: func(uint64) sim.Config {
		nodes := loaded(0, 0, 0, 0)
		nodes[bad].Reject = .9
		return sim.Config{Nodes: nodes, Tasks: tasks, Warmup: first, Sizes: small(), Arrivals: sim.Arrivals{Window: 6}}
	}})
	if err != nil {
		return nil, err
	}
	late := func(o outcome) float64 { return o.share(bad, first, tasks) }
	for _, word := range words {
		if err := e.shares(word, all[word]); err != nil {
			return nil, err
		}
		if _, err := e.Mean("late_share", word, all.get(word, late), "", "on", report.OnSimulator); err != nil {
			return nil, err
		}
	}
	return []Figure{e.judged("late_share_simulated", policy.Default, all.get(policy.Default, late), "", .02)}, nil
}

// share is the part of the first sends that node i got, of the tasks from first on.
func (o outcome) share(i, first, tasks int) float64 {
	got, sum := 0, 0
	for at := first * len(o.shares) / tasks; at < len(o.shares); at++ {
		got += o.shares[at][i]
		for _, n := range o.shares[at] {
			sum += n
		}
	}
	return float64(got) / float64(max(1, sum))
}

// shares records what part of the first sends each node got, over time.
func (e *Env) shares(word string, of []outcome) error {
	for at := range of[0].shares {
		for i := range of[0].shares[at] {
			v := report.Mean(values(of, func(o outcome) float64 {
				sum := 0
				for _, n := range o.shares[at] {
					sum += n
				}
				return float64(o.shares[at][i]) / float64(max(1, sum))
			}))
			p := parameters(word, []string{"node", strconv.Itoa(i), "step", strconv.Itoa(at), "on", report.OnSimulator})
			if err := e.note(report.Result{Name: report.Share, Params: p, Value: v, N: len(of)}); err != nil {
				return err
			}
		}
	}
	return nil
}
