package closedform_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"spillway/bench/closedform"
)

// sets are the assignment's load probabilities, and some on the edge.
var sets = [][]float64{
	{.2, .2, .2, .2},
	{.8, .8, .8, .8},
	{.1, .5, .2, .9},
	{.8, .6, .5, .2},
	{1, 1, 0, 0},
	{0, 0, 0},
	{.3},
	{1, .25},
	{.9, .1, .7, .4, .6, .05},
}

func TestBalanceChance_IsWhatEveryOrderOfTheNodesGives(t *testing.T) {
	for _, p := range sets {
		t.Run(fmt.Sprint(p), func(t *testing.T) {
			require.InDelta(t, byEnumeration(p), closedform.BalanceChance(p), 1e-12)
		})
	}
}

func TestChances_AreWhatDrawsGive(t *testing.T) {
	const tries = 50_000
	for _, p := range sets {
		t.Run(fmt.Sprint(p), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(1, 2))
			var leftOut, redrawn, random int
			for range tries {
				leftOut += drawLeavingOut(rng, p)
				redrawn += drawAnew(rng, p)
				random += hit(rng, p[rng.IntN(len(p))])
			}
			within := 5 * .5 / math.Sqrt(tries) // five standard errors at most
			require.InDelta(t, closedform.BalanceChance(p), float64(leftOut)/tries, within)
			require.InDelta(t, closedform.RedrawnChance(p), float64(redrawn)/tries, within)
			require.InDelta(t, closedform.RandomChance(p), float64(random)/tries, within)
		})
	}
}

func TestMakespans_HaveTheirKnownValues(t *testing.T) {
	mixed := []float64{.1, .5, .2, .9}
	require.InDelta(t, .425, closedform.RandomChance(mixed), 1e-12)
	require.InDelta(t, .25652, closedform.RedrawnChance(mixed), 1e-5)
	require.InDelta(t, .23848, closedform.BalanceChance(mixed), 1e-5)
	require.InDelta(t, 1-math.Pow(.575, 6), closedform.Random(mixed, 6), 1e-12)

	equal := []float64{.2, .2, .2, .2}
	want := 1 - math.Pow(.8, 6)
	require.InDelta(t, want, closedform.Random(equal, 6), 1e-12, "with equal nodes all three are one")
	require.InDelta(t, want, closedform.Balance(equal, 6), 1e-12)
	require.InDelta(t, want, closedform.BalanceRedrawn(equal, 6), 1e-12)

	require.Zero(t, closedform.Balance([]float64{1, 1, 0, 0}, 6), "who rejects always delays nobody")
	require.Zero(t, closedform.Random(mixed, 0))
	require.True(t, math.IsNaN(closedform.Balance([]float64{1, 1}, 6)), "a job that never ends")
	require.True(t, math.IsNaN(closedform.BalanceRedrawn([]float64{1, 1}, 6)))
}

func TestBalanceChance_StaysSoundForManyNodes(t *testing.T) {
	p := make([]float64, 200)
	for i := range p {
		p[i] = .7
	}
	require.InDelta(t, .7, closedform.BalanceChance(p), 1e-9)
}

// byEnumeration goes through every order of the nodes.
func byEnumeration(p []float64) float64 {
	delayed, orders, all := 0.0, 0, 1.0
	permute(len(p), func(order []int) {
		orders++
		before := 1.0
		for _, i := range order {
			delayed += before * (1 - p[i]) * p[i]
			before *= p[i]
		}
	})
	for _, p := range p {
		all *= p
	}
	return delayed / float64(orders) / (1 - all)
}

func permute(n int, visit func([]int)) {
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	var from func(int)
	from = func(k int) {
		if k == n {
			visit(order)
		}
		for i := k; i < n; i++ {
			order[k], order[i] = order[i], order[k]
			from(k + 1)
			order[k], order[i] = order[i], order[k]
		}
	}
	from(0)
}

// drawLeavingOut plays one image: 1 if it is delayed.
func drawLeavingOut(rng *rand.Rand, p []float64) int {
	for {
		for _, i := range rng.Perm(len(p)) {
			if hit(rng, p[i]) == 0 {
				return hit(rng, p[i])
			}
		}
	}
}

func drawAnew(rng *rand.Rand, p []float64) int {
	for {
		if i := rng.IntN(len(p)); hit(rng, p[i]) == 0 {
			return hit(rng, p[i])
		}
	}
}

func hit(rng *rand.Rand, p float64) int {
	if rng.Float64() < p {
		return 1
	}
	return 0
}
