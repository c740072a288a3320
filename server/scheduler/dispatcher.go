package scheduler

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"spillway/job"
	"spillway/server/policy"
	"spillway/server/tail"
	"spillway/sketch"
)

// dispatcher is one policy with the tasks that wait for its nodes, shared by every
// job that uses it, so that what one job learns serves the next.
type dispatcher struct {
	name   string // of the policy, without parameters
	traits policy.Traits
	hedges bool // second copies are sent
	probe  func(nodes []int)

	mu    sync.Mutex // guards what follows
	rule  *policy.Dispatcher[*wish]
	rand  *rand.Rand
	hedge map[string]*tail.Hedge  // by operation
	unit  map[string]*sketch.Mean // of the operation time by pixel, in ns, by operation
	pace  map[string]*policy.Pace // by operation with its parameters
	due   []int                   // nodes to probe
	owing []*retries              // of the jobs whose tasks wait for a retry
	armed bool                    // those who wait are looked at again soon
	asks  bool                    // probes are looked at again soon
	used  time.Time               // when a job last began or ended to use it
	users int                     // jobs that use it
}

// maxPaces bounds the operations with parameters of which is known how long they take.
const maxPaces = 256

// maxDispatchers bounds the policies that are remembered; each word with other
// parameters is one.
const maxDispatchers = 64

// wish is a task, or a copy of one, that wants a node.
type wish struct {
	waiter policy.Waiter[*wish]
	ready  chan struct{} // closed with the answer; nil: nobody waits for it yet
	node   int
	answer policy.Verdict
	given  bool
}

// retries are those of one job's failures.
type retries struct {
	budget *tail.Budget
	owing  []chan struct{} // of the tasks that wait for one, in turn
}

// dispatcher returns the dispatcher of a policy, made at its first use, and what to call
// when the job that uses it has ended. Errors: InvalidArgument, ResourceExhausted.
func (s *Scheduler) dispatcher(word string) (d *dispatcher, done func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, ok := s.dispatchers[word]
	if !ok {
		rule, err := policy.New(word)
		if err != nil {
			return nil, nil, err
		}
		if err := s.forgetOne(); err != nil {
			return nil, nil, err
		}
		d = s.newDispatcher(rule)
		d.name, _, _ = strings.Cut(word, ":")
		s.dispatchers[word] = d
	}
	d.use(1)
	return d, func() { d.use(-1) }, nil
}

// forgetOne makes room for a dispatcher, in place of the one whose last use is the
// longest ago; mu is held.
func (s *Scheduler) forgetOne() error {
	if len(s.dispatchers) < max(maxDispatchers, s.cfg.Jobs+2) {
		return nil
	}
	oldest := ""
	for word, d := range s.dispatchers {
		if word != s.cfg.Policy && !d.inUse() && (oldest == "" || d.used.Before(s.dispatchers[oldest].used)) {
			oldest = word
		}
	}
	if oldest == "" {
		return job.E(job.ResourceExhausted, "policy", fmt.Errorf("jobs use %d different ones at once", len(s.dispatchers)),
			"use one of theirs, or wait for them")
	}
	delete(s.dispatchers, oldest)
	return nil
}

// use counts a job in or out.
func (d *dispatcher) use(by int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.used = time.Now()
	d.users += by
}

// inUse tells that a job uses it.
func (d *dispatcher) inUse() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.users > 0
}

// newDispatcher makes a dispatcher that knows the nodes; mu is held.
func (s *Scheduler) newDispatcher(rule policy.Rule) *dispatcher {
	random := rand.New(rand.NewPCG(s.cfg.Seed, 0))
	d := &dispatcher{
		traits: rule.Traits(), hedges: rule.Hedge > 0, rule: policy.NewDispatcher[*wish](rule, random), rand: random,
		hedge: map[string]*tail.Hedge{},
		unit:  map[string]*sketch.Mean{}, pace: map[string]*policy.Pace{}, used: time.Now(),
	}
	d.probe = func(nodes []int) { s.probeAll(d, nodes) }
	for i, n := range s.members {
		d.rule.Set(time.Now(), i, n)
	}
	return d
}

// NodeChanged tells every policy what changed about node i.
func (s *Scheduler) NodeChanged(i int, n policy.Node) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.members) <= i {
		s.members = append(s.members, policy.Node{})
	}
	switch was := s.members[i].Up; {
	case n.Up && !was:
		s.up++
	case !n.Up && was:
		s.up--
	}
	s.members[i] = n
	clear(s.barred)
	for _, d := range s.dispatchers {
		d.change(func(now time.Time) { d.rule.Set(now, i, n) })
	}
}

// anyUp reports whether some node answers.
func (s *Scheduler) anyUp() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.up > 0
}

// severalUp reports whether more than one node answers.
func (s *Scheduler) severalUp() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.up > 1
}

// isUp reports whether node i answers.
func (s *Scheduler) isUp(i int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return i < len(s.members) && s.members[i].Up
}

// change applies f, and gives those who wait what they may have now.
func (d *dispatcher) change(f func(now time.Time)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	f(now)
	d.serve(now)
}

// serve answers those who wait, as far as there is an answer; mu is held.
func (d *dispatcher) serve(now time.Time) {
	for {
		w, node, v := d.rule.Next(now)
		if w == nil {
			break
		}
		w.Item.node, w.Item.answer, w.Item.given = node, v, true
		if w.Item.ready != nil {
			close(w.Item.ready)
		}
	}
	if d.rule.Asked() || d.rule.Outstanding() > 0 { // else nobody needs to know
		if d.due = d.rule.Probes(now, d.due[:0]); len(d.due) > 0 {
			d.probe(d.due)
		}
	}
	d.owing = slices.DeleteFunc(d.owing, func(r *retries) bool {
		for len(r.owing) > 0 {
			if _, ok := r.budget.Take(now); !ok {
				return false
			}
			close(r.owing[0])
			r.owing = r.owing[1:]
		}
		return true
	})
	if (d.rule.Asked() || len(d.owing) > 0) && !d.armed {
		d.armed = true
		time.AfterFunc(policy.AskEvery, func() { d.change(func(time.Time) { d.armed = false }) })
	}
	if at := d.rule.ProbeAt(); d.rule.Asked() && !at.IsZero() && !d.asks {
		d.asks = true
		time.AfterFunc(max(time.Millisecond, at.Sub(now)), func() { d.change(func(time.Time) { d.asks = false }) })
	}
}

// pick waits for a node and notes that an attempt leaves for it. Where ctx ends first,
// there is none, and the answer is Busy.
func (d *dispatcher) pick(ctx context.Context, f *policy.Flow[*wish], w *wish) (int, policy.Verdict) {
	if d.ask(f, w) {
		return w.node, w.answer
	}
	return d.await(ctx, w)
}

// ask wishes for a node, and reports whether the answer is there at once; else it is
// to be awaited.
func (d *dispatcher) ask(f *policy.Flow[*wish], w *wish) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	w.given, w.ready, w.waiter.Item = false, nil, w
	d.rule.Push(f, &w.waiter)
	d.serve(time.Now())
	if !w.given {
		w.ready = make(chan struct{})
	}
	return w.given
}

// await waits for the answer to a wish.
func (d *dispatcher) await(ctx context.Context, w *wish) (int, policy.Verdict) {
	select {
	case <-w.ready:
		return w.node, w.answer
	case <-ctx.Done():
	}
	d.change(func(now time.Time) {
		d.rule.Withdraw(&w.waiter)
		if w.given && w.answer == policy.Chosen { // at the same moment
			d.rule.Observe(now, policy.Observation{Node: w.node, Kind: policy.Cancelled, Work: w.waiter.Work})
		}
	})
	return 0, policy.Busy
}

// overdue is whether an attempt is; guarded by the dispatcher's mutex.
type overdue struct{ marked, ended bool }

// lateness is when an attempt is overdue, and what happens then. The zero lateness is
// that of one that never is.
type lateness struct {
	after time.Duration
	then  func()
}

// watch marks an attempt at node i once it is overdue; done ends that.
func (d *dispatcher) watch(o *overdue, i int, late lateness) (done func()) {
	if late.after == 0 {
		return func() {}
	}
	timer := time.AfterFunc(late.after, func() {
		if d.mark(o, i) {
			late.then()
		}
	})
	return func() { timer.Stop() }
}

// mark notes that an attempt at node i is overdue, unless it has ended.
func (d *dispatcher) mark(o *overdue, i int) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if o.ended {
		return false
	}
	now := time.Now()
	o.marked = true
	d.rule.Late(now, i)
	d.serve(now)
	return true
}

// unsend takes back that an attempt of y leaves for node i.
func (d *dispatcher) unsend(i int, y *try) {
	d.observe(lap{node: i, unwanted: true, err: context.Canceled, late: &overdue{}}, y)
}

// observe tells the policy how an attempt of y ended.
func (d *dispatcher) observe(l lap, y *try) {
	o := policy.Observation{
		Node: l.node, Latency: l.took, Work: y.wish.waiter.Work, Kind: policy.Done, Run: l.res.Run,
	}
	if l.res.Load.Slots > 0 { // one of the assignment's nodes tells nothing
		o.Load = &l.res.Load
	}
	if e := job.AsError(l.err); e != nil {
		o.Load = e.Load
		switch {
		case l.superseded:
			o.Kind = policy.Superseded
		case e.Code == job.ResourceExhausted, e.Code == job.DeadlineExceeded, e.Code == job.Unimplemented:
			o.Kind = policy.Rejected
		case e.Code == job.CancelledCode, e.Code.Permanent():
			o.Kind = policy.Cancelled // the input's fault says nothing of the node
		default:
			o.Kind = policy.Broke
		}
	}
	d.change(func(now time.Time) {
		o.Late, l.late.ended = l.late.marked, true
		d.rule.Observe(now, o)
		if l.err == nil {
			y.retries.budget.Earn()
			d.learnUnit(now, y.t.Operation.Name, y.pixels, l.res.Run)
			y.wish.waiter.Pace.Observe(now, l.took, l.res.Run, y.wish.waiter.Size)
			if d.hedges && !l.res.Delayed { // what was delayed is what copies are for
				d.hedgeOf(y.t.Operation.Name).Observe(l.took, l.res.Run, o.Work)
			}
		}
	})
}

// The time of an operation by pixel: that of one of which nothing is known, and how
// long what is known counts.
const (
	firstUnit = 10 // ns
	unitTau   = 10 * time.Minute
)

// work is how much there is to do, in ns on a node of ordinary speed: pixels times what
// the operation took for each; 0: unknown.
func (d *dispatcher) work(op string, pixels int64) float64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	if u, ok := d.unit[op]; ok {
		v, _ := u.Value()
		return v * float64(pixels)
	}
	return firstUnit * float64(pixels)
}

// paceOf is how long an operation's tasks take; what it returns is guarded by mu.
func (d *dispatcher) paceOf(op string) *policy.Pace {
	d.mu.Lock()
	defer d.mu.Unlock()
	p, ok := d.pace[op]
	if !ok {
		if len(d.pace) == maxPaces { // those who have one keep it
			clear(d.pace)
		}
		p = &policy.Pace{}
		d.pace[op] = p
	}
	return p
}

// learnUnit takes in how long an operation took; mu is held.
func (d *dispatcher) learnUnit(now time.Time, op string, pixels int64, run time.Duration) {
	if pixels <= 0 || run <= 0 {
		return
	}
	u, ok := d.unit[op]
	if !ok {
		u = &sketch.Mean{Tau: unitTau}
		d.unit[op] = u
	}
	u.Add(now, float64(run)/float64(pixels))
}

// hedgeOf is what decides on second copies of an operation's tasks; mu is held.
func (d *dispatcher) hedgeOf(op string) *tail.Hedge {
	h, ok := d.hedge[op]
	if !ok {
		h = tail.NewHedge(tail.HedgeConfig{Budget: d.rule.Hedge(), Cold: copyingOf(op).cold})
		d.hedge[op] = h
	}
	return h
}

// copyAfter is how long after the sending of an attempt a copy is due; 0: never. The
// first attempt counts its task in.
func (d *dispatcher) copyAfter(op string, work float64, first bool) time.Duration {
	if !d.hedges {
		return 0
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	h := d.hedgeOf(op)
	if first {
		h.Begin()
	}
	after, _ := h.After(work)
	return after
}

// takeCopy takes a second copy from the budget, if there is room for one.
func (d *dispatcher) takeCopy(op string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return !d.rule.Waiting() && d.hedgeOf(op).Take(d.rule.Utilization(time.Now()))
}

// giveBackCopy returns a copy that was not sent.
func (d *dispatcher) giveBackCopy(op string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.hedgeOf(op).GiveBack()
}

// askRetry takes the retry of a failure from the budget of its job; where there is none,
// the channel is closed once there is. Those who wait get theirs in turn.
func (d *dispatcher) askRetry(r *retries) (ready chan struct{}, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(r.owing) == 0 {
		if _, ok := r.budget.Take(time.Now()); ok {
			return nil, true
		}
		if !slices.Contains(d.owing, r) {
			d.owing = append(d.owing, r)
		}
	}
	ready = make(chan struct{})
	r.owing = append(r.owing, ready)
	d.serve(time.Now())
	return ready, false
}

// forgoRetry is the end of one who waits for a retry no more.
func (d *dispatcher) forgoRetry(r *retries, ready chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	r.owing = slices.DeleteFunc(r.owing, func(c chan struct{}) bool { return c == ready })
}

// pause draws how long a task pauses that no node takes.
func (d *dispatcher) pause(p *tail.Pause) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	return p.Next(d.rand)
}
