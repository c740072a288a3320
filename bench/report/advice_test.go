package report_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"spillway/bench/report"
)

// cold is a makespan of S2, of which n observations are between low and high.
func cold(policy string, value, low, high float64, n int) report.Result {
	return report.Result{
		Name: report.Metric, Value: value, Low: low, High: high, N: n, Unit: "s", Command: "bin/bench run S2",
		Params: map[string]string{"scenario": "S2", "metric": "makespan", "on": report.OnMachine, "state": "cold", "policy": policy},
	}
}

// advised is the row of advice on the results, cell by cell.
func advised(t *testing.T, rs ...report.Result) []string {
	t.Helper()
	text, err := report.PoliciesMarkdown(rs, rules(), t.TempDir())
	require.NoError(t, err)
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "| a few pictures") {
			cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
			for i := range cells {
				cells[i] = strings.TrimSpace(cells[i])
			}
			return cells
		}
	}
	require.Fail(t, "there is no advice")
	return nil
}

func TestAdvice_NamesTheDefaultWhereItCannotBeToldFromTheBest(t *testing.T) {
	row := advised(t, cold("round_robin", .16, .1, .2, 30), cold("pull", .18, .15, .22, 30), cold("p2c", .17, .12, .2, 30), cold("random", 2.9, 2.8, 3, 30))
	require.Equal(t, []string{"**pull**", "makespan 180 ms (150–220 ms)", "round_robin, p2c", "random 2.9 s"}, row[1:5])

	row = advised(t, cold("round_robin", .16, 0, 0, 2), cold("pull", .18, .15, .22, 8))
	require.Equal(t, "**pull**", row[1], "two observations do not make another better")
	require.Equal(t, "round_robin", row[3])

	row = advised(t, cold("round_robin", .1, 0, 0, 2), cold("pull", .18, 0, 0, 2))
	require.Equal(t, []string{"pull", "makespan 180 ms", "", "round_robin 100 ms", "2: too few to tell them apart"}, row[1:6])
}

func TestAdvice_NamesAnotherThatIsBetterThanTheDefault(t *testing.T) {
	row := advised(t, cold("round_robin", .1, .09, .11, 30), cold("pull", .18, .15, .22, 30))
	require.Equal(t, []string{"**round_robin**", "makespan 100 ms (90–110 ms)", "", "pull 180 ms"}, row[1:5])
}

func TestReport_NothingIsBoldWithoutAnInterval(t *testing.T) {
	text, err := report.PoliciesMarkdown(report.Results{cold("balance", 2, 0, 0, 2), cold("random", 3, 0, 0, 2)}, rules(), t.TempDir())
	require.NoError(t, err)
	require.Contains(t, text, "too few to tell them apart")
	require.NotContains(t, text, "**")
}

func TestReport_TitleTellsTheSizeThatWasPlayed(t *testing.T) {
	r := report.Result{
		Name: report.Metric, Value: 70, Unit: "ns", N: 1, Command: "bin/bench run S14 --quick",
		Params: map[string]string{"scenario": "S14", "metric": "decision", "nodes": "100", "policy": "pull"},
	}
	require.Contains(t, page(t, report.Results{r}), "S14: The price of a decision (--quick, 100 nodes)</h2>")
	r.Command = "bin/bench run S14"
	require.Contains(t, page(t, report.Results{r}), "S14: The price of a decision</h2>")
}
