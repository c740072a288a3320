package policy

import (
	"time"

	"spillway/params"
)

// p2c is the policy "p2c": of two different nodes that are drawn, the one with fewer
// attempts of this server (Mitzenmacher, The Power of Two Choices in Randomized Load
// Balancing, 2001); among equals the first.
type p2c struct {
	up    present
	count []int
}

func newP2C(*params.List) Policy { return &p2c{} }

// Traits implements Policy.
func (p *p2c) Traits() Traits { return Traits{MayReject: true} }

// Set implements Policy.
func (p *p2c) Set(_ time.Time, i int, n Node) {
	for len(p.count) <= i {
		p.count = append(p.count, 0)
	}
	p.up.mark(i, n.Up)
}

// Pick implements Policy.
func (p *p2c) Pick(_ time.Time, r Request) (int, Verdict) {
	a, b, v := p.up.two(r)
	if v == Chosen && p.count[b] < p.count[a] {
		return b, v
	}
	return a, v
}

// Observe implements Policy.
func (p *p2c) Observe(_ time.Time, o Observation) {
	if o.Node < 0 || o.Node >= len(p.count) {
		return
	}
	if o.Kind == Sent {
		p.count[o.Node]++
	} else {
		p.count[o.Node] = max(0, p.count[o.Node]-1)
	}
}
