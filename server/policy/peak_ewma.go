package policy

import (
	"math"
	"time"

	"spillway/params"
)

// peakEWMA is the policy "peak_ewma": of two nodes that are drawn, the one of the lower
//
//	cost = max(moving mean of the latency, age of the oldest attempt) · (attempts + 1)
//
// (Finagle's Peak EWMA load metric). A latency above the mean replaces it at once; one
// below pulls it down with τ = max(tau, 100 · mean latency), since a shorter one would
// forget between two tasks. The mean of a node that is left alone fades alike, down to
// about that of all nodes. They are not by work: of small
// tasks the latency by work is nearly all waiting, and would be the peak for ever. A
// rejection is no latency.
type peakEWMA struct {
	up    present
	nodes []peak
	tau   time.Duration
	mean  float64 // ns, of all nodes
}

// peak is what peakEWMA keeps of a node.
type peak struct {
	mean float64 // ns
	at   time.Time
	out  []time.Time // when the attempts at work were sent, the oldest first
}

// tauTimes is how many times the mean latency τ is at least.
const tauTimes = 100

// fadesTo is the part of the mean of all nodes to which that of one fades.
const fadesTo = .9

func newPeakEWMA(p *params.List) Policy {
	return &peakEWMA{tau: p.Duration("tau", 10*time.Second, time.Millisecond, time.Hour,
		"after which a latency counts 1/e; never less than 100 mean latencies")}
}

// Traits implements Policy.
func (p *peakEWMA) Traits() Traits { return Traits{MayReject: true} }

// Set implements Policy.
func (p *peakEWMA) Set(_ time.Time, i int, n Node) {
	for len(p.nodes) <= i {
		p.nodes = append(p.nodes, peak{})
	}
	if n.Gone {
		p.nodes[i] = peak{}
	}
	p.up.mark(i, n.Up)
}

// Pick implements Policy.
func (p *peakEWMA) Pick(now time.Time, r Request) (int, Verdict) {
	a, b, v := p.up.two(r)
	if v == Chosen && a != b && p.cost(now, b) < p.cost(now, a) {
		return b, v
	}
	return a, v
}

// cost is that of node i.
func (p *peakEWMA) cost(now time.Time, i int) float64 {
	n := &p.nodes[i]
	c := p.faded(now, n)
	if len(n.out) > 0 {
		c = max(c, float64(now.Sub(n.out[0])))
	}
	return max(1, c) * float64(len(n.out)+1)
}

// keep is what is left after a time of the weight of what was before.
func (p *peakEWMA) keep(after time.Duration) float64 {
	return math.Exp(-float64(after) / max(float64(p.tau), tauTimes*p.mean))
}

// faded is the mean of a node now. It fades to a little below that of all nodes, since
// otherwise one that was slow once would lose against each of its equals by a hair.
func (p *peakEWMA) faded(now time.Time, n *peak) float64 {
	if n.at.IsZero() {
		return p.mean
	}
	return max(min(n.mean, fadesTo*p.mean), n.mean*p.keep(now.Sub(n.at)))
}

// Observe implements Policy.
func (p *peakEWMA) Observe(now time.Time, o Observation) {
	if o.Node < 0 || o.Node >= len(p.nodes) {
		return
	}
	n := &p.nodes[o.Node]
	if o.Kind == Sent {
		n.out = append(n.out, now)
		return
	}
	n.land(now.Add(-o.Latency))
	switch o.Kind {
	case Done, Superseded: // one that was superseded would have taken longer still
		p.observe(now, n, float64(o.Latency))
	case Broke: // what broke soon is no sign of speed
		p.observe(now, n, max(float64(o.Latency), p.faded(now, n)))
	case Sent, Rejected, Cancelled:
	}
}

// observe takes in a latency.
func (p *peakEWMA) observe(now time.Time, n *peak, latency float64) {
	if p.mean == 0 {
		p.mean = latency
	}
	p.mean += (latency - p.mean) / 64
	if latency > n.mean || n.at.IsZero() {
		n.mean = latency
	} else {
		k := p.keep(now.Sub(n.at))
		n.mean = k*n.mean + (1-k)*latency
	}
	n.at = now
}

// land takes out the attempt that was sent nearest to a time.
func (n *peak) land(sent time.Time) {
	nearest, off := -1, time.Duration(math.MaxInt64)
	for at := range n.out {
		if d := n.out[at].Sub(sent).Abs(); d < off {
			nearest, off = at, d
		}
	}
	if nearest >= 0 {
		n.out = append(n.out[:nearest], n.out[nearest+1:]...)
	}
}
