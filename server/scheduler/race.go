package scheduler

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"spillway/job"
	"spillway/server/policy"
	"spillway/server/tail"
)

// errSuperseded is why an attempt is given up of which another was faster.
var errSuperseded = errors.New("another attempt of the task was faster")

// maxAttempts bounds the attempts of a task that run at once; see [copying].
const maxAttempts = 3

// race is the attempts of a task that run at once: the first, and copies of it on
// other nodes where it takes long. The first that is done wins, and the others are
// cancelled.
type race struct {
	y      *try
	cancel context.CancelCauseFunc // of all of them
	after  time.Duration           // when one is overdue
	rule   copying
	copies sync.WaitGroup

	mu     sync.Mutex    // guards what follows
	number int           // of the attempt that left last
	barred policy.Set    // nodes that it has failed on, or that are not for it
	last   bool          // no copy begins any more: one is done, or none runs
	over   chan struct{} // closed with last
	enough func()        // no more copies look for a node; nil: none ever did
	out    int           // copies that run, or want a node
	on     []runner      // attempts that run, oldest first
	won    *lap          // nil: none is done
	failed *lap          // the first, if it has failed
	lost   []lap         // others that have ended, and were wanted
}

// runner is an attempt that runs.
type runner struct {
	number, node int
	sent         time.Time
	cancel       context.CancelCauseFunc // nil: it is the first
}

func (a runner) copied() bool { return a.cancel != nil }

// lap is one attempt that has ended.
type lap struct {
	node       int
	number     int
	sent       time.Time
	took       time.Duration
	res        job.Result
	err        error
	late       *overdue
	superseded bool // another was faster
	unwanted   bool // nobody wants the answer any more
}

// run makes the attempts, of which the first goes to node i, and returns what they came
// to: the one that was done, or else the first, and the others.
func (s *Scheduler) run(ctx context.Context, y *try, i int) (l lap, lost []lap) {
	after := y.d.copyAfter(y.t.Operation.Name, y.wish.waiter.Work, y.t.Attempt == 1)
	if after == 0 {
		l = s.lap(ctx, y, i, y.t.Attempt, lateness{})
		s.tellAttempt(y, l, false)
		return l, nil
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r := &race{y: y, cancel: cancel, after: after, rule: copyingOf(y.t.Operation.Name), number: y.t.Attempt, over: make(chan struct{})}
	r.copies.Add(1)
	l = s.lap(ctx, y, i, y.t.Attempt, lateness{after, func() {
		defer r.copies.Done()
		if asking := s.enter(ctx, r, i); asking != nil {
			s.copyWhileLate(ctx, asking, r, after)
		}
	}})
	if !l.late.marked { // most tasks need no race
		s.tellAttempt(y, l, false)
		return l, nil
	}
	s.tellAttempt(y, r.take(l), false)
	<-r.over
	r.copies.Wait()
	y.t.Attempt = r.number
	if r.won != nil {
		l = *r.won
	}
	return l, r.lost
}

// enter makes a race of the attempt on node i, which is overdue, and returns the context
// of those that look for a node; nil: it has just ended.
func (s *Scheduler) enter(ctx context.Context, r *race, i int) context.Context {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.last {
		return nil
	}
	for n := range r.y.failed.All {
		r.barred.Add(n)
	}
	s.bar(r.y.r.spec.Tags, &r.barred)
	r.on = []runner{{number: r.number, node: i, sent: time.Now().Add(-r.after)}}
	asking, enough := context.WithCancel(ctx)
	r.enough = enough
	return asking
}

// copyWhileLate sends a copy once there is room for it, and another where that takes
// long as well, until asking ends.
func (s *Scheduler) copyWhileLate(ctx, asking context.Context, r *race, after time.Duration) {
	for pause := max(after/4, time.Millisecond); asking.Err() == nil; pause += pause / 2 {
		if r.another(r.y.d) {
			r.copies.Go(func() { s.copy(ctx, asking, r) })
			after = time.Duration(float64(after) * r.rule.growth)
			pause = after
		}
		rest(asking, pause)
	}
}

// another reports whether a copy may begin, and counts it.
func (r *race) another(d *dispatcher) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	room, oldest, running := r.rule.most-1, slices.IndexFunc(r.on, runner.copied), 0
	if r.failed != nil { // the first runs no more
		room++
	}
	full := r.out >= room
	for _, a := range r.on {
		if a.copied() {
			running++
		}
	}
	looks := r.out > running // some copy has no node yet
	if r.last || full && (oldest < 0 || looks) || !d.takeCopy(r.y.t.Operation.Name) {
		return false
	}
	if full {
		r.on[oldest].cancel(errSuperseded)
		r.on = slices.Delete(r.on, oldest, oldest+1)
	}
	r.out++
	return true
}

// copy finds a node for a copy and runs it there, as a task of its own: a node that
// turns it away is left out of the round, and after each round it pauses.
func (s *Scheduler) copy(ctx, asking context.Context, r *race) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	taken := false
	defer func() {
		r.mu.Lock()
		r.out--
		r.mu.Unlock()
		if !taken {
			r.y.d.giveBackCopy(r.y.t.Operation.Name)
		}
	}()
	var turned policy.Set // turned it away in this round
	var pause tail.Pause
	for anew := false; asking.Err() == nil; {
		w := r.wish(&turned, anew)
		if turned.Len() > 0 {
			w.waiter.Until = time.Now().Add(r.y.d.pause(&pause))
		}
		i, v := r.y.d.pick(asking, r.y.flow, w)
		if v == policy.Nobody {
			turned.Clear()
			anew = s.severalUp()
			rest(asking, r.y.d.pause(&pause))
			continue
		}
		if v == policy.Chosen && !s.mayHave(i, r.y.r.spec.Tags) { // it came meanwhile
			r.y.d.unsend(i, r.y)
			turned.Add(i)
			continue
		}
		number, ok := r.next(runner{node: i, sent: time.Now(), cancel: cancel}, v, anew)
		if !ok {
			if v == policy.Chosen {
				r.y.d.unsend(i, r.y)
			}
			return
		}
		l := s.lap(ctx, r.y, i, number, lateness{r.after, func() {}})
		s.tellAttempt(r.y, r.take(l), true)
		if taken = l.err == nil || !l.rejected(r.y.t); taken {
			return
		}
		turned.Add(i)
	}
}

// rest waits for a time, or until ctx ends.
func rest(ctx context.Context, pause time.Duration) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// wish is what a copy wants: a node that has not turned it away in this round, that no
// attempt of the task is on, nor has failed on. After the first round, another attempt
// that is overdue does not keep it from that node any more, unless that is the only one.
func (r *race) wish(turned *policy.Set, anew bool) *wish {
	w := &wish{waiter: policy.Waiter[*wish]{Work: r.y.wish.waiter.Work, Copy: true, Excluded: &policy.Set{}, Turned: turned}}
	for n := range turned.All {
		w.waiter.Excluded.Add(n)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for n := range r.barred.All {
		w.waiter.Excluded.Add(n)
	}
	for _, a := range r.on {
		if r.bars(a, anew) {
			w.waiter.Excluded.Add(a.node)
		}
	}
	return w
}

// bars tells that an attempt that runs keeps copies from its node; mu is held.
func (r *race) bars(a runner, anew bool) bool { return !anew || time.Since(a.sent) < r.after }

// next is the number of the attempt a, which leaves if v says so; false: it may not.
func (r *race) next(a runner, v policy.Verdict, anew bool) (int, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	// Another copy may have been faster.
	taken := slices.ContainsFunc(r.on, func(o runner) bool { return o.node == a.node && r.bars(o, anew) })
	if r.last || v != policy.Chosen || taken {
		return 0, false
	}
	r.number++
	a.number = r.number
	r.on = append(r.on, a)
	return r.number, true
}

// end lets no further copy begin; mu is held.
func (r *race) end() {
	if !r.last {
		r.last = true
		close(r.over)
		if r.enough != nil {
			r.enough()
		}
	}
}

// take takes in how an attempt ended, and returns it as it counts. Where the first has
// failed, copies of it go on and may be followed by others, until none runs.
func (r *race) take(l lap) lap {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.on = slices.DeleteFunc(r.on, func(a runner) bool { return a.number == l.number })
	if len(r.on) == 0 {
		defer r.end()
	}
	if l.err != nil && !l.superseded && !l.rejected(r.y.t) {
		r.barred.Add(l.node)
	}
	switch first := l.number == r.y.t.Attempt; {
	case l.err == nil && r.won == nil:
		r.won = &l
		r.end()
		r.cancel(errSuperseded)
		if r.failed != nil {
			r.lost = append(r.lost, *r.failed)
		}
	case l.err == nil, l.superseded:
		l.superseded = true
		r.lost = append(r.lost, l)
	case l.unwanted:
	case first:
		r.failed = &l
		if code := job.CodeOf(l.err); code.Permanent() && code != job.Unimplemented {
			r.cancel(nil) // the copies would say the same
		}
	default:
		r.lost = append(r.lost, l)
	}
	return l
}

// lap runs one attempt to its end and tells the policy of it.
func (s *Scheduler) lap(ctx context.Context, y *try, i, number int, late lateness) lap {
	l := lap{node: i, number: number, sent: time.Now(), late: &overdue{}}
	defer y.d.watch(l.late, i, late)()
	t := y.t
	t.Attempt = number
	sending, span := s.attemptSpan(ctx, y, i, number)
	off := y.r.aboard(y.f, s.fleet.ID(i))
	l.res, l.err = s.execute(sending, y, t, i)
	off()
	l.took = time.Since(l.sent)
	l.res.Node = s.fleet.ID(i)
	if l.err != nil && !t.Deadline.IsZero() && !time.Now().Before(t.Deadline) {
		y.r.stop(errDeadline) // the job's own timer may be a moment late
	}
	if l.err != nil && ctx.Err() != nil {
		l.err, l.unwanted = ctx.Err(), true
		l.superseded = errors.Is(context.Cause(ctx), errSuperseded)
	}
	y.d.observe(l, y)
	endAttempt(span, l.outcome(y.t), l.err)
	return l
}

// rejected reports whether the node turned the task away, untouched. One that sees that
// the deadline would pass first does so, too.
func (l lap) rejected(t job.Task) bool {
	code := job.CodeOf(l.err)
	return code == job.ResourceExhausted || code == job.DeadlineExceeded && !t.Deadline.IsZero()
}
