package policy

import "time"

// rank prices node i by what is known of it now, and puts it where it belongs.
func (p *pull) rank(now time.Time, i int) {
	n := &p.nodes[i]
	p.speed -= n.speed
	n.speed = 0
	if p.up.has(i) {
		e := p.estimate(now, i)
		n.price = costKey(e.cost(p.size))
		if e.rate > 0 {
			n.speed = float64(n.limit.most()) / e.rate
			p.speed += n.speed
		}
	}
	p.place(i)
}

// place puts node i where it belongs, at the price that it had.
func (p *pull) place(i int) {
	n := &p.nodes[i]
	in := (*ranking)(nil)
	switch {
	case !p.up.has(i):
	case n.out-p.spared(i) >= p.most(i):
		in = &p.full
	case p.learner.node(i).done:
		in = &p.proven
	default:
		in = &p.fresh
	}
	for _, r := range [3]*ranking{&p.proven, &p.fresh, &p.full} {
		if r != in {
			r.drop(i)
		}
	}
	if in != nil {
		in.put(i, n.price|p.orderOf(i))
	}
}

// spared is how many attempts of node i take no room: those in the injected delay, by the
// node's own word. Of one that tells nothing, it is those that are overdue, but no more
// than its limit, and only where it is not known to be slow, since then it works on them
// still.
func (p *pull) spared(i int) int {
	n := &p.nodes[i]
	switch {
	case n.limit.slots > 0:
		return min(n.out, n.asleep)
	case p.learner.rate(p.learner.node(i)) > slowNode*p.learner.fleet.rate():
		return 0
	}
	return min(n.late, p.most(i))
}

// Limit implements Limiter.
func (p *pull) Limit(i int) int { return p.most(i) }

// most is how many attempts node i may have.
func (p *pull) most(i int) int {
	if p.feeling() && !p.learner.node(i).done {
		return 1
	}
	return p.nodes[i].limit.most()
}

// feeling tells that nodes are felt out a few at a time.
func (p *pull) feeling() bool { return len(p.up.up) < smallFleet }

// reviewOne ranks one more node anew, in turn: what is known of it fades.
func (p *pull) reviewOne(now time.Time) {
	p.review = (p.review + 1) % len(p.nodes)
	p.rank(now, p.review)
}

// ready is the ready node of the least cost; −1: none.
func (p *pull) ready(now time.Time, r Request) int {
	proven, fresh := p.proven.least(r.Excluded), p.fresh.least(r.Excluded)
	switch {
	case fresh < 0:
		return proven
	case p.feeling() && p.trying >= max(2, len(p.up.up)*len(p.up.up)/16) && now.Sub(p.tried) < feelFor:
		return proven
	case proven < 0:
		return fresh
	}
	w := work(r.Work)
	if p.estimate(now, fresh).cost(w) <= likeCost*p.estimate(now, proven).cost(w) {
		return fresh
	}
	return proven
}

// firstTurn is the first turn that a node is served in; those below are of nodes that
// were never sent anything.
const firstTurn = 1 << (turnBits - 1)

// orderOf is where node i stands among nodes of like cost: who was sent something longest
// ago comes first, and before it who never was, by chance.
func (p *pull) orderOf(i int) uint64 {
	if t := p.nodes[i].turn; t > 0 {
		return firstTurn | t
	}
	x := (uint64(i) + 1) * p.salt
	x ^= x >> 32
	x *= 0x9e3779b97f4a7c15
	return x >> (64 - turnBits + 1)
}

// shuffle draws the order in which nodes are tried, so that servers that know the same do
// not go to the same ones.
func (p *pull) shuffle(salt uint64) {
	p.salt = salt
	for i := range p.nodes {
		p.place(i)
	}
}
