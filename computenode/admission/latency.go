package admission

import "time"

// The estimate of the latency looks at the nearest of the recent samples.
const (
	recent  = 64
	nearest = 5
)

// sample is how long one task took, and how many others were here when it came.
type sample struct {
	rif  int32
	took time.Duration
}

// Latency estimates how long a task that comes now would take, as the nodes of
// Prequal do (Wydrowski et al., "Load is not what you should balance", NSDI 2024):
// the median of the 5 samples (requests in flight at arrival, latency) taken nearest
// the requests in flight now, each rescaled by (rif + 1) / (rif of the sample + 1).
// Of two that are as near the later counts. The last 64 samples are kept, and of
// fewer than 5 the lower median is taken. The zero Latency knows nothing. It does not
// allocate, and is not safe for concurrent use.
type Latency struct {
	ring [recent]sample
	next int // where the next sample goes
	size int
}

// Add keeps how long a task took that found so many in flight.
func (l *Latency) Add(rif int, took time.Duration) {
	l.ring[l.next] = sample{rif: int32(rif), took: took}
	l.next = (l.next + 1) % recent
	l.size = min(l.size+1, recent)
}

// At is the estimate for a task that comes while rif others are in flight; 0: unknown.
func (l *Latency) At(rif int) time.Duration {
	var near [nearest]sample // by distance
	n := 0
	for i := 1; i <= l.size; i++ {
		s := l.ring[(l.next-i+recent)%recent]
		at := n
		for at > 0 && distance(near[at-1], rif) > distance(s, rif) {
			at--
		}
		if at == nearest {
			continue
		}
		n = min(n+1, nearest)
		copy(near[at+1:n], near[at:])
		near[at] = s
	}
	return median(near[:n], rif)
}

// median is the lower median of a few samples, rescaled.
func median(near []sample, rif int) time.Duration {
	if len(near) == 0 {
		return 0
	}
	var took [nearest]time.Duration
	for i, s := range near {
		scaled := time.Duration(float64(s.took) * float64(rif+1) / float64(s.rif+1))
		at := i
		for ; at > 0 && took[at-1] > scaled; at-- {
			took[at] = took[at-1]
		}
		took[at] = scaled
	}
	return took[(len(near)-1)/2]
}

func distance(s sample, rif int) int {
	if d := int(s.rif) - rif; d >= 0 {
		return d
	}
	return rif - int(s.rif)
}
