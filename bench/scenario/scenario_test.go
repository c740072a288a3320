package scenario_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"spillway/bench/report"
	"spillway/bench/scenario"
	"spillway/job"
)

// env records into a slice.
func env(to *report.Results) scenario.Env {
	return scenario.Env{
		Seed: 1, Seeds: 3, Quick: true, Command: "bin/bench run S0", Progress: io.Discard,
		Record: func(r report.Result) error {
			*to = append(*to, r)
			return nil
		},
	}
}

func TestCatalog_HasFourteenScenariosInOrder(t *testing.T) {
	for i, s := range scenario.Catalog() {
		require.Equal(t, fmt.Sprintf("S%d", i+1), s.ID)
		require.NotEmpty(t, s.Title)
		require.NotEmpty(t, s.Targets)
	}
	require.Len(t, scenario.Catalog(), 14)
}

func TestFind_WrongNameTellsWhichThereAre(t *testing.T) {
	found, err := scenario.Find("s14")
	require.NoError(t, err)
	require.Equal(t, "S14", found.ID)
	_, err = scenario.Find("S15")
	require.Equal(t, job.InvalidArgument, job.CodeOf(err))
	require.Contains(t, job.Describe(err), `there is no scenario "S15"; use any of S1 to S14`)
}

func TestScenario_EveryResultTellsWhereItComesFrom(t *testing.T) {
	part := func(_ context.Context, e *scenario.Env) ([]scenario.Figure, error) {
		f, err := e.Mean("makespan", "pull", []float64{1, 2, 3}, "s", "nodes", "4")
		f.Target = 2.5
		return []scenario.Figure{f}, err
	}
	var results report.Results
	s := scenario.Scenario{ID: "S0", Parts: []scenario.Part{part}}
	figures, err := s.Run(t.Context(), env(&results))
	require.NoError(t, err)
	require.Len(t, figures, 1)
	require.Len(t, results, 2)
	for _, r := range results {
		require.Equal(t, "S0", r.Params["scenario"])
		require.Equal(t, "pull", r.Params["policy"])
		require.Equal(t, "bin/bench run S0", r.Command)
		require.Equal(t, uint64(1), r.Seed)
		require.InDelta(t, 2, r.Value, 1e-9)
		require.Equal(t, 3, r.N)
		require.LessOrEqual(t, r.Low, r.Value)
		require.GreaterOrEqual(t, r.High, r.Value)
	}
	require.Equal(t, report.Metric, results[0].Name)
	require.Equal(t, "4", results[0].Params["nodes"])
	require.Equal(t, report.Verdict, results[1].Name)
	require.Equal(t, "≤ 2.50 s", results[1].Params["target"])
	require.Equal(t, "ok", results[1].Params["verdict"])
}

func TestScenario_PartsThatFailSayInWhichScenario(t *testing.T) {
	var results report.Results
	broken := func(context.Context, *scenario.Env) ([]scenario.Figure, error) {
		return nil, errors.New("no node started")
	}
	_, err := scenario.Scenario{ID: "S0", Parts: []scenario.Part{broken}}.Run(t.Context(), env(&results))
	require.EqualError(t, err, "S0: no node started")
	_, err = scenario.Scenario{ID: "S0"}.Run(t.Context(), env(&results))
	require.Equal(t, job.FailedPrecondition, job.CodeOf(err))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = scenario.Scenario{ID: "S0", Parts: []scenario.Part{broken}}.Run(ctx, env(&results))
	require.Equal(t, job.CancelledCode, job.CodeOf(err))
}

func TestEnv_LineupHasEveryPolicyOnce(t *testing.T) {
	e := scenario.Env{Policies: []string{"pull:hedge=0", "p2c"}, Seeds: 30}
	require.Subset(t, e.Lineup(scenario.Central), []string{"random", "balance", "pull", "pull:hedge=0", scenario.Central})
	require.Len(t, e.Lineup("p2c"), len(e.Lineup()))
	require.Equal(t, []string{"pull", "pull:hedge=0", "p2c"}, e.Some("pull", "pull"))
	require.Equal(t, 30, e.Runs())
	e.Quick = true
	require.Less(t, e.Runs(), 30)
}
