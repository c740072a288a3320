package policy

import (
	"time"

	"spillway/params"
)

// roundRobin is the policy "round_robin": one node after the other, in the order of
// their indices. The first is drawn, so that servers do not all begin with the same.
type roundRobin struct {
	up     Set
	nodes  int
	last   int // the node that was sent something last
	begins bool
}

func newRoundRobin(*params.List) Policy { return &roundRobin{begins: true} }

// Traits implements Policy.
func (p *roundRobin) Traits() Traits { return Traits{MayReject: true} }

// Set implements Policy.
func (p *roundRobin) Set(_ time.Time, i int, n Node) {
	p.nodes = max(p.nodes, i+1)
	if n.Up {
		p.up.Add(i)
	} else {
		p.up.Remove(i)
	}
}

// Pick implements Policy.
func (p *roundRobin) Pick(_ time.Time, r Request) (int, Verdict) {
	if p.up.Len() == 0 {
		return 0, Nobody
	}
	if p.begins {
		p.begins = false
		p.last = r.Rand.IntN(p.nodes)
	}
	i := p.up.nextWithout(p.last+1, r.Excluded)
	if i < 0 {
		i = p.up.nextWithout(0, r.Excluded)
	}
	if i < 0 {
		return 0, Nobody
	}
	return i, Chosen
}

// Observe implements Policy.
func (p *roundRobin) Observe(_ time.Time, o Observation) {
	if o.Kind == Sent {
		p.last = o.Node
	}
}
