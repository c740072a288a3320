package report

import (
	"math"
	"math/rand/v2"
	"slices"
)

// Mean is the mean of xs, NaN of none.
func Mean(xs []float64) float64 {
	sum := 0.0
	for _, x := range xs {
		sum += x
	}
	return sum / float64(len(xs))
}

// Median is the middle of xs, or the mean of the two in the middle; NaN of none.
func Median(xs []float64) float64 {
	if len(xs) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(xs))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// Quantile is the least of xs that a part q of them, 0 to 1, does not exceed; NaN of
// none.
func Quantile(xs []float64, q float64) float64 {
	if len(xs) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(xs))
	return sorted[min(len(sorted)-1, max(0, int(math.Ceil(q*float64(len(sorted))))-1))]
}

// resamples is how often Interval draws; 2000 settle the 95 % bounds to about a
// twentieth of the interval's width.
const resamples = 2000

// Interval bounds the mean of xs with 95 % confidence, by the percentile
// bootstrap (Efron 1979): the mean of as many draws from xs, with repetition, is
// taken many times, and the middle 95 % of those means are the interval. It
// suits samples of 30 and more, of any distribution. The same seed gives the
// same bounds; NaN of none.
func Interval(xs []float64, seed uint64) (low, high float64) {
	if len(xs) == 0 {
		return math.NaN(), math.NaN()
	}
	rng := rand.New(rand.NewPCG(seed, 0))
	means := make([]float64, resamples)
	for i := range means {
		sum := 0.0
		for range xs {
			sum += xs[rng.IntN(len(xs))]
		}
		means[i] = sum / float64(len(xs))
	}
	slices.Sort(means)
	return means[resamples*25/1000], means[resamples*975/1000-1]
}
