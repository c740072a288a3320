package policy

import (
	"math/rand/v2"
	"time"

	"spillway/job"
)

// Dispatcher is one rule with the tasks that wait for a node, of item type T. It is
// pure, as policies are, and not safe for concurrent use: its caller serialises the
// calls. After each that may have changed what is possible, it calls Next until that
// has nothing more.
type Dispatcher[T any] struct {
	rule     Rule
	rand     *rand.Rand
	line     *line[T]
	aside    []*Waiter[T] // by Next, those that were passed over
	known    []known
	slots    int       // of all nodes that are up
	out      int       // attempts that were sent and have not ended
	busy     int       // slots that are taken
	heard    time.Time // when a node last told of others
	review   int       // the node that is looked at next, for what it told long ago
	eject    *ejector  // nil: nobody is ejected
	throttle *throttle // nil: nobody is held back
	feeler   Feeler    // nil: the policy is none
}

// known is what a dispatcher keeps of a node.
type known struct {
	node        Node
	outstanding int
	late        int // of them, those that are overdue
	others      int // attempts of other servers, or other policies, by the node's last word
	heard       time.Time
}

// stale is after how long a node's word of others is worth nothing.
const stale = 15 * time.Second

// taken is how many slots the attempts take. One that is overdue counts no more: it may
// be delayed, or lost, and must not keep copies of itself from being sent.
func (k *known) taken() int { return min(k.outstanding-k.late+k.others, k.slots()) }

// hear takes in a node's word of what it has. Those on their way to it or back are no
// others.
func (k *known) hear(now time.Time, l *job.Load) {
	k.others, k.heard = foreign(l, k.outstanding), now
}

func (k *known) slots() int {
	if !k.node.Up {
		return 0
	}
	return max(1, k.node.Slots)
}

// AskEvery is how often Next is to be called while something waits, even if nothing
// happens: a policy may let a task wait for a node only so long.
const AskEvery = 20 * time.Millisecond

// passed bounds how many waiters whose nodes are all busy are passed over to find
// one that may go.
const passed = 64

// passedEach is how many of them may be of one flow in a row.
const passedEach = 8

// NewDispatcher makes a dispatcher that knows no node yet and draws from r.
func NewDispatcher[T any](rule Rule, r *rand.Rand) *Dispatcher[T] {
	d := &Dispatcher[T]{rule: rule, rand: r, line: newLine[T]()}
	d.feeler, _ = rule.Policy.(Feeler)
	if rule.Eject {
		d.eject = newEjector()
	}
	if rule.Throttle > 0 {
		d.throttle = newThrottle(rule.Throttle)
	}
	return d
}

// Traits are those of its policy.
func (d *Dispatcher[T]) Traits() Traits { return d.rule.Traits() }

// Hedge is the part of the tasks that may get a second copy.
func (d *Dispatcher[T]) Hedge() float64 { return d.rule.Hedge }

// Set makes node i known, or tells what changed about it.
func (d *Dispatcher[T]) Set(now time.Time, i int, n Node) {
	for len(d.known) <= i {
		d.known = append(d.known, known{})
	}
	k := &d.known[i]
	d.busy -= k.taken()
	d.slots -= k.slots()
	k.node = n
	d.slots += k.slots()
	d.busy += k.taken()
	if d.eject != nil {
		d.eject.set(i, n)
		n.Up = n.Up && !d.eject.out(i)
	}
	d.rule.Set(now, i, n)
}

// Utilization is the part of the slots of all nodes that are up that attempts take, by
// what this dispatcher has sent and nodes tell of others, 0 to 1.
func (d *Dispatcher[T]) Utilization(now time.Time) float64 {
	if now.Sub(d.heard) > stale {
		for range d.known { // after a long silence
			d.forgetOne(now)
		}
		d.heard = now
	}
	if d.slots == 0 {
		return 0
	}
	return float64(d.busy) / float64(d.slots)
}

// Limit is how many attempts node i, which is known, may have by the policy; false: it
// bounds none.
func (d *Dispatcher[T]) Limit(i int) (int, bool) {
	if l, ok := d.rule.Policy.(Limiter); ok {
		return l.Limit(i), true
	}
	return 0, false
}

// Outstanding is how many attempts were sent and have not ended.
func (d *Dispatcher[T]) Outstanding() int { return d.out }

// Waiting reports whether a task, and not only second copies, waits for a node.
func (d *Dispatcher[T]) Waiting() bool { return len(d.line.flows.all) > 0 }

// Asked reports whether anything waits for a node, copies included.
func (d *Dispatcher[T]) Asked() bool { return d.line.first() != nil }

// Push lets w wait for a node as one of f, and no more where it waited before.
func (d *Dispatcher[T]) Push(f *Flow[T], w *Waiter[T]) { d.line.push(f, w) }

// Withdraw takes back a waiter that wants no node any more, if it waits.
func (d *Dispatcher[T]) Withdraw(w *Waiter[T]) {
	if w.Waits() {
		d.line.remove(w, false)
	}
}

// Next is the next waiter that has its answer, which is Chosen with a node, Nobody or
// TooLate; nil: all must wait on. Where a node is chosen, the attempt counts as sent.
func (d *Dispatcher[T]) Next(now time.Time) (w *Waiter[T], node int, v Verdict) {
	for w = d.first(); w != nil; w = d.first() {
		if node, v = d.answer(now, w); v != Busy {
			break
		}
		if w.Excluded.Len() == 0 || len(d.aside) == passed {
			w = nil // who leaves nobody out and finds all busy speaks for all
			break
		}
		d.pass(w)
	}
	if w != nil {
		d.line.remove(w, v == Chosen)
	}
	for _, other := range d.aside {
		d.line.restore(other)
	}
	clear(d.aside)
	d.aside = d.aside[:0]
	if w != nil && v == Chosen {
		d.Observe(now, Observation{Node: node, Kind: Sent, Work: w.Work})
	}
	return w, node, v
}

// first is the waiter whose turn it is; nil: none waits.
func (d *Dispatcher[T]) first() *Waiter[T] {
	if d.feeler != nil && d.feeler.Feels(d.line.tasks) {
		if w := d.line.light(); w != nil {
			return w
		}
	}
	return d.line.first()
}

// pass puts a waiter aside that has to wait, and with the last of a few its whole flow, so
// that those of others have their turn. All are restored.
func (d *Dispatcher[T]) pass(w *Waiter[T]) {
	d.line.remove(w, false)
	d.aside = append(d.aside, w)
	if f := w.flow; !w.copy && f.at > 0 && len(d.aside)%passedEach == 0 {
		d.line.flows.remove(f)
	}
}

// answer is what a waiter is to hear now; Busy: nothing.
func (d *Dispatcher[T]) answer(now time.Time, w *Waiter[T]) (int, Verdict) {
	past := func(t time.Time) bool { return !t.IsZero() && !now.Before(t) }
	if d.tooLate(now, w) {
		return 0, TooLate
	}
	node, v := d.pick(now, w)
	if v == Busy && past(w.Until) {
		v = Nobody
	}
	return node, v
}

// tooLate tells that w cannot be done in time any more: its deadline has passed, or will
// before a node has done so much work, and others wait that the node may be in time for.
// The last is sent all the same, so that a fleet that has become faster is found out.
func (d *Dispatcher[T]) tooLate(now time.Time, w *Waiter[T]) bool {
	if w.Deadline.IsZero() {
		return false
	}
	if !w.Copy && d.line.tasks > 1 {
		now = now.Add(w.Pace.lasts(now, w.Size))
	}
	return !now.Before(w.Deadline)
}

// pick asks the policy, and again without a node that the throttle holds back.
func (d *Dispatcher[T]) pick(now time.Time, w *Waiter[T]) (int, Verdict) {
	r := Request{Rand: d.rand, Excluded: w.Excluded, Turned: w.Turned, Work: w.Work, Backlog: d.line.work}
	var from picker = d.rule.Policy
	i, v := from.Pick(now, r)
	if v == Nobody && d.eject != nil && w.Turned.Len() == 0 {
		from = d.eject
		i, v = from.Pick(now, r)
	}
	if d.throttle == nil || v != Chosen || !d.throttle.holds(now, i, d.rand) {
		return i, v
	}
	return d.throttle.pick(now, from, r, i)
}

// Observe tells what happened to an attempt that was sent.
func (d *Dispatcher[T]) Observe(now time.Time, o Observation) {
	if o.Node < len(d.known) {
		k := &d.known[o.Node]
		d.busy -= k.taken()
		switch {
		case o.Kind == Sent:
			k.outstanding++
			d.out++
		case k.outstanding > 0:
			k.outstanding--
			d.out--
			if o.Late {
				k.late--
			}
		}
		if o.Load != nil {
			k.hear(now, o.Load)
			d.heard = now
		}
		d.busy += k.taken()
		d.forgetOne(now)
	}
	if d.throttle != nil {
		d.throttle.observe(now, o)
	}
	if d.eject != nil {
		d.eject.observe(o)
	}
	d.rule.Observe(now, o)
}

// forgetOne looks at one more node, in turn, and forgets what it told long ago of others.
func (d *Dispatcher[T]) forgetOne(now time.Time) {
	d.review = (d.review + 1) % len(d.known)
	if k := &d.known[d.review]; k.others > 0 && now.Sub(k.heard) > stale {
		d.busy -= k.taken()
		k.others = 0
		d.busy += k.taken()
	}
}

// Late notes that an attempt is overdue; the Observation of its end must tell so, too.
func (d *Dispatcher[T]) Late(now time.Time, i int) {
	k := &d.known[i]
	d.busy -= k.taken()
	k.late++
	d.busy += k.taken()
	if p, ok := d.rule.Policy.(LateWatcher); ok {
		p.Late(now, i)
	}
}

// Sweep is due every SweepEvery: it ejects nodes that fail much, and takes others
// back.
func (d *Dispatcher[T]) Sweep(now time.Time) {
	if d.eject == nil {
		return
	}
	for _, i := range d.eject.sweep(now) {
		n := d.known[i].node
		n.Up = n.Up && !d.eject.out(i)
		d.rule.Set(now, i, n)
	}
}

// Probes appends the nodes that the policy wants to be asked for their load.
func (d *Dispatcher[T]) Probes(now time.Time, to []int) []int {
	if p, ok := d.rule.Policy.(Prober); ok {
		return p.Probes(now, d.rand, to)
	}
	return to
}

// ProbeAt is when Probes is to be called while something waits, if nothing happens before;
// zero: there is no such time.
func (d *Dispatcher[T]) ProbeAt() time.Time {
	if p, ok := d.rule.Policy.(Prober); ok {
		return p.ProbeAt()
	}
	return time.Time{}
}

// Probed is the answer to one of the Probes; nil: none came.
func (d *Dispatcher[T]) Probed(now time.Time, i int, l *job.Load) {
	if l != nil {
		k := &d.known[i]
		d.busy -= k.taken()
		k.hear(now, l)
		d.busy += k.taken()
		d.heard = now
	}
	if p, ok := d.rule.Policy.(Prober); ok {
		p.Probed(now, i, l)
	}
}
