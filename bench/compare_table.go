package main

import (
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"spillway/bench/load"
	"spillway/bench/report"
	"spillway/job"
)

// compared is what the jobs of a policy came to, by seed.
type compared struct {
	policy string
	seeds  [][]load.Outcome
}

// seconds are the times of jobs that were not late.
func seconds(outcomes []load.Outcome) []float64 {
	all := make([]float64, 0, len(outcomes))
	for _, o := range outcomes {
		if !o.Late {
			all = append(all, o.Took.Seconds())
		}
	}
	return all
}

// inTime is the part of the jobs that were not late.
func inTime(outcomes []load.Outcome) float64 {
	return float64(len(seconds(outcomes))) / float64(len(outcomes))
}

func counts(outcomes []load.Outcome) load.Counts {
	var c load.Counts
	for _, o := range outcomes {
		c.Add(o.Job)
	}
	return c
}

// column is a figure that is told of each policy; NaN where there is none, as no job was in
// time.
type column struct {
	metric, unit string
	of           func([]load.Outcome) float64
}

// ofMakespans begins the metrics that are quantiles of makespans, and not of latencies.
const ofMakespans = "makespan_"

func (c *compareConfig) columns() []column {
	name, prefix := "makespan", ofMakespans
	if c.trial.Rate > 0 {
		name, prefix = "latency", ""
	}
	at := func(q float64) func([]load.Outcome) float64 {
		return func(all []load.Outcome) float64 { return report.Quantile(seconds(all), q) }
	}
	count := func(f func(load.Counts) float64) func([]load.Outcome) float64 {
		return func(all []load.Outcome) float64 { return f(counts(all)) }
	}
	columns := []column{
		{name, "s", func(all []load.Outcome) float64 { return report.Mean(seconds(all)) }},
		{prefix + "p50", "s", at(.5)},
		{prefix + "p95", "s", at(.95)},
		{prefix + "p99", "s", at(.99)},
		{"attempts", "", count(load.Counts.Attempts)},
		{"rejections", "", count(load.Counts.Rejections)},
		{"copies", "", count(load.Counts.Copies)},
		{"wasted", "", count(load.Counts.Wasted)},
	}
	if c.trial.Deadline > 0 {
		columns = append(columns, column{"goodput", "", inTime})
	}
	return columns
}

// tell records and prints the figures.
func (c *compareConfig) tell(all []compared, stdout io.Writer) error {
	columns := c.columns()
	rows := [][]string{{"policy"}}
	for _, col := range columns {
		rows[0] = append(rows[0], strings.TrimPrefix(col.metric, ofMakespans))
	}
	kept := keeper{dir: c.out}
	for _, one := range all {
		row := []string{one.policy}
		for _, col := range columns {
			r := c.result(one, col)
			if math.IsNaN(r.Value) {
				row = append(row, "–")
				continue
			}
			kept.results = append(kept.results, r)
			row = append(row, cell(r))
		}
		rows = append(rows, row)
	}
	if err := kept.save(kept.again); err != nil {
		return err
	}
	if !c.json {
		align(stdout, rows)
		return nil
	}
	for _, r := range kept.results {
		if err := report.Write(stdout, r); err != nil {
			return err
		}
	}
	return nil
}

// scenarioCompare is the parameter scenario of the results.
const scenarioCompare = "compare"

func (c *compareConfig) result(of compared, col column) report.Result {
	jobs := slices.Concat(of.seeds...)
	r := report.Result{
		Name: report.Metric, Seed: c.seed, Value: col.of(jobs), Unit: col.unit, N: len(jobs), Command: c.called,
		Params: c.setting(),
	}
	r.Params["policy"], r.Params["metric"] = of.policy, col.metric
	if len(of.seeds) > 1 {
		r.Low, r.High = resampled(of.seeds, col.of, c.seed)
	}
	return r
}

// setting is all that tells one comparison from others, but for seeds: what is as usual is
// left out, so that it can be read.
func (c *compareConfig) setting() map[string]string {
	p := map[string]string{
		"scenario": scenarioCompare, "on": report.OnMachine, "nodes": strconv.Itoa(c.nodes), "loads": strings.Trim(fmt.Sprint(c.trial.Loads), "[]"),
		"tasks": strconv.Itoa(c.images), "jobs": strconv.Itoa(c.trial.Jobs), "rate": strconv.FormatFloat(c.trial.Rate, 'g', -1, 64),
	}
	for _, other := range []struct {
		key, value string
		usual      bool
	}{
		{"delay", c.trial.Delay.String(), slices.Max(c.trial.Loads) == 0},
		{"deadline", c.trial.Deadline.String(), c.trial.Deadline == 0},
		{"slots", strconv.Itoa(c.trial.Slots), c.trial.Slots == 0},
		{"admission", c.trial.Admission, c.trial.Admission == usualAdmission},
		{"window", strconv.Itoa(c.trial.Window), c.trial.Window == usualWindow},
		{"op", c.operation, c.operation == job.NoOperation},
	} {
		if !other.usual {
			p[other.key] = other.value
		}
	}
	return p
}

// resampled bounds a figure of all jobs with 95 % confidence by the bootstrap (see
// report.Interval), which draws whole seeds, since the jobs of one depend on each other.
func resampled(seeds [][]load.Outcome, of func([]load.Outcome) float64, seed uint64) (low, high float64) {
	const draws = 1000
	rng := rand.New(rand.NewPCG(seed, 0))
	figures := make([]float64, draws)
	for i := range figures {
		var jobs []load.Outcome
		for range seeds {
			jobs = append(jobs, seeds[rng.IntN(len(seeds))]...)
		}
		figures[i] = of(jobs)
	}
	figures = slices.DeleteFunc(figures, math.IsNaN) // of draws without a job in time
	if len(figures) == 0 {
		return 0, 0
	}
	slices.Sort(figures)
	return figures[len(figures)*25/1000], figures[max(0, len(figures)*975/1000-1)]
}

// cell is a figure, and how far off it may be.
func cell(r report.Result) string {
	if r.High > r.Low {
		return within(r.Value, r.Low, r.High, r.Unit, 3)
	}
	return inUnits(r.Value, r.Unit, 3)
}
