package scenario

import (
	"fmt"
	"io"
	"maps"

	"spillway/bench/report"
	"spillway/server/policy"
)

// Central names the reference among the policies: an ideal queue over the same nodes.
const Central = "central"

// Env is what scenarios run in. Record and Progress must be set.
type Env struct {
	// Seed is the first, and Seeds how many there are, each one more than that before.
	// Quick asks for less of everything, for a first look; see [Env.Runs].
	Seed  uint64
	Seeds int
	Quick bool
	// Policies are words as policy.New takes them, to be played beside the others.
	Policies []string
	// Bin is the folder of client, server and computenode, Photos that of photographs.
	Bin, Photos string
	// Command is what makes the results again.
	Command string
	// Record takes each result as soon as it is there. Progress hears what goes on, in
	// lines.
	Record   func(report.Result) error
	Progress io.Writer

	scenario string
	// least is how many seeds even Quick leaves, as far as there are; 0: quickRuns.
	least int
}

// quickRuns is how many seeds Quick leaves on real programs, and quickStudies in the
// simulator: as many as it takes to tell policies apart.
const (
	quickRuns    = 2
	quickStudies = 10
)

// studied is e with the seeds of simulated runs.
func (e *Env) studied() *Env {
	other := *e
	other.least = quickStudies
	return &other
}

// leastJudged is how many seeds the policy that is judged has on real programs at least, as
// far as there are, where a run takes next to no time.
const leastJudged = 8

// judgedRuns is [Env.Runs] for such a policy.
func (e *Env) judgedRuns() int { return max(e.Runs(), min(e.Seeds, leastJudged)) }

// Runs is how many seeds there are to play.
func (e *Env) Runs() int {
	if e.Quick {
		return min(e.Seeds, max(quickRuns, e.least))
	}
	return e.Seeds
}

// whole is e with all of its seeds, for what takes next to no time.
func (e *Env) whole() *Env {
	all := *e
	all.Quick = false
	return &all
}

// Lineup is every policy that there is, those that were asked for beside them, and then
// whoever else is named.
func (e *Env) Lineup(others ...string) []string {
	return distinct(policy.Names(), e.Policies, others)
}

// Some are the policies named, and those that were asked for beside them.
func (e *Env) Some(words ...string) []string { return distinct(words, e.Policies) }

func distinct(lists ...[]string) (all []string) {
	seen := map[string]bool{}
	for _, list := range lists {
		for _, word := range list {
			if !seen[word] {
				seen[word] = true
				all = append(all, word)
			}
		}
	}
	return all
}

// Say tells of progress, in a line.
func (e *Env) Say(format string, args ...any) {
	fmt.Fprintf(e.Progress, "bench: "+format+"\n", args...)
}

// Put records one value with parameters, in pairs of key and value.
func (e *Env) Put(name, word string, value float64, unit string, pairs ...string) error {
	return e.note(report.Result{Name: name, Value: value, Unit: unit, Params: parameters(word, pairs)})
}

// Mean records the mean of the values that the seeds gave, with its interval, and
// returns it as a Figure without a target.
func (e *Env) Mean(metric, word string, values []float64, unit string, pairs ...string) (Figure, error) {
	r := e.summary(values)
	r.Name, r.Params, r.Unit = report.Metric, parameters(word, append(pairs, "metric", metric)), unit
	f := Figure{Metric: metric, Policy: word, Value: r.Value, Low: r.Low, High: r.High, Median: r.Median, N: r.N, Unit: unit}
	return f, e.note(r)
}

// sampled is Mean for results of another name, which have no unit.
func (e *Env) sampled(name, word string, values []float64, pairs ...string) error {
	r := e.summary(values)
	r.Name, r.Params = name, parameters(word, pairs)
	return e.note(r)
}

// summary is the mean of values, with their median, their number and an interval.
func (e *Env) summary(values []float64) report.Result {
	r := report.Result{Value: report.Mean(values), N: len(values)}
	if len(values) > 1 {
		r.Low, r.High = report.Interval(values, e.Seed)
		r.Median = report.Median(values)
	}
	return r
}

func parameters(word string, pairs []string) map[string]string {
	p := map[string]string{"policy": word}
	for i := 0; i < len(pairs); i += 2 {
		p[pairs[i]] = pairs[i+1]
	}
	return p
}

// note records a result with what all of a scenario have.
func (e *Env) note(r report.Result) error {
	r.Seed, r.Command = e.Seed, e.Command
	r.Params = maps.Clone(r.Params)
	r.Params["scenario"] = e.scenario
	return e.Record(r)
}
