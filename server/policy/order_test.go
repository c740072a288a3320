package policy

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// rankedTest is nodes with keys, sorted anew for each question.
type rankedTest map[int]uint64

func (m rankedTest) least(excluded *Set, others ...int) (uint64, bool) {
	var keys []uint64
	for i, key := range m {
		if !excluded.Has(i) && !slices.Contains(others, i) {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		return 0, false
	}
	return slices.Min(keys), true
}

func TestRanking_FindsTheLeastAsSortingDoes(t *testing.T) {
	for seed := range uint64(25) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var r ranking
		model := rankedTest{}
		for range 400 {
			i := rng.IntN(60)
			if rng.IntN(3) == 0 {
				r.drop(i)
				delete(model, i)
			} else {
				key := rng.Uint64N(1 << rng.IntN(40))
				r.put(i, key)
				model[i] = key
			}
			require.Len(t, r.order, len(model))
			var excluded Set
			for range rng.IntN(80) {
				excluded.Add(rng.IntN(60))
			}
			other := rng.IntN(60)
			got := r.least(&excluded, other)
			key, ok := model.least(&excluded, other)
			require.Equal(t, ok, got >= 0, "seed %d", seed)
			if ok {
				require.Equal(t, key, model[got], "seed %d", seed)
				require.False(t, excluded.Has(got) || got == other, "seed %d", seed)
				same := r.equal(got, &excluded, rng.Uint64())
				require.Equal(t, key, model[same], "seed %d", seed)
				require.False(t, excluded.Has(same), "seed %d", seed)
			}
		}
	}
}

func TestByOutstanding_KeepsTheNodesInOrder(t *testing.T) {
	for seed := range uint64(25) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var b byOutstanding
		up, count := map[int]bool{}, map[int]int{}
		for i := range 30 {
			b.mark(i, true)
			up[i] = true
		}
		for range 600 {
			i := rng.IntN(30)
			switch rng.IntN(5) {
			case 0:
				up[i] = !up[i]
				b.mark(i, up[i])
			case 1, 2, 3:
				count[i]++
				b.observe(Observation{Node: i, Kind: Sent})
			default:
				count[i] = max(0, count[i]-1)
				b.observe(Observation{Node: i, Kind: Done})
			}
			var want, got []int
			for n := range 30 {
				if up[n] {
					want = append(want, count[n])
				}
			}
			slices.Sort(want)
			for _, n := range b.order {
				require.True(t, up[int(n)])
				got = append(got, count[int(n)])
			}
			require.True(t, slices.IsSorted(got), "seed %d: %v", seed, got)
			require.Equal(t, want, got, "seed %d", seed)
			require.True(t, slices.IsSortedFunc(b.first, cmp.Compare[int32]), "seed %d", seed)
		}
	}
}

func TestLeastOutstanding_PicksEachOfTheLowestAlike(t *testing.T) {
	p, rng := newLeastOutstanding(nil), rand.New(rand.NewPCG(1, 2))
	for i := range 8 {
		p.Set(zero, i, Node{Up: true})
		for range 1 + i/4 {
			p.Observe(zero, Observation{Node: i, Kind: Sent})
		}
	}
	var excluded Set
	picks := func() map[int]int {
		got := map[int]int{}
		for range 3000 {
			i, v := p.Pick(zero, Request{Rand: rng, Excluded: &excluded})
			require.Equal(t, Chosen, v)
			got[i]++
		}
		return got
	}
	excluded.Add(1)
	got := picks()
	require.Len(t, got, 3)
	for _, i := range []int{0, 2, 3} {
		require.InDelta(t, 1000, got[i], 150)
	}
	for i := range 4 {
		excluded.Add(i)
	}
	require.Len(t, picks(), 4, "those above, where the lowest are left out")
}

func TestP2C_TakesTheLessLoadedOfTwoDifferentNodes(t *testing.T) {
	p, rng := newP2C(nil), rand.New(rand.NewPCG(1, 2))
	for i := range 3 {
		p.Set(zero, i, Node{Up: true})
		for range i {
			p.Observe(zero, Observation{Node: i, Kind: Sent})
		}
	}
	got := map[int]int{}
	for range 3000 {
		i, _ := p.Pick(zero, Request{Rand: rng})
		got[i]++
	}
	require.Zero(t, got[2], "of two different nodes it is never the less loaded")
	require.InDelta(t, 2000, got[0], 150, "it is in two of the three pairs")
	require.InDelta(t, 1000, got[1], 150)
}

func TestPresent_EveryPairIsDrawnAlike(t *testing.T) {
	var p present
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range 40 {
		p.mark(i, true)
	}
	var excluded Set
	for i := range 36 { // so many that the others are counted out
		excluded.Add(i)
	}
	got := map[[2]int]int{}
	for range 12_000 {
		a, b, v := p.two(Request{Rand: rng, Excluded: &excluded})
		require.Equal(t, Chosen, v)
		require.NotEqual(t, a, b)
		got[[2]int{a, b}]++
	}
	require.Len(t, got, 12)
	for pair, n := range got {
		require.InDelta(t, 1000, n, 150, "%v", pair)
	}
}
