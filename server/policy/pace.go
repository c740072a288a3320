package policy

import "time"

// Pace is how long a fleet takes for tasks of one kind, such as one operation, once they
// are sent: the time for a unit of size is a ratio of moving sums, in which the last
// attempts that were done count most. The zero Pace knows nothing. It is not safe for
// concurrent use.
type Pace struct {
	took, size float64
	count      int       // of attempts, up to paceLeast
	at         time.Time // of the last
}

const (
	// paceOver is how many attempts pace tells of.
	paceOver = 64
	// paceLeast is how many attempts must be known for it to count, and paceFor for how long
	// it does after the last, so that who judges by it finds out that it has changed.
	paceLeast = 10
	paceFor   = 30 * time.Second
	// paceDelay is how many times longer than its run an attempt takes from which it was
	// delayed, which says nothing of others.
	paceDelay = 4
	// paceMargin is on what tasks are expected to take, since those that wait until just
	// before their deadline miss it where they take a little longer.
	paceMargin = 1.1
)

// Observe takes in that a task of some size was done; where the node does not tell how
// long it ran, that says nothing. A size is in any unit, such as pixels, but always in the
// same; one that is not above 0 counts as 1.
func (p *Pace) Observe(now time.Time, latency, run time.Duration, size float64) {
	if p == nil || run <= 0 {
		return
	}
	const keep = 1 - 1./paceOver
	p.took = keep*p.took + float64(min(latency, paceDelay*run))
	p.size = keep*p.size + work(size)
	p.count, p.at = min(paceLeast, p.count+1), now
}

// lasts is how long a task of that size takes; 0: nobody knows.
func (p *Pace) lasts(now time.Time, size float64) time.Duration {
	if p == nil || p.count < paceLeast || now.Sub(p.at) > paceFor {
		return 0
	}
	return time.Duration(paceMargin * p.took / p.size * work(size))
}
