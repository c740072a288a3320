package main

import (
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"unicode/utf8"

	"spillway/bench/report"
	"spillway/bench/sim"
)

// outcomes are the figures of one policy, a value of each for every seed.
type outcomes struct {
	policy  string
	metrics []metric
}

// metric is one figure.
type metric struct {
	name, unit string
	values     []float64
}

// add takes in what one run came to.
func (o *outcomes) add(r *sim.Result) {
	for i, m := range []struct {
		name, unit string
		value      float64
	}{
		{"makespan", "s", r.Makespan.Seconds()},
		{"makespan/bound", "", over(r.Makespan.Seconds(), r.Bound.Seconds())},
		{"mean", "ms", r.Latency.Mean.Seconds() * 1e3},
		{"p50", "ms", r.Latency.P50.Seconds() * 1e3},
		{"p99", "ms", r.Latency.P99.Seconds() * 1e3},
		{"p99.9", "ms", r.Latency.P999.Seconds() * 1e3},
		{"goodput", "", r.Goodput},
		{"failed", "", float64(r.Failed + r.Unfinished)},
		{"attempts/task", "", r.PerTask(r.Attempts)},
		{"rejections/task", "", r.PerTask(r.Rejections)},
		{"copies/task", "", r.PerTask(r.Copies)},
		{"broken/task", "", r.PerTask(r.Broken)},
		{"wasted", "", r.Wasted},
		{"utilization", "", r.Utilization},
		{"jain", "", r.Jain},
	} {
		if i == len(o.metrics) {
			o.metrics = append(o.metrics, metric{name: m.name, unit: m.unit})
		}
		o.metrics[i].values = append(o.metrics[i].values, m.value)
	}
}

// compare adds the p99 of each policy as a multiple of that of the central queue, seed
// by seed, where that was played.
func compare(all []outcomes) {
	p99 := func(o outcomes) []float64 {
		at := slices.IndexFunc(o.metrics, func(m metric) bool { return m.name == "p99" })
		return o.metrics[at].values
	}
	at := slices.IndexFunc(all, func(o outcomes) bool { return o.policy == central })
	if at < 0 {
		return
	}
	for i := range all {
		m := metric{name: "p99/central"}
		for seed, v := range p99(all[i]) {
			m.values = append(m.values, over(v, p99(all[at])[seed]))
		}
		all[i].metrics = append(all[i].metrics, m)
	}
}

// over is a ÷ b, 0 where there is no b.
func over(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

// cell is the mean, and how far off it may be.
func (m metric) cell(seed uint64) string {
	value := report.Mean(m.values)
	if len(m.values) < 2 {
		return inUnits(value, m.unit, 4)
	}
	low, high := report.Interval(m.values, seed)
	return within(value, low, high, m.unit, 4)
}

// align prints rows in columns.
func align(w io.Writer, rows [][]string) {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			line.WriteString(cell + strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+2))
		}
		fmt.Fprintln(w, strings.TrimRight(line.String(), " "))
	}
}

// indices are 0 to n−1.
func indices(n int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := range n {
			if !yield(i) {
				return
			}
		}
	}
}
