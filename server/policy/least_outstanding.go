package policy

import (
	"time"

	"spillway/params"
)

// byOutstanding is the nodes that are up in order of their attempts at work, with the
// places at which each number begins, so that a change by one takes one swap. The zero
// value has none.
type byOutstanding struct {
	order []int32
	place []int32 // place[i] is where order holds node i, from 1; 0: it is not up
	count []int32 // attempts at node i, whether it is up or not
	first []int32 // first[k] is where the nodes with k attempts or more begin
	set   Set     // the nodes that are up
}

// mark notes whether node i is up.
func (b *byOutstanding) mark(i int, up bool) {
	for len(b.place) <= i {
		b.place = append(b.place, 0)
		b.count = append(b.count, 0)
	}
	switch k := b.count[i]; {
	case up && b.place[i] == 0:
		b.set.Add(i)
		b.order = append(b.order, int32(i))
		b.place[i] = int32(len(b.order))
		for len(b.first) <= int(k) {
			b.first = append(b.first, int32(len(b.order)-1))
		}
		for at := len(b.first) - 1; at > int(k); at-- { // it stands last, and goes down by one number each time
			b.swap(int(b.place[i])-1, int(b.first[at]))
			b.first[at]++
		}
	case !up && b.place[i] > 0:
		b.set.Remove(i)
		for at := int(k) + 1; at < len(b.first); at++ {
			b.first[at]--
			b.swap(int(b.place[i])-1, int(b.first[at]))
		}
		last := len(b.order) - 1
		b.swap(int(b.place[i])-1, last)
		b.order = b.order[:last]
		b.place[i] = 0
	}
}

// observe counts an attempt in or out.
func (b *byOutstanding) observe(o Observation) {
	if o.Node < 0 || o.Node >= len(b.count) {
		return
	}
	switch k := b.count[o.Node]; {
	case o.Kind == Sent:
		b.count[o.Node]++
		if b.place[o.Node] == 0 {
			return
		}
		if len(b.first) <= int(k)+1 {
			b.first = append(b.first, int32(len(b.order)))
		}
		b.first[k+1]--
		b.swap(int(b.place[o.Node])-1, int(b.first[k+1]))
	case k > 0:
		b.count[o.Node]--
		if b.place[o.Node] == 0 {
			return
		}
		b.swap(int(b.place[o.Node])-1, int(b.first[k]))
		b.first[k]++
	}
}

func (b *byOutstanding) swap(x, y int) {
	b.order[x], b.order[y] = b.order[y], b.order[x]
	b.place[b.order[x]], b.place[b.order[y]] = int32(x+1), int32(y+1)
}

// least is a node that is not excluded with the fewest attempts, each of these with
// equal chance. Once the excluded ones that have fewer have cost as much as to look at all
// that are not excluded, it does so.
func (b *byOutstanding) least(r Request) (int, Verdict) {
	looks := len(b.set.words) + max(0, len(b.order)-r.Excluded.Len())
	for k := range b.first {
		end := len(b.order)
		if k+1 < len(b.first) {
			end = int(b.first[k+1])
		}
		class := b.order[b.first[k]:end]
		for range min(draws, len(class)) {
			if i := int(class[r.Rand.IntN(len(class))]); !r.Excluded.Has(i) {
				return i, Chosen
			}
		}
		if looks -= len(class); looks < 0 {
			return b.leastOfAll(r)
		}
		if i, v := drawFrom(class, r); v == Chosen {
			return i, v
		}
	}
	return 0, Nobody
}

// drawFrom is one of the nodes that is not excluded, each with equal chance.
func drawFrom(nodes []int32, r Request) (int, Verdict) {
	left := 0
	for _, i := range nodes {
		if !r.Excluded.Has(int(i)) {
			left++
		}
	}
	if left == 0 {
		return 0, Nobody
	}
	nth := r.Rand.IntN(left)
	for _, i := range nodes {
		if r.Excluded.Has(int(i)) {
			continue
		}
		if nth--; nth < 0 {
			return int(i), Chosen
		}
	}
	return 0, Nobody
}

// leastOfAll is least, found among all nodes that are not excluded.
func (b *byOutstanding) leastOfAll(r Request) (int, Verdict) {
	fewest, alike := int32(-1), 0
	for i := range b.set.without(r.Excluded) {
		switch k := b.count[i]; {
		case alike == 0 || k < fewest:
			fewest, alike = k, 1
		case k == fewest:
			alike++
		}
	}
	if alike == 0 {
		return 0, Nobody
	}
	nth := r.Rand.IntN(alike)
	for i := range b.set.without(r.Excluded) {
		if b.count[i] != fewest {
			continue
		}
		if nth--; nth < 0 {
			return i, Chosen
		}
	}
	return 0, Nobody
}

// leastOutstanding is the policy "least_outstanding": the node with the fewest
// attempts of this server, by chance among the lowest (join the shortest queue).
type leastOutstanding struct{ nodes byOutstanding }

func newLeastOutstanding(*params.List) Policy { return &leastOutstanding{} }

// Traits implements Policy.
func (l *leastOutstanding) Traits() Traits { return Traits{MayReject: true} }

// Set implements Policy.
func (l *leastOutstanding) Set(_ time.Time, i int, n Node) { l.nodes.mark(i, n.Up) }

// Pick implements Policy.
func (l *leastOutstanding) Pick(_ time.Time, r Request) (int, Verdict) { return l.nodes.least(r) }

// Observe implements Policy.
func (l *leastOutstanding) Observe(_ time.Time, o Observation) { l.nodes.observe(o) }
