package policy

import (
	"math"
	"time"

	"spillway/params"
	"spillway/sketch"
)

// weightedRoundRobin is the policy "weighted_round_robin": the node of the earliest
// deadline, which each attempt that is sent puts off by 1/w (earliest deadline first).
// The weight is that of gRPC's proposal A58
//
//	w = qps / (utilization + errors/qps)
//
// where qps is the attempts that the node did, errors those that it turned away or
// broke, both by second and moving, and the utilization is by the node's own word, or
// else the part of its slots that this server takes. A node has the mean weight until it
// has answered for some seconds.
type weightedRoundRobin struct {
	up     present
	nodes  []weighted
	line   ranking
	now    float64 // virtual time: the deadline of the node that was sent something last
	window time.Duration
	sum    float64 // of the weights that are known, of nodes that are up
	known  int
}

// weighted is what weightedRoundRobin keeps of a node.
type weighted struct {
	slots, out   int
	deadline     float64
	weight       float64 // 0: unknown
	counted      bool    // its weight is within the sum
	done, errors float64 // moving counts
	use, uses    float64 // moving sum of the utilization, and count
	since, at    time.Time
}

const (
	// blackout is how many parts of the window a node must have answered for.
	blackout = 4
	// leastUse bounds the utilization, so that an idle node is not worth everything.
	leastUse = .05
)

func newWeightedRoundRobin(p *params.List) Policy {
	return &weightedRoundRobin{window: p.Duration("window", 10*time.Second, time.Millisecond, time.Hour,
		"after which what a node did counts half")}
}

// Traits implements Policy.
func (p *weightedRoundRobin) Traits() Traits { return Traits{MayReject: true} }

// Set implements Policy.
func (p *weightedRoundRobin) Set(_ time.Time, i int, n Node) {
	for len(p.nodes) <= i {
		p.nodes = append(p.nodes, weighted{})
	}
	w := &p.nodes[i]
	w.slots = max(1, n.Slots)
	if n.Gone {
		p.weigh(w, 0)
		*w = weighted{}
	}
	if n.Up == p.up.has(i) {
		return
	}
	p.up.mark(i, n.Up)
	p.weigh(w, w.weight)
	if !n.Up {
		p.uncount(w)
		p.line.drop(i)
		return
	}
	w.deadline = max(w.deadline, p.now)
	p.place(i)
}

// weigh gives a node a weight; 0: unknown.
func (p *weightedRoundRobin) weigh(n *weighted, weight float64) {
	p.uncount(n)
	n.weight = weight
	if weight > 0 {
		n.counted = true
		p.sum += weight
		p.known++
	}
}

func (p *weightedRoundRobin) uncount(n *weighted) {
	if n.counted {
		n.counted = false
		p.sum -= n.weight
		p.known--
	}
	if p.known == 0 {
		p.sum = 0
	}
}

// place puts node i where its deadline belongs.
func (p *weightedRoundRobin) place(i int) {
	if p.up.has(i) {
		p.line.put(i, math.Float64bits(p.nodes[i].deadline)) // in the order of the deadlines, since none is negative
	}
}

// share is the weight of a node in units of the mean weight, so that virtual time does
// not depend on how busy all are.
func (p *weightedRoundRobin) share(n *weighted) float64 {
	if n.weight == 0 || p.known == 0 || p.sum <= 0 {
		return 1
	}
	return min(100, max(.01, n.weight*float64(p.known)/p.sum))
}

// Pick implements Policy.
func (p *weightedRoundRobin) Pick(_ time.Time, r Request) (int, Verdict) {
	i := p.line.least(r.Excluded)
	if i < 0 {
		return 0, Nobody
	}
	return p.line.equal(i, r.Excluded, r.Rand.Uint64()), Chosen
}

// Observe implements Policy.
func (p *weightedRoundRobin) Observe(now time.Time, o Observation) {
	if o.Node < 0 || o.Node >= len(p.nodes) {
		return
	}
	n := &p.nodes[o.Node]
	if o.Kind == Sent {
		n.out++
		// Turns that it missed while it was left out are lost.
		from := max(n.deadline, p.now)
		p.now = max(p.now, n.deadline)
		n.deadline = from + 1/p.share(n)
		p.place(o.Node)
		return
	}
	n.out = max(0, n.out-1)
	n.fade(now, p.window)
	use := float64(n.out+1) / float64(max(1, n.slots))
	if l := o.Load; l != nil && l.Slots > 0 {
		use = float64(l.Running+l.Queued+1) / float64(l.Slots)
	}
	switch o.Kind {
	case Done:
		n.done++
	case Rejected, Broke:
		n.errors++
	case Sent, Cancelled, Superseded:
		return
	}
	n.use += use
	n.uses++
	if now.Sub(n.since) >= p.window/blackout {
		span := min(now.Sub(n.since), p.window).Seconds()
		p.weigh(n, n.worth(span))
	}
}

// fade lets the counts be worth less, the older they are.
func (n *weighted) fade(now time.Time, half time.Duration) {
	if n.since.IsZero() {
		n.since = now
	} else {
		k := sketch.Decay(now.Sub(n.at), half)
		n.done *= k
		n.errors *= k
		n.use *= k
		n.uses *= k
	}
	n.at = now
}

// worth is the weight by what is counted over a span of seconds.
func (n *weighted) worth(span float64) float64 {
	qps := n.done / max(1e-3, span)
	if qps == 0 {
		return 1e-3 // it fails at all, and is asked now and then
	}
	use := max(leastUse, n.use/max(1e-9, n.uses))
	return qps / (use + n.errors/max(1e-9, n.done))
}
