package policy

import (
	"math/rand/v2"
	"time"
)

// throttle holds back what a node would reject: the client-side throttling of
// Site Reliability Engineering (Beyer et al. 2016, ch. 21), for each node. Of the
// last two minutes,
//
//	chance to be held = max(0, (requests − K·accepts) / (requests + 1))
//
// where requests are those that have an answer and those that were held back, since one
// that is still at work is not turned away yet.
type throttle struct {
	k     float64
	nodes []tally
	skip  Set
}

// The window is told apart in parts; what lies before it is forgotten.
const (
	throttleWindow = 2 * time.Minute
	throttleParts  = 12
)

// tally is what one node was asked and took, in each part of the window.
type tally struct {
	requests, accepts [throttleParts]float64
	at                int64 // number of the newest part
}

func newThrottle(k float64) *throttle { return &throttle{k: k} }

// part is the number of the part of the window that now is in.
func part(now time.Time) int64 { return now.UnixNano() / int64(throttleWindow/throttleParts) }

// node is the tally of node i, without what is too old.
func (t *throttle) node(now time.Time, i int) *tally {
	for len(t.nodes) <= i {
		t.nodes = append(t.nodes, tally{})
	}
	n := &t.nodes[i]
	for p := part(now); n.at < p; {
		if p-n.at > throttleParts {
			n.at = p - throttleParts
		}
		n.at++
		n.requests[n.at%throttleParts], n.accepts[n.at%throttleParts] = 0, 0
	}
	return n
}

// chance is the part of the requests to node i that are held back, 0 to 1.
func (t *throttle) chance(now time.Time, i int) float64 {
	n := t.node(now, i)
	requests, accepts := 0.0, 0.0
	for p := range throttleParts {
		requests += n.requests[p]
		accepts += n.accepts[p]
	}
	return max(0, (requests-t.k*accepts)/(requests+1))
}

// holds draws whether a request to node i is held back, and counts it if it is.
func (t *throttle) holds(now time.Time, i int, r *rand.Rand) bool {
	p := t.chance(now, i)
	if p == 0 || r.Float64() >= p {
		return false
	}
	n := &t.nodes[i]
	n.requests[n.at%throttleParts]++
	return true
}

// picker is what chooses nodes: a policy, or the ejector of those that are left.
type picker interface {
	Pick(now time.Time, r Request) (int, Verdict)
}

// pick asks p for another node than i, which is held back. Where it has none,
// i is asked all the same: a task waits for nobody but for nodes that are busy.
func (t *throttle) pick(now time.Time, p picker, r Request, i int) (int, Verdict) {
	t.skip.Clear()
	t.skip.AddAll(r.Excluded)
	t.skip.Add(i)
	held, draws := i, r.Rand
	r.Excluded = &t.skip
	for range 8 {
		i, v := p.Pick(now, r)
		switch {
		case v == Busy:
			return i, v
		case v != Chosen:
			return held, Chosen
		case !t.holds(now, i, draws):
			return i, Chosen
		}
		t.skip.Add(i)
	}
	return held, Chosen
}

// observe counts an attempt that has ended.
func (t *throttle) observe(now time.Time, o Observation) {
	if o.Kind == Sent {
		return
	}
	n := t.node(now, o.Node)
	n.requests[n.at%throttleParts]++
	if o.Kind != Rejected {
		n.accepts[n.at%throttleParts]++
	}
}
