package policy

import (
	"time"

	"spillway/params"
)

// cost is the policy "cost": the node of the least expected cost, by Thompson sampling
// (Thompson 1933; Chapelle and Li, An Empirical Evaluation of Thompson Sampling, 2011)
//
//	p_reject ~ Beta(1+rejected, 1+taken), p_late ~ Beta(1+late, 1+in time)
//	score    = rtt·p_reject/(1 − p_reject) + service·(1 + attempts/slots) + delay·p_late
//
// with what the learner knows; its prior is that of the whole fleet. Of the few nodes
// of the least expected score, the one whose sampled score is the least is picked. The
// Beta distributions are sampled as normal ones of the same mean and variance, cut at 0
// and 1, which costs less and differs little once some attempts are known.
type cost struct {
	learner learner
	up      present
	nodes   []costed
	rank    ranking
	explore float64
	size    float64 // moving mean of the work of a task
	turn    uint64
	review  int
}

// costed is what cost keeps of a node.
type costed struct {
	slots, out int
	turn       uint64
}

// sampled is how many nodes of the least expected score are sampled.
const sampled = 2

func newCost(p *params.List) Policy {
	return &cost{learner: newLearner(p), explore: exploration(p)}
}

// Traits implements Policy.
func (c *cost) Traits() Traits { return Traits{MayReject: true} }

// Set implements Policy.
func (c *cost) Set(now time.Time, i int, n Node) {
	for len(c.nodes) <= i {
		c.nodes = append(c.nodes, costed{})
	}
	if n.Gone {
		*c.learner.node(i) = learned{}
	}
	c.nodes[i].slots = max(1, n.Slots)
	c.up.mark(i, n.Up)
	c.place(now, i)
}

// place ranks node i by what is known of it now.
func (c *cost) place(now time.Time, i int) {
	if !c.up.has(i) {
		c.rank.drop(i)
		return
	}
	e := c.learner.estimate(now, i)
	c.rank.put(i, costKey(c.score(i, e, c.size))|c.nodes[i].turn)
}

// score is the cost of a task of work w on node i, with those that it has already.
func (c *cost) score(i int, e estimate, w float64) float64 {
	n := &c.nodes[i]
	return e.cost(w) + e.rate*w*float64(n.out)/float64(n.slots)
}

// Pick implements Policy.
func (c *cost) Pick(now time.Time, r Request) (int, Verdict) {
	if len(c.up.up) == 0 {
		return 0, Nobody
	}
	if r.Rand.Float64() < c.explore {
		return c.up.draw(r)
	}
	best, least := -1, 0.0
	var seen [sampled]int
	for n := range seen {
		i := c.rank.least(r.Excluded, seen[:n]...)
		if i < 0 {
			break
		}
		seen[n] = i
		if s := c.sample(now, i, r); best < 0 || s < least {
			best, least = i, s
		}
	}
	if best < 0 {
		return 0, Nobody
	}
	return best, Chosen
}

// sample draws the score of node i.
func (c *cost) sample(now time.Time, i int, r Request) float64 {
	e := c.learner.sample(now, i, r.Rand)
	return c.score(i, e, work(r.Work))
}

// Observe implements Policy.
func (c *cost) Observe(now time.Time, o Observation) {
	if o.Node < 0 || o.Node >= len(c.nodes) {
		return
	}
	n := &c.nodes[o.Node]
	if o.Kind == Sent {
		c.turn++
		n.turn = c.turn
		n.out++
		if c.size == 0 {
			c.size = work(o.Work)
		}
		c.size += (work(o.Work) - c.size) / 64
	} else {
		n.out = max(0, n.out-1)
		c.learner.observe(now, o)
	}
	c.place(now, o.Node)
	if o.Kind == Sent {
		return
	}
	// What is known of the others fades: each is ranked anew in its turn.
	c.review = (c.review + 1) % len(c.nodes)
	c.place(now, c.review)
}
