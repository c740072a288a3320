package policy

// present is the nodes that are up, for draws among them. The zero value has none.
type present struct {
	up    []int // in no order
	place []int // place[i] is where up holds i, or -1
}

// set notes whether node i is up.
func (p *present) set(i int, up bool) {
	for len(p.place) <= i {
		p.place = append(p.place, -1)
	}
	at := p.place[i]
	switch {
	case up && at < 0:
		p.place[i] = len(p.up)
		p.up = append(p.up, i)
	case !up && at >= 0:
		last := p.up[len(p.up)-1]
		p.up[at], p.place[last] = last, at
		p.up, p.place[i] = p.up[:len(p.up)-1], -1
	}
}

// has reports whether node i is up.
func (p *present) has(i int) bool { return i < len(p.place) && p.place[i] >= 0 }

// draw is a node that is up and not excluded, each with equal chance. It draws until
// it meets one, and counts the others out only where most are excluded.
func (p *present) draw(r Request) (int, Verdict) {
	if len(p.up) == 0 {
		return 0, Nobody
	}
	for range 4 {
		if i := p.up[r.Rand.IntN(len(p.up))]; !r.Excluded.Has(i) {
			return i, Chosen
		}
	}
	left := 0
	for _, i := range p.up {
		if !r.Excluded.Has(i) {
			left++
		}
	}
	if left == 0 {
		return 0, Nobody
	}
	nth := r.Rand.IntN(left)
	for _, i := range p.up {
		if r.Excluded.Has(i) {
			continue
		}
		if nth == 0 {
			return i, Chosen
		}
		nth--
	}
	return 0, Nobody
}
