package sim_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/bench/sim"
)

const ms = time.Millisecond

func times(all ...int) []time.Duration {
	d := make([]time.Duration, len(all))
	for i, v := range all {
		d[i] = time.Duration(v) * ms
	}
	return d
}

// One node of twice the speed and two slots, 2 ms away: the schedule by hand.
func TestRun_PlaysTheScheduleByHand(t *testing.T) {
	r := run(t, sim.Config{
		Policy: "random", Nodes: []sim.Node{{Slots: 2, Speed: 2}}, RTT: 4 * ms, Trace: 10,
		Tasks: 4, Arrivals: sim.Arrivals{At: times(0, 1, 2, 100)}, Sizes: sim.Sizes{Values: times(20, 40, 10, 2)},
	})
	require.Equal(t, []sim.Span{
		{Task: 0, Start: 2 * ms, End: 12 * ms, Done: true},
		{Task: 2, Start: 12 * ms, End: 17 * ms, Done: true}, // waited from 4 ms
		{Task: 1, Start: 3 * ms, End: 23 * ms, Done: true},
		{Task: 3, Start: 102 * ms, End: 103 * ms, Done: true},
	}, r.Trace)
	require.Equal(t, 105*ms, r.Makespan)
	require.Equal(t, sim.Latency{
		Mean: (14 + 24 + 17 + 5) * ms / 4, P50: 14 * ms, P90: 24 * ms, P95: 24 * ms, P99: 24 * ms, P999: 24 * ms, Max: 24 * ms,
	}, r.Latency)
	require.Equal(t, []sim.NodeResult{{Busy: 36 * ms, First: 4, Late: 4, Attempts: 4, Done: 4}}, r.Nodes)
	require.Equal(t, 1.0, r.Goodput)
	require.Zero(t, r.Wasted)
}

// A central queue gives the head to the fastest free node, and the next to the other.
func TestRun_CentralQueueServesTheFastestFirst(t *testing.T) {
	r := run(t, sim.Config{
		Central: true, Nodes: []sim.Node{{Speed: 1}, {Speed: 4}}, Trace: 10,
		Tasks: 4, Arrivals: sim.Arrivals{At: times(0, 0, 1, 50)}, Sizes: sim.Sizes{Values: times(8, 8, 8, 8)},
	})
	require.Equal(t, []sim.Span{
		{Task: 0, Node: 1, Start: 0, End: 2 * ms, Done: true},
		{Task: 2, Node: 1, Start: 2 * ms, End: 4 * ms, Done: true},
		{Task: 1, Node: 0, Start: 0, End: 8 * ms, Done: true},
		{Task: 3, Node: 1, Start: 50 * ms, End: 52 * ms, Done: true},
	}, r.Trace)
}

// A task that outlives its deadline is given up there, and its slot is free once the
// node hears of it: the second task, which waits, then runs.
func TestRun_ATaskPastItsDeadlineFreesItsSlot(t *testing.T) {
	r := run(t, sim.Config{
		Policy: "random", Nodes: make([]sim.Node, 1), RTT: 2 * ms, Trace: 10, Deadline: 50 * ms,
		Tasks: 2, Arrivals: sim.Arrivals{At: times(0, 10)}, Sizes: sim.Sizes{Values: times(1000, 5)},
	})
	require.Equal(t, []sim.Span{
		{Task: 0, Start: 1 * ms, End: 51 * ms}, // the deadline, and half a round trip
		{Task: 1, Start: 51 * ms, End: 56 * ms, Done: true},
	}, r.Trace)
	require.Equal(t, []int{1, 1, 0}, []int{r.Done, r.Failed, r.Unfinished})
	require.Equal(t, .5, r.Goodput)
	require.InDelta(t, 50./55, r.Wasted, 1e-9)
}

// What runs on a node when it dies is lost, and done elsewhere.
func TestRun_AttemptsOnANodeThatDiesGoElsewhere(t *testing.T) {
	r := run(t, sim.Config{
		Policy: "random", Nodes: make([]sim.Node, 2), RTT: 2 * ms, Trace: 10, Tasks: 40, Arrivals: sim.Arrivals{},
		Sizes:   sim.Sizes{Values: times(10)},
		Changes: []sim.Change{{At: 15 * ms, Node: 0, Event: sim.Die}},
	})
	require.Equal(t, []int{40, 0, 0}, []int{r.Done, r.Failed, r.Unfinished})
	require.Equal(t, 1, r.Nodes[0].Done)
	require.Equal(t, r.Nodes[0].First-1, r.Broken, "all others that had been sent there broke")
	require.Equal(t, 4*ms, r.Nodes[0].Busy-10*ms, "from 11 ms to its death")
	require.Equal(t, 39, r.Nodes[1].Done)
}

// An antagonist's factor counts for what is left, also of what runs.
func TestRun_AntagonistsSlowWhatRuns(t *testing.T) {
	cfg := sim.Config{
		Policy: "random", Nodes: make([]sim.Node, 20), Tasks: 4000, Arrivals: sim.Arrivals{Rate: 40}, RTT: -1,
		Sizes:       sim.Sizes{Values: times(100)},
		Antagonists: sim.Antagonists{Part: 1, On: time.Second, Off: time.Second, Factor: .5},
	}
	r := run(t, cfg)
	busy := 0.0
	for _, n := range r.Nodes {
		busy += n.Busy.Seconds()
	}
	// A task of 0.1 s takes 0.1 s or 0.2 s where nothing changes meanwhile, each as often.
	require.Greater(t, r.Latency.Max, 190*ms)
	require.InDelta(t, .148, busy/4000, .005)

	// One that outlasts many changes has three quarters of the speed.
	cfg.Tasks, cfg.Arrivals, cfg.Sizes = 1, sim.Arrivals{}, sim.Sizes{Values: times(60_000)}
	cfg.Antagonists.On, cfg.Antagonists.Off = 10*ms, 10*ms
	require.InEpsilon(t, 80, run(t, cfg).Makespan.Seconds(), .02)
}
