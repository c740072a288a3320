package sim_test

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/bench/sim"
	"spillway/job"
	"spillway/server/policy"
	"spillway/server/tail"
)

// rough is a fleet where all goes wrong that can.
func rough(name string, seed uint64) sim.Config {
	nodes := make([]sim.Node, 30)
	for i := range nodes {
		nodes[i] = sim.Node{Slots: 1 + i%3, Speed: 1 + float64(i%5)/2}
		switch i % 6 {
		case 0:
			nodes[i].Probability, nodes[i].Delay = .5, 300*ms
		case 1:
			nodes[i].Reject = .9
		case 2:
			nodes[i].Speed = .1
		}
	}
	return sim.Config{
		Policy: name, Seed: seed, Servers: 3, Jitter: .5, Nodes: nodes, Tasks: 1500,
		Arrivals:    sim.Arrivals{Load: .7, Burst: sim.Burst{On: time.Second, Off: 2 * time.Second, Times: 1.8}},
		Sizes:       sim.Sizes{Shape: sim.Lognormal, Sigma: 1.5},
		Antagonists: sim.Antagonists{Part: .5, On: 200 * ms, Off: 500 * ms, Factor: .2},
		Flap:        sim.Flap{Part: .5, Up: 700 * ms, Down: 200 * ms},
		Detection:   20 * ms, Trace: 1 << 20,
		Changes: []sim.Change{{At: 500 * ms, Node: 3, Event: sim.Drain}, {At: 2 * time.Second, Node: 4, Event: sim.Die}},
	}
}

// everyRun plays a rough fleet under every policy: as tasks come, as a batch, with a
// window, with deadlines, and where servers know no sizes.
func everyRun(t *testing.T, test func(t *testing.T, cfg sim.Config)) {
	shapes := map[string]func(*sim.Config){
		"open":     func(*sim.Config) {},
		"batch":    func(c *sim.Config) { c.Arrivals = sim.Arrivals{} },
		"window":   func(c *sim.Config) { c.Arrivals = sim.Arrivals{Window: 40} },
		"deadline": func(c *sim.Config) { c.Deadline, c.Arrivals.Load = 150*ms, 1.2 },
		"few retries": func(c *sim.Config) {
			c.Retry = tail.BudgetConfig{Part: 1e-9, Rate: 20, Most: 1}
		},
		"copies turned away": func(c *sim.Config) {
			c.Arrivals.Load, c.Antagonists = .1, sim.Antagonists{}
			for i := range c.Nodes {
				c.Nodes[i].Reject, c.Nodes[i].Probability, c.Nodes[i].Delay = .8, .3, time.Second
			}
			c.RTT = 30 * ms
		},
		"unknown": func(c *sim.Config) { c.Unknown, c.Copies = true, 2 },
	}
	for _, name := range append(policy.Names(), "") {
		for shape, change := range shapes {
			t.Run(fmt.Sprintf("%s %s", name, shape), func(t *testing.T) {
				cfg := rough(name, 7)
				cfg.Central = name == ""
				change(&cfg)
				test(t, cfg)
			})
		}
	}
}

// Each task ends once, whatever happens to the nodes, and every attempt is accounted
// for.
func TestRun_LosesNoTaskAndNoAttempt(t *testing.T) {
	everyRun(t, func(t *testing.T, cfg sim.Config) {
		cfg.Tasks = 500
		for range 4 {
			cfg.Seed++
			checkCounts(t, cfg, run(t, cfg))
		}
	})
}

func checkCounts(t *testing.T, cfg sim.Config, r sim.Result) {
	require.Equal(t, cfg.Tasks, r.Done+r.Failed)
	require.Zero(t, r.Unfinished)
	if cfg.Deadline == 0 {
		require.Equal(t, cfg.Tasks, r.Done, "nothing but a deadline makes a task fail")
	}
	arrived, good, failed, sent := 0, 0, 0, 0
	for _, b := range r.Series {
		arrived, good, failed, sent = arrived+b.Arrived, good+b.Good, failed+b.Failed, sent+b.Sent
	}
	require.Equal(t, []int{cfg.Tasks, r.Done, r.Failed, r.Attempts}, []int{arrived, good, failed, sent})

	first, shared, attempts, rejected := 0, 0, 0, 0
	for i, n := range r.Nodes {
		first, attempts, rejected = first+n.First, attempts+n.Attempts, rejected+n.Rejected
		require.LessOrEqual(t, n.Rejected+n.Done, n.Attempts, "node %d", i)
	}
	for _, part := range r.Shares {
		for _, n := range part {
			shared += n
		}
	}
	require.Equal(t, first, shared)
	if cfg.Deadline == 0 {
		require.Equal(t, cfg.Tasks, first, "each task has one first attempt")
	}
	require.LessOrEqual(t, attempts, r.Attempts)
	require.LessOrEqual(t, r.Rejections, rejected, "some that are rejected were cancelled")
	require.LessOrEqual(t, r.Done+r.Rejections+r.Broken, r.Attempts)
	checkSlots(t, cfg, r)
}

// checkSlots holds the trace: no node runs more at once than it has slots, and no task
// on a node twice at once. A task's copies that were superseded are over.
func checkSlots(t *testing.T, cfg sim.Config, r sim.Result) {
	type moment struct {
		at   time.Duration
		step int
	}
	busy := make([]time.Duration, len(cfg.Nodes))
	byNode := make([][]moment, len(cfg.Nodes))
	for _, s := range r.Trace {
		require.LessOrEqual(t, s.Start, s.End)
		busy[s.Node] += s.End - s.Start
		byNode[s.Node] = append(byNode[s.Node], moment{s.Start, 1}, moment{s.End, -1})
	}
	for i, moments := range byNode {
		require.InDelta(t, r.Nodes[i].Busy, busy[i], 1000, "node %d", i)
		slices.SortFunc(moments, func(a, b moment) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.step, b.step)) })
		running := 0
		for _, m := range moments {
			running += m.step
			require.LessOrEqual(t, running, max(1, cfg.Nodes[i].Slots), "node %d at %v", i, m.at)
		}
	}
}

func TestRun_IsTheSameBitByBit(t *testing.T) {
	everyRun(t, func(t *testing.T, cfg sim.Config) {
		cfg.Tasks = 700
		first := run(t, cfg)
		require.Equal(t, first, run(t, cfg))
		cfg.Seed++
		require.NotEqual(t, first, run(t, cfg))
	})
}

// Whatever the policy, the same tasks come at the same time and are as large.
func TestRun_ArrivalsAreTheSameForEveryPolicy(t *testing.T) {
	var want []int
	for _, name := range append(policy.Names(), "") {
		cfg := rough(name, 3)
		cfg.Central = name == ""
		cfg.Bucket = 50 * ms
		r := run(t, cfg)
		var got []int
		for _, b := range r.Series[:8] {
			got = append(got, b.Arrived)
		}
		if want == nil {
			want = got
		}
		require.Equal(t, want, got, name)
	}
}

// Where every node rejects for ever, the run ends at the horizon, and says so.
func TestRun_EndsAtTheHorizon(t *testing.T) {
	r := run(t, sim.Config{Policy: "balance", Nodes: loaded(1, 1, 1), Tasks: 5, Sizes: noWork(), Horizon: time.Minute})
	require.Equal(t, []int{0, 0, 5}, []int{r.Done, r.Failed, r.Unfinished})
	require.Zero(t, r.Goodput)
	require.Greater(t, r.Pauses, 5*30)
}

// One node is a thousand times slower; a copy on the other wins, the loser is cancelled and
// its slot freed.
func TestRun_ACopyOvertakesAStragglerAndFreesItsSlot(t *testing.T) {
	slow := run(t, sim.Config{
		Policy: "pull", Nodes: []sim.Node{{Speed: .001}, {}}, Tasks: 200, Trace: 1000,
		Arrivals: sim.Arrivals{Rate: 20}, Sizes: sim.Sizes{Values: times(10)},
	})
	require.Positive(t, slow.Copies)
	require.Less(t, slow.Latency.Max, time.Second)
	cut := 0
	for _, s := range slow.Trace {
		if s.Node == 0 {
			require.False(t, s.Done)
			require.Less(t, s.End-s.Start, time.Second, "it would have run for ten seconds")
			cut++
		}
	}
	require.Positive(t, cut)
	require.Positive(t, slow.Wasted)
}

func TestValidate_NamesTheFieldAndTheMend(t *testing.T) {
	rows := []struct {
		name   string
		change func(*sim.Config)
		want   string
	}{
		{"no nodes", func(c *sim.Config) { c.Nodes = nil }, "nodes: there are none; give 1 or more"},
		{"no tasks", func(c *sim.Config) { c.Tasks = 0 }, "tasks: 0 of them are nothing to do"},
		{"no such policy", func(c *sim.Config) { c.Policy = "fastest" }, "no such policy"},
		{"no such admission", func(c *sim.Config) { c.Admission = "doorman" }, "no such controller"},
		{"probability", func(c *sim.Config) { c.Nodes[1].Probability = 2 }, "node 1: a probability is not between 0 and 1"},
		{"speed", func(c *sim.Config) { c.Nodes[0].Speed = -1 }, "node 0: the speed -1 is not above 0"},
		{"window", func(c *sim.Config) { c.Arrivals = sim.Arrivals{Window: 3, Load: .5} }, "a window is for a batch"},
		{"both", func(c *sim.Config) { c.Arrivals = sim.Arrivals{Rate: 3, Load: .5} }, "more than one of rate, load and times"},
		{"burst", func(c *sim.Config) {
			c.Arrivals = sim.Arrivals{Load: .5, Burst: sim.Burst{On: 1, Off: 1, Times: 3}}
		}, "the factor from 1 to (on+off)/on"},
		{"change", func(c *sim.Config) { c.Changes = []sim.Change{{Node: 9}} }, "there is no node 9"},
		{"antagonists", func(c *sim.Config) { c.Antagonists.Part = .5 }, "on, off and the factor must be above 0"},
		{"times", func(c *sim.Config) { c.Arrivals.At = times(1) }, "1 times for 10 tasks"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			cfg := sim.Config{Policy: "random", Nodes: make([]sim.Node, 2), Tasks: 10}
			row.change(&cfg)
			_, err := sim.Run(cfg)
			require.ErrorContains(t, err, row.want[:min(len(row.want), 20)])
			require.Contains(t, job.Describe(err), row.want)
			require.Equal(t, job.InvalidArgument, job.CodeOf(err))
		})
	}
}
