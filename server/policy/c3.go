package policy

import (
	"time"

	"spillway/params"
	"spillway/sketch"
)

// c3 is the policy "c3" (Suresh et al., C3: Cutting Tail Latency in Cloud Data Stores
// via Adaptive Replica Selection, NSDI 2015): the node of the lowest
//
//	score = R − 1/μ + q³/μ, q = 1 + attempts·servers + Q
//
// where R is the moving mean of the latency, 1/μ that of the operation's time, and Q that
// of what the node says it has in flight. Each is drawn towards the mean of all nodes as it ages, so that a node that was
// slow once is tried again. The scores are kept in order, so that a pick does not look at
// all nodes; those within about 9 % of one another count as equal. The paper's control of
// the rate is left to the nodes' admission.
type c3 struct {
	up      present
	nodes   []scored
	all     scored
	rank    ranking
	servers float64
	turn    uint64
	review  int
}

// scored is what c3 keeps of a node, or of all.
type scored struct {
	out      int
	latency  float64 // R, ns; 0: unknown
	service  float64 // 1/μ, ns
	inFlight float64 // Q
	at       time.Time
	turn     uint64
}

const (
	// newest is the weight of the newest of what is moving: the paper's 0.9 for the old.
	newest = .1
	// scoreHalf is after how long what is known of a node counts half.
	scoreHalf = 30 * time.Second
)

func newC3(p *params.List) Policy {
	return &c3{servers: p.Float("servers", 1, 1, 10_000, "servers that send to the same nodes")}
}

// Traits implements Policy.
func (c *c3) Traits() Traits { return Traits{MayReject: true} }

// Set implements Policy.
func (c *c3) Set(now time.Time, i int, n Node) {
	for len(c.nodes) <= i {
		c.nodes = append(c.nodes, scored{})
	}
	if n.Gone {
		c.nodes[i] = scored{}
	}
	c.up.mark(i, n.Up)
	c.place(now, i)
}

// place ranks node i by its score now.
func (c *c3) place(now time.Time, i int) {
	if !c.up.has(i) {
		c.rank.drop(i)
		return
	}
	c.rank.put(i, costKey(c.score(now, i))|c.nodes[i].turn)
}

// score is that of node i.
func (c *c3) score(now time.Time, i int) float64 {
	n := &c.nodes[i]
	latency, service, inFlight := c.faded(now, n)
	q := 1 + float64(n.out)*c.servers + inFlight
	return latency + (q*q*q-1)*max(1, service)
}

// faded is what is known of a node, the less the longer ago it was learned.
func (c *c3) faded(now time.Time, n *scored) (latency, service, inFlight float64) {
	if n.latency == 0 {
		return c.all.latency, c.all.service, n.inFlight
	}
	keep := sketch.Decay(now.Sub(n.at), scoreHalf)
	toward := func(own, all float64) float64 { return all + (own-all)*keep }
	return toward(n.latency, c.all.latency), toward(n.service, c.all.service), toward(n.inFlight, 0)
}

// Pick implements Policy.
func (c *c3) Pick(_ time.Time, r Request) (int, Verdict) {
	i := c.rank.least(r.Excluded)
	if i < 0 {
		return 0, Nobody
	}
	return c.rank.equal(i, r.Excluded, r.Rand.Uint64()), Chosen
}

// Observe implements Policy.
func (c *c3) Observe(now time.Time, o Observation) {
	if o.Node < 0 || o.Node >= len(c.nodes) {
		return
	}
	n := &c.nodes[o.Node]
	if o.Kind == Sent {
		c.turn++
		n.turn = c.turn
		n.out++
	} else {
		n.out = max(0, n.out-1)
		c.ended(now, n, o)
	}
	c.place(now, o.Node)
	if o.Kind == Sent {
		return
	}
	c.review = (c.review + 1) % len(c.nodes)
	c.place(now, c.review)
}

// ended takes in how an attempt ended.
func (c *c3) ended(now time.Time, n *scored, o Observation) {
	if n.latency > 0 {
		n.latency, n.service, n.inFlight = c.faded(now, n)
		n.at = now
	}
	if l := o.Load; l != nil {
		// The node's own word holds what is here counted as attempts of this server.
		others := max(0, float64(l.Running+l.Queued+l.Delayed-n.out))
		n.inFlight += newest * (others - n.inFlight)
	}
	if o.Kind != Done && o.Kind != Superseded || o.Latency <= 0 {
		return
	}
	latency := float64(o.Latency)
	service := latency
	if o.Run > 0 {
		service = float64(o.Run)
	}
	n.take(latency, service)
	c.all.take(latency, service)
	n.at = now
}

func (n *scored) take(latency, service float64) {
	if n.latency == 0 {
		n.latency, n.service = latency, service
		return
	}
	n.latency += newest * (latency - n.latency)
	n.service += newest * (service - n.service)
}
