package scenario

import (
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/bench/load"
	"spillway/bench/report"
	"spillway/bench/sim"
	"spillway/computenode/admission"
	"spillway/job"
	"spillway/server/policy"
)

// noting is an Env that keeps what is recorded.
func noting(to *report.Results) *Env {
	return &Env{Seed: 1, Seeds: 30, Quick: true, Progress: io.Discard, Record: func(r report.Result) error {
		*to = append(*to, r)
		return nil
	}}
}

// However long a run is, the span that is counted is as long as asked for, between a
// warm-up and a deadline.
func TestOverloaded_CountsTheSpanThatWasAskedFor(t *testing.T) {
	for _, load := range overloads() {
		cfg := overloaded(load, quickSpan, admission.DefaultName)
		cfg.Central, cfg.Seed = true, 1
		r, err := sim.Run(cfg)
		require.NoError(t, err)
		require.InEpsilon(t, quickSpan.Seconds(), r.Offered.Length.Seconds(), .15, "load %v", load)
		require.InEpsilon(t, load, r.Offered.Load(), .15)
		require.LessOrEqual(t, r.Offered.Goodput(), 1.02)
	}
}

func TestControllers_EachHasACurveOfEveryLoadForTwoPolicies(t *testing.T) {
	var results report.Results
	e := noting(&results)
	for _, load := range overloads() {
		all := outcomes{}
		for _, word := range heldControllers() {
			all[word] = make([]outcome, comparedSeeds)
		}
		require.NoError(t, e.controller("codel", load, all))
	}
	require.Len(t, results, 2*2*len(overloads()))
	for _, r := range results {
		require.Equal(t, report.Controller, r.Name)
		require.Equal(t, comparedSeeds, r.N)
		require.Equal(t, "codel", r.Params["admission"])
	}
}

func TestEnv_QuickRunsHaveEnoughSeedsToTell(t *testing.T) {
	var results report.Results
	e := noting(&results)
	require.Equal(t, quickRuns, e.Runs())
	require.GreaterOrEqual(t, e.studied().Runs(), 5)
	require.GreaterOrEqual(t, e.judgedRuns(), 8)
	e.Seeds = 3
	require.Equal(t, 3, e.judgedRuns(), "no more than there are")
	require.Equal(t, 3, e.studied().Runs())
}

func TestMean_TellsTheMedianBesideIt(t *testing.T) {
	var results report.Results
	f, err := noting(&results).Mean("makespan", "pull", []float64{1, 2, 90}, "s")
	require.NoError(t, err)
	require.InDelta(t, 31, f.Value, 1e-9)
	require.InDelta(t, 2, f.Median, 1e-9)
	require.InDelta(t, 2, results[0].Median, 1e-9)
	require.InDelta(t, 2, f.result().Median, 1e-9)
}

func TestTimes_AreThoseOfThePolicyThatIsNamed(t *testing.T) {
	all := outcomes{plainP2C: {{p99: 10}}, "p2c": {{p99: 4}}, policy.Default: {{p99: 2}}}
	best := all.get(policy.Default, p99)
	require.Equal(t, []float64{5}, all.times(plainP2C, best))
	require.Equal(t, []float64{2}, all.times("p2c", best))
}

// Twenty jobs come, one each 100 ms: counted are those from 500 ms up to 1.4 s.
func TestCountOffered_LeavesOutTheWarmUpAndTheEnd(t *testing.T) {
	var all []load.Outcome
	for i := range 20 {
		o := load.Outcome{Due: time.Duration(i) * 100 * time.Millisecond, Took: time.Second, Late: i%3 == 0, Job: job.Job{Total: 1, Nodes: []job.Tally{{Done: 1, Rejected: 1}}}}
		if o.Late {
			o.Job.Nodes = []job.Tally{{Superseded: 1}}
		}
		all = append(all, o)
	}
	c := countOffered(all, 500*time.Millisecond, 500*time.Millisecond)
	require.Equal(t, offeredJobs{span: 900 * time.Millisecond, tasks: 9, done: 6, attempts: 15, outside: time.Second}, c)
	require.InDelta(t, 6./9, c.goodput(100), 1e-9, "all that came could have been done")
	require.InDelta(t, 6./4.5, c.goodput(5), 1e-9)
	require.InDelta(t, 15./6, c.perDone(), 1e-9)
}
