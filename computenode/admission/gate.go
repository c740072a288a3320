package admission

import (
	"fmt"
	"maps"
	"time"

	"spillway/job"
)

// GateConfig bounds a Gate.
type GateConfig struct {
	// Slots is how many tasks run at once; at least 1.
	Slots int
	// Waiting bounds the admitted tasks that wait, in the injected delay or for a
	// slot. Beyond it a task that may be rejected is; one that may not waits all the
	// same.
	Waiting int
}

// Gate is everything between a task that arrives and its slot. A task goes through
//
//	Arrive ──► (injected delay) ──► Wait ──► Next ──► Leave
//	   │                              │        └──► dropped: it has left
//	   └──► rejected or too late      └─────► Leave, if it gives up
//
// and a caller asks Next until nothing comes after each Wait and Leave, and at the
// time that NextTimeout tells. T is what the caller knows a task by. A Gate is not
// safe for concurrent use, and now never goes back. It allocates once for each
// operation that it hears of, and to let its tables grow.
type Gate[T any] struct {
	cfg      GateConfig
	draws    Controller // what injects load
	limit    Controller
	queuer   Queuer // nil: first come, first served
	load     job.Load
	line     line[T]
	estimate estimate
	latency  Latency
}

// NewGate makes a gate in front of a controller; the gate alone may use it from then on.
func NewGate[T any](cfg GateConfig, control Controller) *Gate[T] {
	g := &Gate[T]{cfg: cfg, draws: control, limit: none{}, load: job.Load{Slots: cfg.Slots}}
	if s, ok := control.(*staged); ok {
		g.draws, g.limit = s.draws, s.limit
	}
	for _, c := range []Controller{g.draws, g.limit} {
		if q, ok := c.(Queuer); ok {
			g.queuer = q
		}
	}
	g.estimate.means = map[string]time.Duration{}
	return g
}

// Load is the node's load, with the latency to expect; not the times by operation.
func (g *Gate[T]) Load() job.Load {
	l := g.load
	l.Mean = g.estimate.mean
	l.Latency = g.latency.At(g.InFlight())
	return l
}

// Means are the moving averages of the operation time, by operation; nil: none is known.
func (g *Gate[T]) Means() map[string]time.Duration {
	if len(g.estimate.means) == 0 {
		return nil
	}
	return maps.Clone(g.estimate.means)
}

// InFlight is how many tasks the gate has, in any state.
func (g *Gate[T]) InFlight() int { return g.load.Running + g.load.Queued + g.load.Delayed }

// Draining tells whether the gate turns every task away.
func (g *Gate[T]) Draining() bool { return g.load.Draining }

// Drain turns every task away from now on; those that were admitted go on.
func (g *Gate[T]) Drain() { g.load.Draining = true }

// RetryAfter is when a task that is turned away now may come back: once a slot has
// got free for each of those that wait, by the moving average of the operation time;
// at least 10 ms.
func (g *Gate[T]) RetryAfter() time.Duration {
	l := g.load
	return max(minRetry, g.estimate.mean*time.Duration(l.Queued+1)/time.Duration(max(1, l.Slots)))
}

// Arrive decides on a task, and counts it in if it is admitted: e is the gate's from
// then on until it leaves. Every injected draw is spent, whatever else speaks against
// the task.
func (g *Gate[T]) Arrive(now time.Time, a Arrival, e *Entry[T]) Decision {
	a.Load = g.load
	a.Load.Mean = g.estimate.mean
	work, known := g.estimate.work(a.Operation)
	d := g.decide(now, a)
	if d.Reject || d.TooLate {
		if d.Reject && d.RetryAfter <= 0 {
			d.RetryAfter = g.RetryAfter()
		}
		return d
	}
	*e = Entry[T]{
		Task: e.Task, mayReject: a.MayReject, deadline: a.Deadline, operation: a.Operation, work: work, known: known,
		came: now, since: now, rif: g.InFlight(), heap: -1,
	}
	if d.Delay > 0 {
		e.state = delayed
		g.load.Delayed++
	} else {
		g.queue(now, e)
	}
	return d
}

// decide goes through the gate's stages in their order.
func (g *Gate[T]) decide(now time.Time, a Arrival) Decision {
	d := g.draws.Decide(now, a)
	late := !a.Deadline.IsZero() && !now.Before(a.Deadline)
	switch {
	case a.Load.Draining:
		return Decision{Reject: true, Reason: "it drains, and takes nothing new"}
	case late:
		return Decision{TooLate: true, Reason: "the deadline was over when the task arrived"}
	case d.Reject && a.MayReject:
		return d
	}
	if why := g.misses(now, a, d.Delay); why != "" {
		return Decision{TooLate: true, Reason: why}
	}
	if l := g.limit.Decide(now, a); l.Reject && a.MayReject {
		return l
	}
	if a.MayReject && a.Load.Delayed+a.Load.Queued >= g.cfg.Waiting {
		return Decision{Reject: true, Reason: fmt.Sprintf("%d tasks wait already", g.cfg.Waiting)}
	}
	return Decision{Delay: d.Delay}
}

// misses says why a task would surely be late, or "". A node that has nothing to do
// tries, since it would never learn otherwise that it has become faster.
func (g *Gate[T]) misses(now time.Time, a Arrival, delay time.Duration) string {
	if a.Deadline.IsZero() {
		return ""
	}
	if !now.Add(delay).Before(a.Deadline) {
		return fmt.Sprintf("the deadline ends within the injected delay of %v", delay)
	}
	work, known := g.estimate.work(a.Operation)
	if !known || inflight(a.Load) == 0 {
		return ""
	}
	took := max(delay, g.estimate.wait(a.Load)) + work
	if now.Add(took).After(a.Deadline) {
		return fmt.Sprintf("it would take about %v, and the deadline ends before", took.Round(time.Millisecond))
	}
	return ""
}

// queue counts a task as queued.
func (g *Gate[T]) queue(now time.Time, e *Entry[T]) {
	e.state, e.since = queued, now
	g.load.Queued++
	g.estimate.queued += e.work
}

// Awake tells that the injected delay of a task is over: it counts as queued, though
// it does not want a slot yet.
func (g *Gate[T]) Awake(now time.Time, e *Entry[T]) {
	if e.state == delayed {
		g.load.Delayed--
		g.queue(now, e)
	}
}

// Wait tells that an admitted task wants a slot from now on.
func (g *Gate[T]) Wait(now time.Time, e *Entry[T]) {
	g.Awake(now, e)
	if e.state != queued {
		return
	}
	e.state, e.since = waiting, now
	if timeout := g.discipline(now).Timeout; timeout > 0 && e.mayReject {
		e.expires = now.Add(timeout)
	}
	g.line.push(now, e)
}

func (g *Gate[T]) discipline(now time.Time) Discipline {
	if g.queuer == nil {
		return Discipline{}
	}
	return g.queuer.Discipline(now, g.line.standing(now))
}

// Next takes the next task that need not wait any more off the queue: one that has a
// slot from now on, or one that has left as the Decision says, since it has waited for
// too long, or would be late by now. nil: there is none.
func (g *Gate[T]) Next(now time.Time) (*Entry[T], Decision) {
	if e := g.line.expired(now); e != nil {
		d := Decision{Reject: true, Reason: "it waited too long for a slot", RetryAfter: g.RetryAfter()}
		g.Leave(now, e, Outcome{Code: job.ResourceExhausted})
		return e, d
	}
	if g.load.Running >= g.cfg.Slots || g.line.size == 0 {
		return nil, Decision{}
	}
	e := g.line.first
	if g.discipline(now).Newest {
		e = g.line.last
	}
	if e.known && !e.deadline.IsZero() && inflight(g.load) > 1 && now.Add(e.work).After(e.deadline) {
		g.Leave(now, e, Outcome{Code: job.DeadlineExceeded})
		return e, Decision{TooLate: true, Reason: "it waited until its deadline could not be met any more"}
	}
	g.line.remove(e)
	g.load.Queued--
	g.load.Running++
	g.estimate.queued -= e.work
	g.estimate.running += e.work
	e.state, e.waited = running, now.Sub(e.since)
	return e, Decision{}
}

// NextTimeout is when Next must be asked at the latest, though nothing happens until
// then; zero: never.
func (g *Gate[T]) NextTimeout() time.Time {
	if len(g.line.heap) == 0 {
		return time.Time{}
	}
	return g.line.heap[0].expires
}

// Outcome is how a task ended: with the time of the operation, and the code of its
// error, empty where it was done.
type Outcome struct {
	Run  time.Duration
	Code job.Code
}

// Leave counts a task out, wherever it is, and returns the load without it. One that
// has left already is left alone.
func (g *Gate[T]) Leave(now time.Time, e *Entry[T], o Outcome) job.Load {
	s := Sample{Queued: e.waited, Run: o.Run, Code: o.Code}
	if e.known {
		s.Work = e.work
	}
	switch e.state {
	case gone:
		return g.Load()
	case delayed:
		g.load.Delayed--
	case running:
		g.load.Running--
		g.estimate.running -= e.work
	default:
		if e.state == waiting {
			g.line.remove(e)
		}
		s.Queued = now.Sub(e.since)
		g.load.Queued--
		g.estimate.queued -= e.work
	}
	e.state = gone
	if o.Code == "" {
		g.estimate.add(e.operation, o.Run)
		g.latency.Add(e.rif, now.Sub(e.came))
	}
	g.draws.Observe(now, s)
	g.limit.Observe(now, s)
	return g.Load()
}
