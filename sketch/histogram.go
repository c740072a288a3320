// Package sketch keeps in little room what was measured: quantiles and means that
// forget. It is pure: time comes in as an argument.
package sketch

import (
	"math"
	"math/bits"
)

// A Histogram has eight buckets for each power of two, so that a quantile is off by
// at most 1/16 of its value, from 1 to 2^octaves.
const (
	perOctave = 8
	octaves   = 46
	buckets   = perOctave * octaves
)

// Histogram is the distribution of positive numbers, such as times in nanoseconds,
// that fades: once Fade observations are in it, all counts are halved, so that it
// tells of the last Fade to 2·Fade. The zero Histogram never fades. It does not
// allocate, and is not safe for concurrent use.
type Histogram struct {
	// Fade is after how many observations the counts are halved; 0: never.
	Fade int

	counts [buckets]uint32
	total  uint64
	fresh  int // observations since the counts were last halved
}

// bucket is where v is counted: the octave of v, and its three next bits.
func bucket(v uint64) int {
	if v < perOctave {
		return int(v)
	}
	shift := bits.Len64(v) - 4 // v>>shift is 8 to 15
	return min(buckets-1, perOctave*(shift+1)+int(v>>shift)-perOctave)
}

// middle is the number in the midst of a bucket.
func middle(b int) float64 {
	if b < perOctave {
		return float64(b)
	}
	shift := b/perOctave - 1
	low := uint64(perOctave+b%perOctave) << shift
	return float64(low) + float64(uint64(1)<<shift)/2
}

// Add counts v; what is below 1 counts as 0.
func (h *Histogram) Add(v float64) {
	if !(v > 0) {
		v = 0
	}
	h.counts[bucket(uint64(min(v, math.MaxInt64)))]++
	h.total++
	h.fresh++
	if h.Fade > 0 && h.fresh >= h.Fade && h.total >= 2*uint64(h.Fade) {
		h.halve()
	}
}

func (h *Histogram) halve() {
	h.total, h.fresh = 0, 0
	for i := range h.counts {
		h.counts[i] /= 2
		h.total += uint64(h.counts[i])
	}
}

// Count is how many observations the Histogram still tells of.
func (h *Histogram) Count() int { return int(h.total) }

// Quantile is the number that a part q of the observations does not exceed, 0 to 1;
// 0 where there are none.
func (h *Histogram) Quantile(q float64) float64 {
	if h.total == 0 {
		return 0
	}
	want := uint64(math.Ceil(min(max(q, 0), 1) * float64(h.total)))
	seen := uint64(0)
	for b, n := range h.counts {
		seen += uint64(n)
		if n > 0 && seen >= want {
			return middle(b)
		}
	}
	return 0
}

// Reset forgets all.
func (h *Histogram) Reset() { *h = Histogram{Fade: h.Fade} }

// Merge adds the observations of o.
func (h *Histogram) Merge(o *Histogram) {
	for i, n := range o.counts {
		h.counts[i] += n
	}
	h.total += o.total
}
