package policy

// present is the nodes that are up, for draws among them. The zero value has none.
type present struct {
	up    []int32 // in no order
	place []int32 // place[i] is where up holds i, from 1; 0: nowhere
	set   Set     // the same nodes: 64 at a time are asked whether they are excluded
}

// mark notes whether node i is up.
func (p *present) mark(i int, up bool) {
	for len(p.place) <= i {
		p.place = append(p.place, 0)
	}
	at := p.place[i]
	switch {
	case up && at == 0:
		p.up = append(p.up, int32(i))
		p.place[i] = int32(len(p.up))
		p.set.Add(i)
	case !up && at > 0:
		last := p.up[len(p.up)-1]
		p.up[at-1], p.place[last] = last, at
		p.up, p.place[i] = p.up[:len(p.up)-1], 0
		p.set.Remove(i)
	}
}

// has reports whether node i is up.
func (p *present) has(i int) bool { return i < len(p.place) && p.place[i] > 0 }

// draw is a node that is up and not excluded, each with equal chance.
func (p *present) draw(r Request) (int, Verdict) {
	if i := p.drawOther(r, -1); i >= 0 {
		return i, Chosen
	}
	return 0, Nobody
}

// two are two different nodes that are up and not excluded, each pair with equal
// chance; the same twice where there is but one.
func (p *present) two(r Request) (a, b int, v Verdict) {
	a, v = p.draw(r)
	if v != Chosen {
		return a, a, v
	}
	if b = p.drawOther(r, a); b >= 0 {
		return a, b, Chosen
	}
	return a, a, Chosen
}

// draws is how often a draw is repeated that met an excluded node, before the others
// are counted out.
const draws = 8

// drawOther is a node that is up, not excluded and not the other one, each with equal
// chance; −1: none. The other one is not excluded, or −1.
func (p *present) drawOther(r Request, other int) int {
	if len(p.up) == 0 {
		return -1
	}
	for range draws {
		if i := int(p.up[r.Rand.IntN(len(p.up))]); i != other && !r.Excluded.Has(i) {
			return i
		}
	}
	left := p.set.lenWithout(r.Excluded)
	if other >= 0 {
		left--
	}
	if left <= 0 {
		return -1
	}
	i := p.set.nthWithout(r.Rand.IntN(left), r.Excluded)
	if other >= 0 && i >= other {
		return p.set.nextWithout(i+1, r.Excluded) // the other one does not count
	}
	return i
}
