package sketch

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestHistogram_QuantilesAreThoseOfASortedSample(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, scale := range []float64{10, 1e3, 1e6, 1e12} {
		var h Histogram
		sample := make([]float64, 20_000)
		for i := range sample {
			sample[i] = scale * math.Exp(rng.NormFloat64())
			h.Add(sample[i])
		}
		slices.Sort(sample)
		for _, q := range []float64{0, .01, .5, .95, .99, 1} {
			exact := sample[max(0, int(math.Ceil(q*float64(len(sample))))-1)]
			require.InDelta(t, exact, h.Quantile(q), max(1, exact/16), "scale %v, q %v", scale, q)
		}
	}
}

func TestHistogram_EveryNumberHasItsBucket(t *testing.T) {
	last := -1
	for _, v := range []uint64{0, 1, 7, 8, 9, 15, 16, 17, 31, 32, 1 << 20, 1<<20 + 1<<17, 1 << 40, math.MaxInt64} {
		b := bucket(v)
		require.GreaterOrEqual(t, b, last, v)
		last = b
	}
	require.Equal(t, buckets-1, last)
	var h Histogram
	for _, odd := range []float64{math.NaN(), math.Inf(-1), -1, math.Inf(1)} {
		h.Add(odd)
	}
	require.Equal(t, 4, h.Count())
}

func TestHistogram_Forgets(t *testing.T) {
	h := Histogram{Fade: 100}
	for range 1000 {
		h.Add(1)
	}
	for range 700 {
		h.Add(1000)
	}
	require.InDelta(t, 1000, h.Quantile(.05), 70, "little is left of what was long ago")
	require.LessOrEqual(t, h.Count(), 200)
	h.Reset()
	require.Zero(t, h.Count())
	require.Zero(t, h.Quantile(.5))
}

func TestHistogram_MergedTellsOfBoth(t *testing.T) {
	var a, b Histogram
	a.Add(10)
	b.Add(1000)
	a.Merge(&b)
	require.Equal(t, 2, a.Count())
	require.InDelta(t, 1000, a.Quantile(1), 70)
}

func TestMean_WeighsByTime(t *testing.T) {
	start := time.Unix(0, 0)
	m := Mean{Tau: time.Second}
	_, known := m.Value()
	require.False(t, known)
	m.Add(start, 10)
	m.Add(start.Add(time.Second), 0)
	got, _ := m.Value()
	require.InDelta(t, 10/math.E, got, 1e-9)
	m.Set(start, 5)
	got, _ = m.Value()
	require.InDelta(t, 5, got, 0)
	require.InDelta(t, .25, Decay(2*time.Second, time.Second), 1e-12)
	require.InDelta(t, 1, Decay(time.Second, 0), 0)
}
