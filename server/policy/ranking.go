package policy

import "slices"

// ranking is nodes with keys, the least first: a binary heap that knows where each
// node stands. A key holds a cost, and among nodes of like cost a turn, so that
// they are served one after the other. The zero value has none.
type ranking struct {
	order []int32
	place []int32  // place[i] is where order holds node i, from 1; 0: nowhere
	keys  []uint64 // by node
	set   Set      // the ranked nodes
}

// turnBits of a key are for the turn; those above are for the cost.
const turnBits = 44

// put ranks node i by key, whether it is there or not.
func (r *ranking) put(i int, key uint64) {
	for len(r.place) <= i {
		r.place = append(r.place, 0)
		r.keys = append(r.keys, 0)
	}
	r.keys[i] = key
	if r.place[i] == 0 {
		r.order = append(r.order, int32(i))
		r.place[i] = int32(len(r.order))
		r.set.Add(i)
	}
	r.settle(int(r.place[i]) - 1)
}

// drop takes node i out, if it is there.
func (r *ranking) drop(i int) {
	if !r.has(i) {
		return
	}
	at, last := int(r.place[i])-1, len(r.order)-1
	r.swap(at, last)
	r.order = r.order[:last]
	r.place[i] = 0
	r.set.Remove(i)
	if at < last {
		r.settle(at)
	}
}

// has reports whether node i is ranked.
func (r *ranking) has(i int) bool { return i < len(r.place) && r.place[i] > 0 }

// least is the node of the least key that is neither excluded nor one of the others;
// −1: none. It looks at those that it must not take, if they have lesser keys, and at
// their children; once that has cost as much as to look at all that it may take, it does so.
func (r *ranking) least(excluded *Set, others ...int) int {
	if len(r.order) == 0 {
		return -1
	}
	looks := 8 + (len(r.set.words)+max(0, len(r.order)-excluded.Len()))/16
	best, bestKey := -1, ^uint64(0)
	var stack [64]int32 // places still to see: no more than two a level
	for depth := 1; depth > 0; looks-- {
		if looks == 0 {
			return r.leastOfAll(excluded, others)
		}
		depth--
		at := int(stack[depth])
		i := int(r.order[at])
		switch {
		case r.keys[i] >= bestKey: // and so are its children
		case !excluded.Has(i) && !slices.Contains(others, i):
			best, bestKey = i, r.keys[i]
		default:
			for down := 2*at + 2; down > 2*at; down-- {
				if down < len(r.order) {
					stack[depth] = int32(down)
					depth++
				}
			}
		}
	}
	return best
}

// leastOfAll is least, found among all nodes that are not excluded.
func (r *ranking) leastOfAll(excluded *Set, others []int) int {
	best, bestKey := -1, ^uint64(0)
	for i := range r.set.without(excluded) {
		if r.keys[i] < bestKey && !slices.Contains(others, i) {
			best, bestKey = i, r.keys[i]
		}
	}
	return best
}

// equal draws a node whose key is that of node i, the least of those not excluded, among
// the few that stand first; so that servers that know the same do not start alike.
func (r *ranking) equal(i int, excluded *Set, draw uint64) int {
	at := int(draw % 4)
	if at >= len(r.order) {
		return i
	}
	other := int(r.order[at])
	if r.keys[other] != r.keys[i] || excluded.Has(other) {
		return i
	}
	return other
}

func (r *ranking) before(a, b int) bool { return r.keys[r.order[a]] < r.keys[r.order[b]] }

func (r *ranking) settle(at int) {
	for at > 0 && r.before(at, (at-1)/2) {
		r.swap(at, (at-1)/2)
		at = (at - 1) / 2
	}
	for {
		least := at
		for down := 2*at + 1; down <= 2*at+2 && down < len(r.order); down++ {
			if r.before(down, least) {
				least = down
			}
		}
		if least == at {
			return
		}
		r.swap(at, least)
		at = least
	}
}

func (r *ranking) swap(a, b int) {
	r.order[a], r.order[b] = r.order[b], r.order[a]
	r.place[r.order[a]], r.place[r.order[b]] = int32(a+1), int32(b+1)
}
