package admission

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestLatency_KnowsNothingAtFirst(t *testing.T) {
	require.Zero(t, (&Latency{}).At(3))
}

func TestLatency_MedianOfTheFiveNearestRescaled(t *testing.T) {
	var l Latency
	for rif, ms := range []int{10, 20, 60, 40, 50, 60, 70, 80} {
		l.Add(rif, time.Duration(ms)*time.Millisecond)
	}
	// Nearest to 4 are 2 to 6: 60·5/3, 40·5/4, 50·5/5, 60·5/6, 70·5/7 ms.
	require.InDelta(t, 50, l.At(4).Milliseconds(), 1)
	// Nearest to 100 are 3 to 7: 1010 ms each.
	require.InDelta(t, 1010, l.At(100).Milliseconds(), 1)
	l = Latency{}
	l.Add(0, time.Second)
	require.Equal(t, 3*time.Second, l.At(2), "one sample is better than none")
	l.Add(0, 2*time.Second)
	require.Equal(t, time.Second, l.At(0), "the lower of two")
}

// reference is the same by sorting.
func reference(samples []sample, rif int) time.Duration {
	latest := slices.Clone(samples[max(0, len(samples)-recent):])
	slices.Reverse(latest)
	slices.SortStableFunc(latest, func(a, b sample) int { return distance(a, rif) - distance(b, rif) })
	latest = latest[:min(nearest, len(latest))]
	took := make([]time.Duration, len(latest))
	for i, s := range latest {
		took[i] = time.Duration(float64(s.took) * float64(rif+1) / float64(s.rif+1))
	}
	slices.Sort(took)
	return took[(len(took)-1)/2]
}

func TestLatency_IsWhatSortingSays(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	var l Latency
	var all []sample
	for range 500 {
		s := sample{rif: int32(rng.IntN(30)), took: time.Duration(rng.IntN(1e9))}
		l.Add(int(s.rif), s.took)
		all = append(all, s)
		rif := rng.IntN(40)
		require.Equal(t, reference(all, rif), l.At(rif))
	}
}

func TestLatency_DoesNotAllocate(t *testing.T) {
	var l Latency
	require.Zero(t, testing.AllocsPerRun(200, func() {
		l.Add(3, time.Second)
		l.At(4)
	}))
}

func BenchmarkLatency_At(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 1))
	var l Latency
	for range recent {
		l.Add(rng.IntN(30), time.Duration(rng.IntN(1e9)))
	}
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		i++
		l.At(i % 40)
	}
}
