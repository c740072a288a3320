package scenario

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"spillway/bench/report"
)

// Figure is a measured figure with a target.
type Figure struct {
	// Metric is what was measured, a word such as makespan or p99_ratio. It tells all
	// that sets the figure apart, the policy too where it is not the default, such as
	// p99_ratio_.9 or p99_ratio_prequal.
	Metric string
	// Policy is whose figure it is; empty: nobody's.
	Policy string
	// Value is in Unit, such as "s", "%" or "" for a ratio. Low and High bound the mean of
	// N observations with 95 % confidence, where Value is one.
	Value, Low, High float64
	N                int
	// Median is that of the observations, which tells how far the mean is led astray by
	// a few of them; 0 where there is one.
	Median float64
	Unit   string
	// Target is the most that Value may be, or with AtLeast the least.
	Target  float64
	AtLeast bool
}

// Met tells whether the figure meets its target.
func (f Figure) Met() bool {
	if f.AtLeast {
		return f.Value >= f.Target
	}
	return f.Value <= f.Target
}

// String is a pair such as "makespan=0.170s target=0.20s".
func (f Figure) String() string {
	return fmt.Sprintf("%s=%s%s target=%s%s", f.Metric, measured(f.Value, f.Target), f.Unit, exact(f.Target), f.Unit)
}

// result is the figure as a line of results.
func (f Figure) result() report.Result {
	sign := "≤ "
	if f.AtLeast {
		sign = "≥ "
	}
	return report.Result{
		Name: report.Verdict,
		Params: map[string]string{
			"metric": f.Metric, "policy": f.Policy, "verdict": word(f.Met()),
			"target": strings.TrimSpace(sign + exact(f.Target) + " " + f.Unit),
		},
		Value: f.Value, Low: f.Low, High: f.High, Median: f.Median, N: f.N, Unit: f.Unit,
	}
}

// Line is what came of a scenario, such as "S2 ok makespan=0.170s target=0.20s", and
// whether every figure meets its target.
func Line(id string, figures []Figure) (line string, met bool) {
	met = true
	pairs := make([]string, len(figures))
	for i, f := range figures {
		met = met && f.Met()
		pairs[i] = f.String()
	}
	return id + " " + word(met) + " " + strings.Join(pairs, " "), met
}

func word(met bool) string {
	if met {
		return "ok"
	}
	return "short"
}

// measured spells a value with three digits that count, at least two of them behind the
// point, and with as many more as it takes to tell it from a target that it is not.
func measured(v, target float64) string {
	decimals := 2
	if v != 0 {
		decimals = max(decimals, 2-int(math.Floor(math.Log10(math.Abs(v)))))
	}
	for ; ; decimals++ {
		s := strconv.FormatFloat(v, 'f', decimals, 64)
		if rounded, err := strconv.ParseFloat(s, 64); err != nil || rounded != target || v == target || decimals > 15 {
			return s
		}
	}
}

// exact spells a target in full, with at least two digits behind the point.
func exact(v float64) string {
	s := strconv.FormatFloat(v, 'f', -1, 64)
	if _, behind, _ := strings.Cut(s, "."); len(behind) < 2 {
		return strconv.FormatFloat(v, 'f', 2, 64)
	}
	return s
}
