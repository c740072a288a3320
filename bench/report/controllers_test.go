package report_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"spillway/bench/report"
)

func of(name string, value float64, n int, pairs ...string) report.Result {
	r := report.Result{Name: name, Params: map[string]string{"scenario": "S10"}, Value: value, N: n}
	if n > 1 {
		r.Low, r.High = value*.9, value*1.1
	}
	for i := 0; i < len(pairs); i += 2 {
		r.Params[pairs[i]] = pairs[i+1]
	}
	return r
}

// A curve of one point is no line, and is seen all the same.
func TestReport_PointsOfCurvesAreMarked(t *testing.T) {
	const ofPull = "fill:#D55E00"
	got := page(t, report.Results{of(report.Goodput, .9, 30, "policy", "pull", "offered", "2")})
	require.Contains(t, got, ofPull)
	require.Contains(t, got, "N = 30.")
}

func TestReport_ControllersHaveCurvesTablesAndIntervals(t *testing.T) {
	var rs report.Results
	for name, value := range map[string]float64{"codel": 1, "none": .8, "red": .8} {
		for _, load := range []string{"0.5", "2"} {
			rs = append(rs, of(report.Controller, value, 10, "policy", "random", "admission", name, "offered", load, "metric", "goodput_work"))
		}
	}
	got, err := report.PoliciesMarkdown(rs, rules(), t.TempDir())
	require.NoError(t, err)
	require.Contains(t, got, "| controller | 0.5 × capacity | 2 × capacity |")
	require.Contains(t, got, "| codel | 1 (0.9–1.1) | 1 (0.9–1.1) |")
	require.Regexp(t, `The same for each load: (none, red|red, none)\. N = 10\.`, got)
	require.Contains(t, got, "](policies-S10-controllers-random.png)")
}

func TestReport_TellsWhoseMeansAreOfFewSeeds(t *testing.T) {
	var rs report.Results
	for policy, n := range map[string]int{"pull": 30, "p2c": 2} {
		rs = append(rs, of(report.Metric, float64(n), n, "policy", policy, "metric", "goodput_work", "offered", "2"))
	}
	got, err := report.PoliciesMarkdown(rs, rules(), t.TempDir())
	require.NoError(t, err)
	require.Contains(t, got, "N = 30 (pull), 2 (p2c).")
	require.Contains(t, got, "| 2 to 30: too few to tell them apart |")
}

func TestReport_VerdictHasMedianAndNumber(t *testing.T) {
	r := of(report.Verdict, 3, 8, "policy", "pull", "metric", "makespan", "target", "≤ 1", "verdict", "short")
	r.Median = .5
	for _, got := range []string{page(t, report.Results{r}), fmt.Sprint(report.PoliciesMarkdown(report.Results{r}, rules(), t.TempDir()))} {
		require.Contains(t, strings.Join(strings.Fields(got), " "), "N = 8, median 0.5")
	}
}
