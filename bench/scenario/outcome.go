package scenario

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"time"

	"spillway/bench/report"
	"spillway/bench/sim"
	"spillway/server/policy"
)

// outcome is what one run in the simulator came to, in little room. Times are in
// seconds, counts by task.
type outcome struct {
	makespan, ratio, mean, p50, p95, p99, p999       float64
	goodput, failed                                  float64
	offered                                          sim.Offered
	attempts, rejections, copies, wasted, used, jain float64
	quantiles                                        []float64 // at grid
	shares                                           [][]int
	series                                           []sim.Bucket
	width                                            time.Duration
}

// grid is the parts of the tasks whose latencies are drawn.
func grid() []float64 {
	return []float64{
		.01, .05, .1, .15, .2, .25, .3, .35, .4, .45, .5, .55, .6, .65, .7, .75, .8, .85, .9, .925, .95, .97, .98, .985, .99,
		.993, .995, .997, .998, .999, 1,
	}
}

func look(r *sim.Result) outcome {
	o := outcome{
		makespan: r.Makespan.Seconds(), mean: r.Latency.Mean.Seconds(), p50: r.Latency.P50.Seconds(), p95: r.Latency.P95.Seconds(),
		p99: r.Latency.P99.Seconds(), p999: r.Latency.P999.Seconds(), goodput: r.Goodput, offered: r.Offered, failed: float64(r.Failed + r.Unfinished),
		attempts: r.PerTask(r.Attempts), rejections: r.PerTask(r.Rejections), copies: r.PerTask(r.Copies), wasted: r.Wasted,
		used: r.Utilization, jain: r.Jain, shares: r.Shares, series: r.Series, width: r.Width,
	}
	if r.Offered.Tasks > 0 {
		o.attempts = r.Offered.PerDone()
	}
	if r.Bound > 0 {
		o.ratio = o.makespan / r.Bound.Seconds()
	}
	for _, q := range grid() {
		o.quantiles = append(o.quantiles, r.Quantile(q).Seconds())
	}
	return o
}

// study is one setting that policies are played in.
type study struct {
	words  []string
	config func(seed uint64) sim.Config
	// pairs are the parameters that tell it from others of the scenario.
	pairs []string
	// seeds instead of those that were asked for; 0: those.
	seeds int
	// rest is how many seeds policies are played with that are neither the default nor
	// the reference, where a run of theirs takes long; 0: as many.
	rest int
}

// outcomes are those of a study, by policy, then seed.
type outcomes map[string][]outcome

// study plays one, and records the figures that all scenarios have.
func (e *Env) study(ctx context.Context, s study) (outcomes, error) {
	e = e.studied()
	first := slices.DeleteFunc(slices.Clone(s.words), func(word string) bool {
		return s.rest > 0 && word != policy.Default && word != Central
	})
	all, err := play(ctx, e.withSeeds(s.seeds), first, s.config, look)
	if err == nil && len(first) < len(s.words) {
		others := slices.DeleteFunc(slices.Clone(s.words), func(word string) bool { return all[word] != nil })
		var played outcomes
		played, err = play(ctx, e.withSeeds(min(e.Seeds, s.rest)), others, s.config, look)
		maps.Copy(all, played)
	}
	if err != nil {
		return nil, err
	}
	for _, word := range s.words {
		if err := e.figures(word, all[word], s.pairs); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// withSeeds is e with so many seeds, where that is above 0.
func (e *Env) withSeeds(n int) *Env {
	if n == 0 {
		return e
	}
	other := *e
	other.Seeds = n
	return &other
}

// figures records those of one policy. Those that say nothing where a batch, or a
// stream of tasks, is played are left out.
func (e *Env) figures(word string, of []outcome, pairs []string) error {
	batch := of[0].ratio > 0
	for _, m := range []struct {
		name, unit string
		of         bool
		get        func(outcome) float64
	}{
		{"makespan", "s", batch, func(o outcome) float64 { return o.makespan }},
		{"makespan_ratio", "", batch, func(o outcome) float64 { return o.ratio }},
		{"mean", "s", !batch, func(o outcome) float64 { return o.mean }},
		{"p50", "s", !batch, func(o outcome) float64 { return o.p50 }},
		{"p95", "s", !batch, func(o outcome) float64 { return o.p95 }},
		{"p99", "s", !batch, func(o outcome) float64 { return o.p99 }},
		{"p999", "s", !batch, func(o outcome) float64 { return o.p999 }},
		{"attempts", "", true, func(o outcome) float64 { return o.attempts }},
		{"rejections", "", true, func(o outcome) float64 { return o.rejections }},
		{"copies", "", true, func(o outcome) float64 { return o.copies }},
		{"wasted", "", true, func(o outcome) float64 { return o.wasted }},
		{"jain", "", true, func(o outcome) float64 { return o.jain }},
	} {
		if !m.of {
			continue
		}
		if _, err := e.Mean(m.name, word, values(of, m.get), m.unit, append(pairs, "on", report.OnSimulator)...); err != nil {
			return err
		}
	}
	return nil
}

// cdf records the latencies of a policy, each the mean over the seeds.
func (e *Env) cdf(word string, of []outcome, pairs ...string) error {
	for i, q := range grid() {
		v := report.Mean(values(of, func(o outcome) float64 { return o.quantiles[i] }))
		p := parameters(word, append(pairs, "q", spell(q), "on", report.OnSimulator))
		if err := e.note(report.Result{Name: report.CDF, Params: p, Value: v, Unit: "s", N: len(of)}); err != nil {
			return err
		}
	}
	return nil
}

// judged is a figure with a target: the mean of one value a seed.
func (e *Env) judged(metric, word string, of []float64, unit string, target float64) Figure {
	r := e.summary(of)
	return Figure{Metric: metric, Policy: word, Value: r.Value, Low: r.Low, High: r.High, Median: r.Median, N: r.N, Unit: unit, Target: target}
}

// least is f with its target as the least.
func (f Figure) least() Figure {
	f.AtLeast = true
	return f
}

// get are the values of a policy, one a seed.
func (o outcomes) get(word string, get func(outcome) float64) []float64 { return values(o[word], get) }

func p99(o outcome) float64   { return o.p99 }
func ratio(o outcome) float64 { return o.ratio }

// spell is a number in the fewest digits.
func spell(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
