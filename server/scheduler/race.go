package scheduler

import (
	"context"
	"errors"
	"sync"
	"time"

	"spillway/job"
	"spillway/server/policy"
)

// errSuperseded is why an attempt is given up of which another was faster.
var errSuperseded = errors.New("another attempt of the task was faster")

// maxCopies bounds the attempts of a task that run at once.
const maxCopies = 3

// race is the attempts of a task that run at once: the first, and copies of it on
// other nodes where it takes long. The first that is done wins, and the others are
// cancelled.
type race struct {
	y      *try
	cancel context.CancelCauseFunc // of all of them
	copies sync.WaitGroup

	mu     sync.Mutex // guards what follows
	number int        // of the attempt that left last
	tried  policy.Set // nodes that copies do not go to
	last   bool       // no copy begins any more
	out    int        // copies that run, or want a node
	won    *lap       // nil: none is done
	failed *lap       // the first, if it has failed
	lost   []lap      // others that have ended, and were wanted
}

// lap is one attempt that has ended.
type lap struct {
	node       int
	number     int
	sent       time.Time
	took       time.Duration
	res        job.Result
	err        error
	superseded bool // another was faster
	unwanted   bool // nobody wants the answer any more
}

// run makes the attempts, of which the first goes to node i, and returns what they came
// to: the one that was done, or else the first, and the others.
func (s *Scheduler) run(ctx context.Context, y *try, i int) (l lap, lost []lap) {
	after := y.d.beginTask(y.t.Operation.Name, y.wish.waiter.Work)
	if after == 0 {
		return s.lap(ctx, y, i, y.t.Attempt), nil
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	asking, enough := context.WithCancel(ctx)
	defer enough()
	r := &race{y: y, cancel: cancel, number: y.t.Attempt}
	for n := range y.excluded.All {
		r.tried.Add(n)
	}
	r.tried.Add(i)
	r.copies.Add(1)
	timer := time.AfterFunc(after, func() {
		defer r.copies.Done()
		s.copyWhileLate(ctx, asking, r, after)
	})
	l = s.lap(ctx, y, i, y.t.Attempt)
	r.end(l)
	if timer.Stop() {
		r.copies.Done()
	}
	r.noMore()
	enough()
	r.copies.Wait()
	y.t.Attempt = r.number
	if r.won != nil {
		l = *r.won
	}
	return l, r.lost
}

// copyWhileLate sends a copy once there is room for it, and another where that takes
// long as well, until asking ends.
func (s *Scheduler) copyWhileLate(ctx, asking context.Context, r *race, after time.Duration) {
	for pause := max(after/4, time.Millisecond); asking.Err() == nil; pause += pause / 2 {
		if r.begin(r.y.d) {
			r.copies.Go(func() { s.copy(ctx, asking, r) })
			after *= 2
			pause = after
		}
		timer := time.NewTimer(pause)
		select {
		case <-asking.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}

// begin reports whether a copy may begin, and counts it.
func (r *race) begin(d *dispatcher) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.last || r.out >= maxCopies-1 || !d.takeCopy(r.y.t.Operation.Name) {
		return false
	}
	r.out++
	return true
}

// copy finds a node for a copy and runs it there; a node that turns it away is left
// out, and the next is asked.
func (s *Scheduler) copy(ctx, asking context.Context, r *race) {
	sent := false
	defer func() {
		r.mu.Lock()
		r.out--
		r.mu.Unlock()
		if !sent {
			r.y.d.giveBackCopy(r.y.t.Operation.Name)
		}
	}()
	for asking.Err() == nil {
		i, v := r.y.d.pick(asking, r.y.flow, r.wish())
		if v != policy.Chosen {
			return
		}
		number, ok := r.next(i)
		if !ok {
			r.y.d.observe(lap{node: i, unwanted: true, err: context.Canceled}, r.y)
			return
		}
		sent = true
		l := s.lap(ctx, r.y, i, number)
		r.end(l)
		if l.err == nil || !l.rejected(r.y.t) {
			return
		}
	}
}

// wish is what a copy wants: a node that the task is not on and has not been.
func (r *race) wish() *wish {
	w := &wish{waiter: policy.Waiter[*wish]{Work: r.y.wish.waiter.Work, Copy: true, Excluded: &policy.Set{}}}
	r.mu.Lock()
	defer r.mu.Unlock()
	for n := range r.tried.All {
		w.waiter.Excluded.Add(n)
	}
	return w
}

// next is the number of the attempt that leaves for node i; false: none may.
func (r *race) next(i int) (int, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.last {
		return 0, false
	}
	r.tried.Add(i)
	r.number++
	return r.number, true
}

// noMore lets no further copy begin: the first attempt has ended. Those that run may
// yet be done.
func (r *race) noMore() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last = true
}

// end takes in how an attempt ended.
func (r *race) end(l lap) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch first := l.number == r.y.t.Attempt; {
	case l.err == nil && r.won == nil:
		r.won, r.last = &l, true
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
	default:
		r.lost = append(r.lost, l)
	}
}

// lap runs one attempt to its end and tells the policy of it.
func (s *Scheduler) lap(ctx context.Context, y *try, i, number int) lap {
	l := lap{node: i, number: number, sent: time.Now()}
	t := y.t
	t.Attempt = number
	l.res, l.err = s.execute(ctx, y, t, i)
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
	return l
}

// rejected reports whether the node turned the task away, untouched. One that sees that
// the deadline would pass first does so, too.
func (l lap) rejected(t job.Task) bool {
	code := job.CodeOf(l.err)
	return code == job.ResourceExhausted || code == job.DeadlineExceeded && !t.Deadline.IsZero()
}
