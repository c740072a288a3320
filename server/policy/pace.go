package policy

import "time"

// pace is how long a fleet takes for work once it is sent, as a ratio of moving sums, in
// which the last attempts that were done count most.
type pace struct{ took, worked float64 }

const (
	// paceOver is how many attempts pace tells of.
	paceOver = 64
	// paceDelay is how many times longer than its run an attempt takes from which it was
	// delayed, which says nothing of others.
	paceDelay = 4
	// paceMargin is on what tasks are expected to take, since those that wait until just
	// before their deadline miss it where they take a little longer.
	paceMargin = 1.1
)

// observe takes in an attempt that was done, whose node told how long it ran.
func (p *pace) observe(o Observation) {
	const keep = 1 - 1./paceOver
	p.took = keep*p.took + float64(min(o.Latency, paceDelay*o.Run))
	p.worked = keep*p.worked + work(o.Work)
}

// lasts is how long a task of work w takes; 0: nobody knows.
func (p *pace) lasts(w float64) time.Duration {
	if p.worked == 0 {
		return 0
	}
	return time.Duration(paceMargin * p.took / p.worked * work(w))
}
