package policy_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"spillway/server/policy"
)

func TestSet_ZeroAndNilAreEmpty(t *testing.T) {
	var none *policy.Set
	var zero policy.Set
	for _, s := range []*policy.Set{none, &zero} {
		require.Zero(t, s.Len())
		require.False(t, s.Has(0))
		require.False(t, s.Has(1_000_000))
		require.Empty(t, slices.Collect(s.All))
	}
}

func TestSet_HoldsTheEdgesOfItsWords(t *testing.T) {
	var s policy.Set
	edges := []int{0, 1, 63, 64, 127, 128, 9_999}
	for _, i := range slices.Backward(edges) {
		s.Add(i)
		s.Add(i)
	}
	require.Equal(t, edges, slices.Collect(s.All))
	require.Equal(t, len(edges), s.Len(), "twice added, once held")
	for _, i := range []int{2, 62, 65, 126, 129, 9_998, 10_000} {
		require.False(t, s.Has(i), i)
	}
}

func TestSet_AllStopsWhenTold(t *testing.T) {
	var s policy.Set
	for i := range 200 {
		s.Add(i)
	}
	var seen []int
	for i := range s.All {
		if i == 100 {
			break
		}
		seen = append(seen, i)
	}
	require.Len(t, seen, 100)
}

func TestSet_KeepsItsRoomWhenCleared(t *testing.T) {
	var s policy.Set
	s.Add(9_999)
	allocations := testing.AllocsPerRun(100, func() {
		s.Clear()
		s.Add(5)
		s.Add(9_999)
	})
	require.Zero(t, allocations)
}

func TestSet_DoesAsAMapDoes(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var s policy.Set
		model := map[int]bool{}
		for range 300 {
			i := rng.IntN(1 + rng.IntN(1000))
			switch rng.IntN(50) {
			case 0:
				s.Clear()
				clear(model)
			case 1, 2, 3, 4, 5:
				s.Remove(i)
				delete(model, i)
			default:
				s.Add(i)
				model[i] = true
			}
			probe := rng.IntN(1100)
			require.Equal(t, model[probe], s.Has(probe), "seed %d, member %d", seed, probe)
			require.Equal(t, len(model), s.Len(), "seed %d", seed)
		}
		members := make([]int, 0, len(model))
		for i := range model {
			members = append(members, i)
		}
		slices.Sort(members)
		require.Equal(t, members, slices.AppendSeq([]int{}, s.All), "seed %d", seed)
	}
}
