package policy

// present is the nodes that are up, for draws among them. The zero value has none.
type present struct {
	up    []int32 // in no order
	place []int32 // place[i] is where up holds i, from 1; 0: nowhere
}

// set notes whether node i is up.
func (p *present) set(i int, up bool) {
	for len(p.place) <= i {
		p.place = append(p.place, 0)
	}
	at := p.place[i]
	switch {
	case up && at == 0:
		p.up = append(p.up, int32(i))
		p.place[i] = int32(len(p.up))
	case !up && at > 0:
		last := p.up[len(p.up)-1]
		p.up[at-1], p.place[last] = last, at
		p.up, p.place[i] = p.up[:len(p.up)-1], 0
	}
}

// has reports whether node i is up.
func (p *present) has(i int) bool { return i < len(p.place) && p.place[i] > 0 }

// draw is a node that is up and not excluded, each with equal chance.
func (p *present) draw(r Request) (int, Verdict) { return drawFrom(p.up, r) }

// two are two different nodes that are up and not excluded, each pair with equal
// chance; the same twice where there is but one.
func (p *present) two(r Request) (a, b int, v Verdict) {
	a, v = p.draw(r)
	if v != Chosen || len(p.up) == 1 {
		return a, a, v
	}
	for range draws {
		if b = int(p.up[r.Rand.IntN(len(p.up))]); b != a && !r.Excluded.Has(b) {
			return a, b, Chosen
		}
	}
	if b = drawOther(p.up, r, a); b >= 0 {
		return a, b, Chosen
	}
	return a, a, Chosen
}

// draws is how often a draw is repeated that met an excluded node, before the others
// are counted out.
const draws = 16

// drawFrom is one of the nodes that is not excluded, each with equal chance. It draws
// until it meets one, and counts the others out only where most are excluded.
func drawFrom(nodes []int32, r Request) (int, Verdict) {
	if len(nodes) == 0 {
		return 0, Nobody
	}
	for range draws {
		if i := int(nodes[r.Rand.IntN(len(nodes))]); !r.Excluded.Has(i) {
			return i, Chosen
		}
	}
	if i := drawOther(nodes, r, -1); i >= 0 {
		return i, Chosen
	}
	return 0, Nobody
}

// drawOther is one of the nodes that is neither excluded nor the other one; −1: none.
func drawOther(nodes []int32, r Request, other int) int {
	left := 0
	for _, i := range nodes {
		if int(i) != other && !r.Excluded.Has(int(i)) {
			left++
		}
	}
	if left == 0 {
		return -1
	}
	nth := r.Rand.IntN(left)
	for _, i := range nodes {
		if int(i) == other || r.Excluded.Has(int(i)) {
			continue
		}
		if nth == 0 {
			return int(i)
		}
		nth--
	}
	return -1
}
