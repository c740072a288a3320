package load

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestHistogram_QuantilesAreWithinTwoPercent(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	parts := []*histogram{new(histogram), new(histogram)}
	var all []time.Duration
	for i := range 20_000 {
		d := time.Duration(1) << rng.IntN(34)
		d += time.Duration(rng.Int64N(int64(d)))
		parts[i%2].add(d)
		all = append(all, d)
	}
	slices.Sort(all)
	h := merge(parts)
	require.EqualValues(t, len(all), h.total())
	for _, q := range []float64{.01, .5, .9, .99, 1} {
		exact := all[int(q*float64(len(all)))-1]
		require.InEpsilon(t, exact, h.quantile(q), .016, "quantile %g", q)
	}
}

func TestHistogram_TakesAnyDuration(t *testing.T) {
	var h histogram
	require.Zero(t, h.quantile(.5), "of none")
	h.add(-1)
	require.Zero(t, h.quantile(.5))
	h.add(1 << 62)
	require.Greater(t, h.quantile(1), 5*time.Minute)
}
