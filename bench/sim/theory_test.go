package sim_test

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/bench/closedform"
	"spillway/bench/sim"
)

// run plays one run that must be possible.
func run(t testing.TB, cfg sim.Config) sim.Result {
	t.Helper()
	r, err := sim.Run(cfg)
	require.NoError(t, err)
	return r
}

// loaded are nodes with the assignment's injected load.
func loaded(p ...float64) []sim.Node {
	nodes := make([]sim.Node, len(p))
	for i := range nodes {
		nodes[i] = sim.Node{Probability: p[i], Delay: 3 * time.Second}
	}
	return nodes
}

// noWork is tasks that take no time.
func noWork() sim.Sizes { return sim.Sizes{Mean: -1} }

func TestRun_MeetsTheClosedFormsOfTheAssignment(t *testing.T) {
	const runs, images = 2500, 6
	sets := [][]float64{{.2, .2, .2, .2}, {.8, .8, .8, .8}, {.1, .5, .2, .9}, {.8, .6, .5, .2}}
	forms := map[string]func([]float64, int) float64{"random": closedform.Random, "balance": closedform.Balance}
	for _, p := range sets {
		for name, form := range forms {
			t.Run(fmt.Sprint(name, p), func(t *testing.T) {
				sum := 0.0
				for seed := range uint64(runs) {
					r := run(t, sim.Config{Policy: name, Seed: seed, Nodes: loaded(p...), Tasks: images, Sizes: noWork()})
					sum += r.Makespan.Seconds() / 3
				}
				require.InEpsilon(t, form(p, images), sum/runs, .02)
			})
		}
	}
}

// TestRun_MeetsQueueingTheory holds the mean time that tasks wait against M/M/k, whose
// mean wait is C(k, a)/(k/s − λ), with C the formula of Erlang and s the mean size.
func TestRun_MeetsQueueingTheory(t *testing.T) {
	const size = 10 * time.Millisecond
	many := func(n, slots int) []sim.Node {
		nodes := make([]sim.Node, n)
		for i := range nodes {
			nodes[i].Slots = slots
		}
		return nodes
	}
	rows := []struct {
		name    string
		nodes   []sim.Node
		central bool
		k       int
		load    float64
	}{
		{"a node with one slot", many(1, 1), false, 1, .6},
		{"a node with eight slots", many(1, 8), false, 8, .8},
		{"four nodes by chance are four of one slot", many(4, 1), false, 1, .6},
		{"a central queue for eight nodes", many(8, 1), true, 8, .8},
		{"a central queue for four nodes of two slots", many(4, 2), true, 8, .7},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			sum := 0.0
			const runs = 3
			for seed := range uint64(runs) {
				r := run(t, sim.Config{
					Policy: "random", Central: row.central, Seed: seed, Nodes: row.nodes, RTT: -1,
					Tasks: 150_000, Warmup: 10_000, Arrivals: sim.Arrivals{Load: row.load},
					Sizes: sim.Sizes{Shape: sim.Exponential, Mean: size},
				})
				sum += (r.Latency.Mean - size).Seconds() / runs
			}
			k, s := float64(row.k), size.Seconds()
			want := erlangC(row.k, row.load*k) / (k/s - row.load*k/s)
			require.InEpsilon(t, want, sum, .03)
		})
	}
}

// erlangC is the chance that a task waits, with an offered load of a on k slots.
func erlangC(k int, a float64) float64 {
	term, sum := 1.0, 0.0
	for n := range k {
		sum += term
		term *= a / float64(n+1)
	}
	last := term * float64(k) / (float64(k) - a)
	return last / (sum + last)
}

// A Poisson process in the open loop has its rate, in steps and in bursts, and its
// counts a second have the variance of one.
func TestArrivals_HaveTheRateThatIsAskedFor(t *testing.T) {
	rows := []struct {
		name     string
		arrivals sim.Arrivals
		want     func(second int) float64
	}{
		{"steady", sim.Arrivals{Rate: 1000}, func(int) float64 { return 1000 }},
		{"a spike", sim.Arrivals{Rate: 1000, Steps: []sim.Step{
			{For: 10 * time.Second, Times: .5}, {For: 5 * time.Second, Times: 4}, {For: time.Second, Times: 1},
		}}, func(second int) float64 {
			switch {
			case second < 10:
				return 500
			case second < 15:
				return 4000
			}
			return 1000
		}},
		{"steps shorter than the gaps", sim.Arrivals{
			Rate: 1000, Steps: slices.Repeat([]sim.Step{{For: 100 * time.Microsecond, Times: 1}}, 500_000),
		}, func(int) float64 { return 1000 }},
		{"silence, then one", sim.Arrivals{
			Rate: 1000, Steps: []sim.Step{{For: 5 * time.Second, Times: 0}, {For: 1, Times: 1}},
		}, func(second int) float64 { return map[bool]float64{true: 0, false: 1000}[second < 5] }},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			r := run(t, sim.Config{
				Policy: "random", Seed: 1, Nodes: make([]sim.Node, 4), Tasks: 40_000, Arrivals: row.arrivals,
				Sizes: noWork(), Bucket: time.Second,
			})
			require.Equal(t, time.Second, r.Width)
			for i, b := range r.Series[:len(r.Series)-1] {
				require.InDelta(t, row.want(i), b.Arrived, 5*math.Sqrt(row.want(i)), "second %d", i)
			}
		})
	}

	t.Run("bursts keep the mean", func(t *testing.T) {
		const tasks = 200_000
		r := run(t, sim.Config{
			Policy: "random", Seed: 1, Nodes: make([]sim.Node, 4), Tasks: tasks, Sizes: noWork(), Bucket: 100 * time.Millisecond,
			Arrivals: sim.Arrivals{Rate: 1000, Burst: sim.Burst{On: time.Second / 2, Off: 2 * time.Second, Times: 4}},
		})
		require.InEpsilon(t, tasks/1000., r.Makespan.Seconds(), .1)
	})
}
