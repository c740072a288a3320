package policy

import (
	"math"
	"time"
)

// SweepEvery is the time between two sweeps of a [Dispatcher].
const SweepEvery = 10 * time.Second

// Ejection: the outlier detection of gRPC (proposal A50) by success rate and by
// failure percentage, with its defaults. A node that is ejected is left out for
// baseEjection times the number of its ejections, at most maxEjection.
const (
	baseEjection = 30 * time.Second
	maxEjection  = 300 * time.Second

	maxEjected      = .10 // part of the nodes from which no more are
	stdevFactor     = 1.9 // a success rate below mean − 1.9·stdev ejects
	minRateVolume   = 100 // attempts in a sweep, to count by success rate
	minRateHosts    = 5   // nodes with so many, to compare
	failureLimit    = .85 // part of the attempts that failed, which ejects
	minFailVolume   = 50  // attempts in a sweep, to count by failures
	minFailureHosts = 5   // nodes with so many
)

// ejector leaves out nodes that fail much. A rejection is no failure.
type ejector struct {
	nodes   []ejectable
	up      int
	outs    present // those that are up but for their ejection
	changed []int
}

type ejectable struct {
	up         bool
	slots      int
	sent       int     // attempts that have not ended
	ok, failed float64 // since the last sweep
	times      int     // of its ejections, less those that are forgiven
	since      time.Time
	isOut      bool
}

func newEjector() *ejector { return &ejector{} }

// set notes what is known of node i.
func (e *ejector) set(i int, to Node) {
	for len(e.nodes) <= i {
		e.nodes = append(e.nodes, ejectable{})
	}
	n := &e.nodes[i]
	switch {
	case to.Up && !n.up:
		e.up++
	case !to.Up && n.up:
		e.up--
	}
	n.up, n.slots = to.Up, max(1, to.Slots)
	e.outs.mark(i, n.up && n.isOut)
}

// out reports whether node i is ejected.
func (e *ejector) out(i int) bool { return i < len(e.nodes) && e.nodes[i].isOut }

// Pick is for the task that has no other node left: one that is ejected, is up and not
// excluded, and has fewer attempts than slots, each with equal chance. Busy: they all have
// as many. A node that fails much is better than none, but not with all of them at once.
func (e *ejector) Pick(_ time.Time, r Request) (int, Verdict) {
	picked, free, v := 0, 0, Nobody
	for _, at := range e.outs.up {
		i := int(at)
		if r.Excluded.Has(i) {
			continue
		}
		if e.nodes[i].sent >= e.nodes[i].slots {
			v = max(v, Busy)
			continue
		}
		if free++; r.Rand.IntN(free) == 0 {
			picked, v = i, Chosen
		}
	}
	return picked, v
}

// observe counts an attempt.
func (e *ejector) observe(o Observation) {
	if o.Node >= len(e.nodes) {
		return
	}
	n := &e.nodes[o.Node]
	if o.Kind == Sent {
		n.sent++
		return
	}
	n.sent = max(0, n.sent-1)
	switch o.Kind {
	case Done:
		n.ok++
	case Broke:
		n.failed++
	case Sent, Rejected, Cancelled, Superseded:
	}
}

// sweep ejects and takes back, and returns the nodes that it changed; the slice is
// valid until the next sweep. Never is the last node that is up ejected.
func (e *ejector) sweep(now time.Time) []int {
	e.changed = e.changed[:0]
	ejected := 0
	for i := range e.nodes {
		if n := &e.nodes[i]; n.up && n.isOut {
			ejected++
		}
	}
	limit := e.rateLimit()
	many := e.failures()
	for i := range e.nodes {
		n := &e.nodes[i]
		switch {
		case n.isOut && now.Sub(n.since) >= min(maxEjection, time.Duration(n.times)*baseEjection):
			n.isOut = false
			e.outs.mark(i, false)
			e.changed = append(e.changed, i)
		case n.isOut || !n.up:
		case n.failsMuch(limit, many) && e.mayEject(ejected):
			n.isOut, n.since = true, now
			e.outs.mark(i, true)
			n.times++
			ejected++
			e.changed = append(e.changed, i)
		case n.times > 0:
			n.times--
		}
		n.ok, n.failed = 0, 0
	}
	return e.changed
}

// failsMuch tells that a node's success rate is below the limit, or, where many nodes may
// be judged so, that nearly all of its attempts failed.
func (n *ejectable) failsMuch(limit float64, many bool) bool {
	volume := n.ok + n.failed
	return volume >= minRateVolume && n.ok/volume < limit ||
		many && volume >= minFailVolume && n.failed/volume > failureLimit
}

// mayEject tells that one more may be left out: while fewer than the part of the nodes
// are, so that the last one may go beyond it, as with gRPC; but never all.
func (e *ejector) mayEject(ejected int) bool {
	return ejected+1 < e.up && float64(ejected) < maxEjected*float64(e.up)
}

// rateLimit is the success rate below which a node is ejected; −1: none is.
func (e *ejector) rateLimit() float64 {
	n, sum, squares := 0.0, 0.0, 0.0
	for i := range e.nodes {
		if v := e.nodes[i].ok + e.nodes[i].failed; v >= minRateVolume {
			rate := e.nodes[i].ok / v
			n++
			sum += rate
			squares += rate * rate
		}
	}
	if n < minRateHosts {
		return -1
	}
	mean := sum / n
	return mean - stdevFactor*math.Sqrt(max(0, squares/n-mean*mean))
}

// failures tells whether enough nodes had enough attempts to judge by failures.
func (e *ejector) failures() bool {
	nodes := 0
	for i := range e.nodes {
		if e.nodes[i].ok+e.nodes[i].failed >= minFailVolume {
			nodes++
		}
	}
	return nodes >= minFailureHosts
}
