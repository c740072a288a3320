package scenario

import (
	"context"
	"math"
	"time"

	"spillway/bench/report"
	"spillway/bench/sim"
	"spillway/server/policy"
)

// The fleets of S9 to S11, whose tasks have a deadline. They are small, since a policy
// that keeps no queue asks every node for each task in overload.
const (
	rampNodes     = 40
	deadlineNodes = 20
	deadline      = time.Second
)

// loadRest is how many seeds the policies of S9 and S11 have that are not judged: as few
// as there may be for an interval.
const loadRest = 5

// withDeadline is a fleet of equal nodes whose tasks take 100 ms on average.
func withDeadline(nodes int) sim.Config {
	return sim.Config{
		Nodes: make([]sim.Node, nodes), Deadline: deadline,
		Sizes: sim.Sizes{Shape: sim.Lognormal, Mean: 100 * time.Millisecond, Sigma: .5},
	}
}

// step is a factor on the load for a time.
func step(seconds, times float64) sim.Step {
	return sim.Step{For: time.Duration(seconds * float64(time.Second)), Times: times}
}

// within is how many tasks come on average while the steps last, at so many a second
// where the factor is 1.
func within(steps []sim.Step, rate float64) int {
	sum := 0.0
	for _, s := range steps {
		sum += s.For.Seconds() * s.Times
	}
	return int(sum * rate)
}

// ramp is S9, in the way of Prequal (Wydrowski et al., NSDI 2024, figure 6): the load
// grows in nine steps of 10/9 from .75 to 1.74 times what the nodes are allotted. Each
// can do twice its allotment where no antagonist takes the spare half, as one does on
// four nodes in ten, half of the time: 1.8 allotments are there. Where even the central
// queue lets a deadline pass there is no feasible schedule, and the run does not count.
func ramp(ctx context.Context, e *Env) ([]Figure, error) {
	seconds := 4.0
	if e.Quick {
		seconds = .5
	}
	var steps []sim.Step
	for k := range 9 {
		steps = append(steps, step(seconds, .75*math.Pow(10./9, float64(k))))
	}
	const rate = rampNodes / .1 // tasks a second that are one allotment
	words := e.Lineup(Central)
	all, err := e.study(ctx, study{words: words, rest: loadRest, config: func(uint64) sim.Config {
		cfg := withDeadline(rampNodes)
		for i := range cfg.Nodes {
			cfg.Nodes[i].Speed = 2
		}
		cfg.Antagonists = sim.Antagonists{Part: .4, On: 5 * time.Second, Off: 5 * time.Second, Factor: .5}
		cfg.Arrivals, cfg.Tasks = sim.Arrivals{Rate: rate, Steps: steps}, within(steps, rate)
		return cfg
	}})
	if err != nil {
		return nil, err
	}
	if err := e.moments(words, all); err != nil {
		return nil, err
	}
	late := errorsWhereFeasible(all, policy.Default)
	if _, err := e.Mean("feasible", Central, []float64{float64(len(late)) / float64(len(all[Central]))}, ""); err != nil {
		return nil, err
	}
	for _, word := range words {
		if _, err := e.Mean("deadline_errors", word, errorsWhereFeasible(all, word), ""); err != nil {
			return nil, err
		}
		if _, err := e.Mean("goodput", word, all.get(word, inTime), "", "on", report.OnSimulator); err != nil {
			return nil, err
		}
	}
	return []Figure{
		e.judged("deadline_errors", policy.Default, late, "", 0),
		Figure{Metric: "feasible_runs", Policy: Central, Value: float64(len(late)), N: len(all[Central]), Target: 1}.least(),
	}, nil
}

func inTime(o outcome) float64 { return o.goodput }

// errorsWhereFeasible are the tasks that were late in those runs in which none of the
// central queue's was.
func errorsWhereFeasible(all outcomes, word string) (late []float64) {
	for i, o := range all[word] {
		if all[Central][i].failed == 0 {
			late = append(late, o.failed)
		}
	}
	return late
}

// spike is S11: half the load, then twice what the nodes can do for three seconds, then
// .8. Goodput is counted among the tasks that end, from five seconds after the spike on.
func spike(ctx context.Context, e *Env) ([]Figure, error) {
	const rate, ends, recovery = deadlineNodes / .1, 5 + 3, 5
	steps := []sim.Step{step(5, .5), step(3, 2), step(12, .8)}
	words := e.Lineup(Central)
	all, err := e.study(ctx, study{words: words, rest: loadRest, config: func(uint64) sim.Config {
		cfg := withDeadline(deadlineNodes)
		cfg.Arrivals, cfg.Tasks = sim.Arrivals{Rate: rate, Steps: steps}, within(steps, rate)
		return cfg
	}})
	if err != nil {
		return nil, err
	}
	if err := e.moments(words, all); err != nil {
		return nil, err
	}
	after := func(o outcome) float64 { return o.goodputFrom((ends + recovery) * time.Second) }
	recovered := func(o outcome) float64 { return o.recovered(ends * time.Second) }
	for _, word := range words {
		if _, err := e.Mean("goodput_after_spike", word, all.get(word, after), ""); err != nil {
			return nil, err
		}
		if _, err := e.Mean("goodput", word, all.get(word, inTime), "", "on", report.OnSimulator); err != nil {
			return nil, err
		}
		if _, err := e.Mean("recovery", word, all.get(word, recovered), "s"); err != nil {
			return nil, err
		}
	}
	return []Figure{
		e.judged("goodput_after_spike", policy.Default, all.get(policy.Default, after), "", .99).least(),
		e.judged("recovery", policy.Default, all.get(policy.Default, recovered), "s", recovery),
	}, nil
}

// goodputFrom is the part of the tasks that end from then on that are done in time.
func (o outcome) goodputFrom(from time.Duration) float64 {
	good, failed := 0, 0
	for i := int(from / o.width); i < len(o.series); i++ {
		good += o.series[i].Good
		failed += o.series[i].Failed
	}
	if good+failed == 0 {
		return 0
	}
	return float64(good) / float64(good+failed)
}

// recovered is how many seconds after a time the last bucket ends in which less than
// .99 of the tasks that ended were in time.
func (o outcome) recovered(from time.Duration) float64 {
	last := 0.0
	for i := int(from / o.width); i < len(o.series); i++ {
		if b := o.series[i]; float64(b.Good) < .99*float64(b.Good+b.Failed) {
			last = (time.Duration(i+1)*o.width - from).Seconds()
		}
	}
	return last
}

// mostMoments bounds those of one policy.
const mostMoments = 100

// moments records goodput and latency over time, as the seeds have them together.
func (e *Env) moments(words []string, all outcomes) error {
	for _, word := range words {
		of := all[word]
		longest := 0
		for _, o := range of {
			longest = max(longest, len(o.series))
		}
		each := (longest + mostMoments - 1) / mostMoments
		for from := 0; from < longest; from += each {
			if err := e.moment(word, of, from, from+each); err != nil {
				return err
			}
		}
	}
	return nil
}

// moment records the buckets from and up to.
func (e *Env) moment(word string, of []outcome, from, to int) error {
	good, failed, latency := 0, 0, 0.0
	for _, o := range of {
		for _, b := range o.series[min(from, len(o.series)):min(to, len(o.series))] {
			good += b.Good
			failed += b.Failed
			latency += float64(b.Good) * b.Mean.Seconds()
		}
	}
	put := func(metric string, value float64, unit string) error {
		at := spell((time.Duration(from) * of[0].width).Seconds())
		p := parameters(word, []string{"metric", metric, "at", at, "on", report.OnSimulator})
		return e.note(report.Result{Name: report.Moment, Params: p, Value: value, Unit: unit, N: len(of)})
	}
	if good+failed == 0 {
		return nil
	}
	if good > 0 {
		if err := put("latency", latency/float64(good), "s"); err != nil {
			return err
		}
	}
	return put("goodput", float64(good)/float64(good+failed), "")
}
