package policy_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// assigned are the nodes of the assignment that reject and delay with these chances.
func assigned(chances ...float64) []rigNode {
	var nodes []rigNode
	for _, p := range chances {
		nodes = append(nodes, rigNode{speed: 1, slots: 2, reject: p, delay: p})
	}
	return nodes
}

// TestScenario_LearnersNeedFewAttempts plays six tasks again and again on the four nodes
// of the assignment. Copies of late tasks aside, which cannot go to the best node, the
// least possible is 1/(1 − 0.1) attempts a task.
func TestScenario_LearnersNeedFewAttempts(t *testing.T) {
	attempts := func(word string) (float64, float64) {
		total, best := 0.0, 0.0
		const seeds, rounds = 15, 20
		for seed := range uint64(seeds) {
			r := newRig(t, word, seed, assigned(.1, .5, .2, .9))
			r.hedge = 20 * time.Millisecond
			for round := range 2 * rounds {
				if round == rounds {
					r.attempts, r.hedges = 0, 0
					clear(r.firstSends)
				}
				for range 6 {
					r.submit(1e6)
				}
				r.run(t)
			}
			total += float64(r.attempts-r.hedges) / rounds / 6 / seeds
			best += float64(r.firstSends[0]) / rounds / 6 / seeds
		}
		t.Logf("%s: %.2f attempts a task, %.2f of the tasks to the best node first", word, total, best)
		return total, best
	}
	blind, _ := attempts("least_outstanding")
	require.Greater(t, blind, 1.5)
	for _, word := range []string{"pull", "cost"} {
		got, best := attempts(word)
		require.Less(t, got, 1.3, word)
		require.Greater(t, best, .45, word)
	}
}

// TestScenario_ANodeThatRejectsFastGetsFewTasks keeps twenty nodes busy, of which one
// turns 90 % away at once.
func TestScenario_ANodeThatRejectsFastGetsFewTasks(t *testing.T) {
	for _, name := range []string{"pull", "cost"} {
		for _, hidden := range []bool{false, true} {
			var nodes []rigNode
			for range 20 {
				nodes = append(nodes, rigNode{speed: 1, slots: 2, hidden: hidden})
			}
			nodes[7].reject = .9
			r := newRig(t, name, 1, nodes)
			r.keep(t, 200, 38, func() float64 { return 20e6 })
			clear(r.firstSends)
			r.keep(t, 5000, 38, func() float64 { return 20e6 })
			part := float64(r.firstSends[7]) / 5000
			t.Logf("%s, hidden %v: %.4f", name, hidden, part)
			require.Less(t, part, .02, name)
			require.Positive(t, part, "%s asks it now and then", name)
		}
	}
}

// TestScenario_PullEndsABatchOnUnequalNodesInTime compares with the work over the speed of
// all: no node may be the last with a task that others would have done long ago.
func TestScenario_PullEndsABatchOnUnequalNodesInTime(t *testing.T) {
	for _, row := range []struct {
		each  int // tasks a node
		limit float64
	}{{100, 1.01}, {10, 1.05}} {
		rng := seeded(5)
		var nodes []rigNode
		speed := 0.0
		for range 100 {
			n := rigNode{speed: .5 + 1.5*rng.Float64(), slots: 1}
			speed += n.speed
			nodes = append(nodes, n)
		}
		r := newRig(t, "pull", 1, nodes)
		r.rtt = 40 * time.Microsecond
		sum := 0.0
		for range row.each * 100 {
			w := 50e6 * math.Exp(.3*rng.NormFloat64())
			sum += w
			r.submit(w)
		}
		ratio := float64(r.run(t)) / (sum / speed)
		t.Logf("%d tasks a node: %.4f times the bound", row.each, ratio)
		require.Less(t, ratio, row.limit)
	}
}

// TestScenario_PullAvoidsTheSlowNodesAtTheEnd has 5 % of the nodes eight times slower.
func TestScenario_PullAvoidsTheSlowNodesAtTheEnd(t *testing.T) {
	var nodes []rigNode
	for i := range 100 {
		n := rigNode{speed: 1, slots: 1}
		if i%20 == 0 {
			n.speed = 1. / 8
		}
		nodes = append(nodes, n)
	}
	r := newRig(t, "pull", 1, nodes)
	rng := seeded(5)
	sum := 0.0
	for range 10_000 {
		w := 50e6 * math.Exp(.3*rng.NormFloat64())
		sum += w
		r.submit(w)
	}
	ratio := float64(r.run(t)) / (sum / (95 + 5./8))
	t.Logf("%.4f times the bound, without copies", ratio)
	require.Less(t, ratio, 1.03)
}

// TestScenario_PullWaitsHardlyLongerThanACentralQueue plays tasks that come by chance at
// 90 % of what a hundred nodes can do, and compares with one queue before all of them that
// knows at once when a node is free.
func TestScenario_PullWaitsHardlyLongerThanACentralQueue(t *testing.T) {
	const nodes, tasks, load = 100, 20_000, .9
	r := newRig(t, "pull", 1, slices.Repeat([]rigNode{{speed: 1, slots: 1}}, nodes))
	r.alone = true
	rng := seeded(9)
	free := make([]float64, nodes) // when each node of the one queue is
	at, central := 0.0, []float64{}
	for range tasks {
		at += 20e6 / load / nodes * rng.ExpFloat64()
		w := 20e6 * rng.ExpFloat64()
		r.after(time.Duration(at), func() { r.submit(w) })
		first := slices.Index(free, slices.Min(free))
		free[first] = max(at, free[first]) + w
		central = append(central, free[first]-at)
	}
	for len(r.events.all) > 0 {
		r.step(t)
		r.dispatch()
	}
	require.Len(t, r.took, tasks)
	p99 := func(took []float64) float64 {
		slices.Sort(took)
		return took[tasks*99/100]
	}
	ratio := p99(r.took) / p99(central)
	t.Logf("p99: %.3f times that of a central queue", ratio)
	require.Less(t, ratio, 1.1)
}

// TestScenario_PullSendsNoMoreThanTheSlots holds the attempts at once to what the nodes can
// work on.
func TestScenario_PullSendsNoMoreThanTheSlots(t *testing.T) {
	var nodes []rigNode
	for range 50 {
		nodes = append(nodes, rigNode{speed: 1, slots: 4})
	}
	r := newRig(t, "pull", 1, nodes)
	for range 5000 {
		r.submit(20e6)
	}
	r.run(t)
	for i, n := range r.mostAtOnce {
		require.LessOrEqual(t, n, 5, "node %d", i)
	}
}
