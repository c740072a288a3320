package load

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// A histogram's buckets are as wide as 1/64 of the time that they begin with, so
// that a quantile is at most 1.6 % off.
const (
	subBits = 6
	sub     = 1 << subBits
	buckets = (40 - subBits) * sub // up to 2^39 ns, 9 minutes
)

// histogram counts durations. Its methods may be called concurrently.
type histogram struct {
	counts [buckets]atomic.Int64
}

func (h *histogram) add(d time.Duration) {
	h.counts[min(bucket(uint64(max(d, 0))), buckets-1)].Add(1)
}

// bucket numbers the first 2·sub nanoseconds themselves, and then sub buckets to
// each doubling.
func bucket(ns uint64) int {
	shift := max(bits.Len64(ns)-subBits-1, 0)
	return shift<<subBits + int(ns>>shift)
}

// middle is the middle of a bucket.
func middle(b int) time.Duration {
	shift := max(b>>subBits-1, 0)
	low := uint64(b-shift<<subBits) << shift
	return time.Duration(low + uint64(1)<<shift/2)
}

// merge adds what others counted.
func merge(others []*histogram) *histogram {
	all := new(histogram)
	for _, o := range others {
		for i := range o.counts {
			all.counts[i].Add(o.counts[i].Load())
		}
	}
	return all
}

func (h *histogram) total() int64 {
	var n int64
	for i := range h.counts {
		n += h.counts[i].Load()
	}
	return n
}

// quantile is the duration that a share q of all does not exceed; 0 of none.
func (h *histogram) quantile(q float64) time.Duration {
	want := max(int64(q*float64(h.total())+.5), 1)
	var seen int64
	for i := range h.counts {
		if seen += h.counts[i].Load(); seen >= want {
			return middle(i)
		}
	}
	return 0
}
