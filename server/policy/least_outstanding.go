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
}

// set notes whether node i is up.
func (b *byOutstanding) set(i int, up bool) {
	for len(b.place) <= i {
		b.place = append(b.place, 0)
		b.count = append(b.count, 0)
	}
	switch k := b.count[i]; {
	case up && b.place[i] == 0:
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
// equal chance.
func (b *byOutstanding) least(r Request) (int, Verdict) {
	for k := range b.first {
		end := len(b.order)
		if k+1 < len(b.first) {
			end = int(b.first[k+1])
		}
		if i, v := drawFrom(b.order[b.first[k]:end], r); v == Chosen {
			return i, v
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
func (l *leastOutstanding) Set(_ time.Time, i int, n Node) { l.nodes.set(i, n.Up) }

// Pick implements Policy.
func (l *leastOutstanding) Pick(_ time.Time, r Request) (int, Verdict) { return l.nodes.least(r) }

// Observe implements Policy.
func (l *leastOutstanding) Observe(_ time.Time, o Observation) { l.nodes.observe(o) }
