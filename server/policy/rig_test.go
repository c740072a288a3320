package policy_test

import (
	"container/heap"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
	"spillway/server/policy"
)

// rig is a small fleet played by events: a dispatcher, nodes that reject, delay and
// work, and an rtt between them.
type rig struct {
	d      *policy.Dispatcher[*played]
	nodes  []rigNode
	rng    *rand.Rand // of the nodes
	now    time.Time
	events eventHeap
	flow   policy.Flow[*played] // of all tasks,
	alone  bool                 // unless each has its own
	rtt    time.Duration
	hedge  time.Duration // after which a second copy is sent; 0: never

	left             int
	attempts, hedges int
	firstSends       []int // by node
	atOnce           []int // attempts at a node, by node
	mostAtOnce       []int
	took             []float64 // ns, of each task from its submission
}

// rigNode is one node: its speed in work a ns, its slots, and its draws.
type rigNode struct {
	speed         float64
	slots         int
	reject, delay float64
	hidden        bool // does not tell how long the operation took

	running int
	queue   []func()
}

// played is a task in a rig.
type played struct {
	work     float64
	flow     *policy.Flow[*played]
	excluded policy.Set
	ended    bool
	out      []*attempt
	waiter   *policy.Waiter[*played]
	copy     *policy.Waiter[*played]
	tries    int
	born     time.Time
}

type attempt struct {
	node int
	sent time.Time
	over bool
}

type event struct {
	at  time.Time
	seq int
	do  func()
}

type eventHeap struct {
	all []event
	seq int
}

func (h *eventHeap) Len() int { return len(h.all) }
func (h *eventHeap) Less(i, j int) bool {
	if !h.all[i].at.Equal(h.all[j].at) {
		return h.all[i].at.Before(h.all[j].at)
	}
	return h.all[i].seq < h.all[j].seq
}
func (h *eventHeap) Swap(i, j int) { h.all[i], h.all[j] = h.all[j], h.all[i] }
func (h *eventHeap) Push(e any)    { h.all = append(h.all, e.(event)) }
func (h *eventHeap) Pop() any {
	e := h.all[len(h.all)-1]
	h.all = h.all[:len(h.all)-1]
	return e
}

func newRig(t testing.TB, word string, seed uint64, nodes []rigNode) *rig {
	rule, err := policy.New(word)
	require.NoError(t, err)
	r := &rig{
		d: policy.NewDispatcher[*played](rule, seeded(seed)), nodes: nodes, rng: seeded(seed + 1000),
		now: start, rtt: 400 * time.Microsecond,
		firstSends: make([]int, len(nodes)), atOnce: make([]int, len(nodes)), mostAtOnce: make([]int, len(nodes)),
	}
	for i := range nodes {
		n := node(i, true)
		n.Slots = nodes[i].slots
		r.d.Set(r.now, i, n)
	}
	return r
}

func (r *rig) after(d time.Duration, do func()) {
	r.events.seq++
	heap.Push(&r.events, event{r.now.Add(d), r.events.seq, do})
}

// submit has a task begin now.
func (r *rig) submit(work float64) {
	p := &played{work: work, born: r.now, flow: &r.flow}
	if r.alone {
		p.flow = &policy.Flow[*played]{}
	}
	r.left++
	p.waiter = &policy.Waiter[*played]{Item: p, Work: work, Excluded: &p.excluded}
	r.d.Push(p.flow, p.waiter)
}

// run plays until every task has ended, and returns how long that took.
func (r *rig) run(t testing.TB) time.Duration {
	began := r.now
	r.dispatch()
	for r.left > 0 {
		r.step(t)
		r.dispatch()
	}
	return r.now.Sub(began)
}

// step plays one event.
func (r *rig) step(t testing.TB) {
	require.NotEmpty(t, r.events.all, "%d tasks wait for ever", r.left)
	e := heap.Pop(&r.events).(event)
	r.now = e.at
	e.do()
}

func (r *rig) dispatch() {
	for {
		w, i, v := r.d.Next(r.now)
		if w == nil {
			return
		}
		p := w.Item
		if v == policy.Chosen {
			r.send(p, i, w.Copy)
			continue
		}
		r.after(5*time.Millisecond, func() {
			p.excluded.Clear()
			for _, a := range p.out {
				p.excluded.Add(a.node)
			}
			if !p.ended && !w.Waits() {
				r.d.Push(p.flow, w)
			}
		})
	}
}

func (r *rig) send(p *played, i int, isCopy bool) {
	a := &attempt{node: i, sent: r.now}
	p.out = append(p.out, a)
	p.excluded.Add(i)
	r.attempts++
	r.atOnce[i]++
	r.mostAtOnce[i] = max(r.mostAtOnce[i], r.atOnce[i])
	if p.tries == 0 {
		r.firstSends[i]++
	}
	p.tries++
	if isCopy {
		r.hedges++
	}
	r.after(r.rtt/2, func() { r.arrive(p, a) })
	if r.hedge > 0 {
		r.after(r.hedge, func() {
			if !a.over {
				r.clone(p)
			}
		})
	}
}

// clone has a second copy of a task wait for a node.
func (r *rig) clone(p *played) {
	if p.copy == nil {
		p.copy = &policy.Waiter[*played]{Item: p, Work: p.work, Copy: true, Excluded: &p.excluded}
	}
	if !p.ended && !p.copy.Waits() && !p.waiter.Waits() {
		r.d.Push(p.flow, p.copy)
	}
}

func (r *rig) load(n *rigNode) *job.Load {
	return &job.Load{Slots: n.slots, Running: n.running, Queued: len(n.queue)}
}

func (r *rig) arrive(p *played, a *attempt) {
	n := &r.nodes[a.node]
	if r.rng.Float64() < n.reject {
		load := r.load(n)
		r.after(r.rtt/2, func() {
			if a.over {
				return
			}
			r.end(p, a, policy.Observation{Kind: policy.Rejected, Load: load})
			switch {
			case p.ended || p.waiter.Waits():
			case len(p.out) == 0:
				r.d.Push(p.flow, p.waiter)
			default:
				r.clone(p)
			}
		})
		return
	}
	delay := time.Duration(0)
	if r.rng.Float64() < n.delay {
		delay = 3 * time.Second
	}
	r.after(delay, func() {
		start := func() {
			n.running++
			took := time.Duration(p.work / n.speed)
			r.after(took, func() {
				n.running--
				if len(n.queue) > 0 {
					next := n.queue[0]
					n.queue = n.queue[1:]
					next()
				}
				r.after(r.rtt/2, func() { r.done(p, a, took) })
			})
		}
		switch {
		case a.over:
		case n.running < max(1, n.slots):
			start()
		default:
			n.queue = append(n.queue, start)
		}
	})
}

func (r *rig) done(p *played, a *attempt, took time.Duration) {
	if a.over {
		return
	}
	o := policy.Observation{Kind: policy.Done, Run: took, Load: r.load(&r.nodes[a.node])}
	if r.nodes[a.node].hidden {
		o.Run, o.Load = 0, nil
	}
	r.end(p, a, o)
	p.ended = true
	r.took = append(r.took, float64(r.now.Sub(p.born)))
	r.left--
	r.d.Withdraw(p.waiter)
	if p.copy != nil {
		r.d.Withdraw(p.copy)
	}
	for len(p.out) > 0 {
		r.end(p, p.out[0], policy.Observation{Kind: policy.Superseded})
	}
}

// end takes an attempt off its task, and tells of it.
func (r *rig) end(p *played, a *attempt, o policy.Observation) {
	a.over = true
	r.atOnce[a.node]--
	for i, other := range p.out {
		if other == a {
			p.out = append(p.out[:i], p.out[i+1:]...)
			break
		}
	}
	o.Node, o.Work, o.Latency = a.node, p.work, r.now.Sub(a.sent)
	r.d.Observe(r.now, o)
}

// keep plays so many tasks, so many of them at once.
func (r *rig) keep(t testing.TB, tasks, atOnce int, work func() float64) {
	given := 0
	for range min(atOnce, tasks) {
		given++
		r.submit(work())
	}
	for r.dispatch(); r.left > 0; r.dispatch() {
		r.step(t)
		for given < tasks && r.left < atOnce {
			given++
			r.submit(work())
		}
	}
}
