package sim_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/bench/sim"
)

// One node takes 10 ms for a task, and gives up what is 30 ms old: of eight tasks the
// first is the warm-up, and the last two come later than a deadline before the end.
func TestOffered_CountsBetweenTheWarmUpAndADeadlineBeforeTheEnd(t *testing.T) {
	r := run(t, sim.Config{
		Policy: "random", Nodes: make([]sim.Node, 1), RTT: 2 * ms, Deadline: 30 * ms, Tasks: 8, Warmup: 1,
		Arrivals: sim.Arrivals{At: times(0, 20, 25, 60, 65, 70, 95, 100)}, Sizes: sim.Sizes{Values: times(10, 10, 20, 40, 5, 10, 10, 10)},
	})
	o := r.Offered
	require.Equal(t, 50*ms, o.Length, "from 20 ms to 70 ms")
	require.Equal(t, 50*ms, o.Capacity)
	require.Equal(t, []int{4, 2, 5}, []int{o.Tasks, o.Done, o.Attempts}, "the task of 40 ms is given up; the node turns away that behind it, which is sent once more")
	require.Equal(t, []time.Duration{75 * ms, 30 * ms}, []time.Duration{o.Work, o.DoneWork})
	require.InDelta(t, 1.5, o.Load(), 1e-9)
	require.InDelta(t, 30./50, o.Goodput(), 1e-9)
	require.InDelta(t, 2./4*1.5, o.TaskGoodput(), 1e-9)
	require.InDelta(t, 5./2, o.PerDone(), 1e-9)
}

// However short the run, the queue that is served without competition at its end, and
// the large tasks that are dropped, make nothing seem better than what is possible.
func TestOffered_GoodputInOverloadIsAtMostWhatIsPossible(t *testing.T) {
	for _, seconds := range []int{8, 40} {
		var byWork []float64
		for seed := range uint64(5) {
			r := run(t, sim.Config{
				Policy: "pull", Seed: seed, Nodes: make([]sim.Node, 20), Deadline: time.Second, Tasks: seconds * 600, Warmup: 1200,
				Arrivals: sim.Arrivals{Load: 3}, Sizes: sim.Sizes{Shape: sim.Lognormal, Mean: 100 * ms, Sigma: .5},
			})
			byWork = append(byWork, r.Offered.Goodput())
		}
		require.LessOrEqual(t, slices.Max(byWork), 1.01, "%d s", seconds)
		require.Greater(t, slices.Min(byWork), .9, "%d s", seconds)
	}
}

func TestOffered_IsNothingWhereNothingCanBeCounted(t *testing.T) {
	cfg := sim.Config{Policy: "random", Nodes: make([]sim.Node, 1), Tasks: 3, Arrivals: sim.Arrivals{At: times(0, 10, 20)}}
	require.Zero(t, run(t, cfg).Offered, "no deadline")
	cfg.Deadline = time.Second
	require.Zero(t, run(t, cfg).Offered, "a deadline longer than the run")
	cfg.Deadline, cfg.Warmup = 5*ms, 3
	require.Zero(t, run(t, cfg).Offered, "nothing after the warm-up")
	require.Zero(t, sim.Offered{}.Goodput()+sim.Offered{}.TaskGoodput()+sim.Offered{}.PerDone())
}
