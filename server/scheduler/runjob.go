package scheduler

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"spillway/job"
	"spillway/server/policy"
	"spillway/server/store"
	"spillway/server/tail"
)

// Why a job ends before its tasks do; the causes of its context.
var (
	errCancelled = errors.New("cancelled")
	errDeadline  = errors.New("deadline passed")
	errStalled   = errors.New("stalled")
	errStopped   = errors.New("the server stops")
	errLost      = errors.New("it is another server's now")
)

// named bounds how many tasks an error names.
const named = 5

// runJob waits for the job's turn, sends every task and ends it.
func (s *Scheduler) runJob(r *record) {
	defer s.forget(r)
	traced, span := s.jobSpan(r)
	running, sending := r.contexts(s.life())
	if !r.deadline.IsZero() {
		timer := time.AfterFunc(time.Until(r.deadline), func() { r.stop(errDeadline) })
		defer timer.Stop()
	}
	r.toJoin(s.joins(r.spec.Operation) || s.gathers(r.spec.Operation) != "") // also of a job that was taken over and has its turn no more
	err := s.inTurn(running, sending, r)
	if r.isStale() && !handedBack(err) {
		if lost := s.recount(r); lost != nil {
			err = lost
		}
	}
	if errors.Is(err, errStopped) && r.allDone() {
		err = nil // within the grace
	}
	if handedBack(err) {
		j := r.snapshot()
		endJob(span, j, err)
		s.log.InfoContext(traced, "job handed back", "job", j.ID, "done", j.Done, "total", j.Total, "why", err)
		s.countLeft(j, err)
		s.forget(r)
		r.leave()
		if errors.Is(err, errLost) {
			s.takeAgain(r.spec.ID)
		}
		return
	}
	if !s.joins(r.spec.Operation) {
		s.clean(r)
	}
	state, why := outcome(r, err)
	now, version := moment(), r.nextVersion()
	err = s.keepEnd(store.Ending{Job: r.spec.ID, Epoch: r.epoch, Version: version, State: state, Err: why, At: now})
	if err != nil { // the server's life is over, or the job another's
		endJob(span, r.snapshot(), err)
		s.log.WarnContext(traced, "job's end not kept", "job", r.spec.ID, "state", state, "err", err)
		s.forget(r)
		r.leave()
		s.takeAgain(r.spec.ID)
		return
	}
	if s.joins(r.spec.Operation) { // not before: a server that takes it over joins again
		s.clean(r)
	}
	s.remember(r)
	if s.cfg.Observer != nil {
		s.cfg.Observer.JobEnded(state)
	}
	r.end(state, why, now)
	j := r.snapshot()
	endJob(span, j, nil)
	attrs := []any{
		"job", j.ID, "state", state, "done", j.Done, "failed", j.Failed,
		"quarantined", j.Quarantined, "took", j.Elapsed(now),
	}
	if why != nil {
		attrs = append(attrs, "err", why)
	}
	s.log.InfoContext(traced, "job ended", attrs...)
}

// keepEnd keeps the end of a job. One that the store has, and could not confirm,
// counts: within an epoch nobody else can have told it. Errors: those of keep.
func (s *Scheduler) keepEnd(e store.Ending) error {
	err := s.keep("end job "+string(e.Job), func(error) {}, func(ctx context.Context) error { return s.store.End(ctx, e) })
	if !errors.Is(err, store.ErrStale) {
		return err
	}
	j, unread := s.read(e.Job)
	if unread == nil && j.Epoch == e.Epoch && j.State == e.State {
		return nil
	}
	return err
}

// handedBack tells that another server, or a later one, goes on with the job.
func handedBack(err error) bool { return errors.Is(err, errStopped) || errors.Is(err, errLost) }

// inTurn runs the job when it is its turn. It returns when all its tasks have
// ended, with the error that ended it early.
func (s *Scheduler) inTurn(running, sending context.Context, r *record) error {
	if !s.line.wait(sending, r.turn) {
		return s.giveRest(running, r, -1, context.Cause(sending))
	}
	defer s.line.leave()
	now := moment()
	err := s.keep("start job "+string(r.spec.ID), func(error) {}, func(ctx context.Context) error {
		return s.store.Start(ctx, r.spec.ID, r.epoch, now)
	})
	if err != nil {
		return errLost
	}
	r.started(now)
	err = s.sendAll(running, sending, r)
	if err == nil {
		err = s.joinAll(running, r)
	}
	if errors.Is(err, errStalled) || errors.Is(err, errDeadline) { // what is whole is not thrown away
		if unjoined := s.joinAll(s.life(), r); unjoined != nil {
			return unjoined
		}
	}
	return err
}

// page is how many tasks are read from the store at once.
const page = 1000

// sendAll runs a goroutine for each task, as many at once as the job's share of
// the window allows.
func (s *Scheduler) sendAll(running, sending context.Context, r *record) error {
	d, done, err := s.dispatcher(r.spec.Policy)
	if err != nil {
		return err
	}
	defer done()
	budget := &retries{budget: tail.NewBudget(tail.BudgetConfig{})}
	defer s.carry(sending, r)()
	var wg sync.WaitGroup
	quit := make(chan struct{})
	watchdog := make(chan struct{})
	go func() { defer close(watchdog); s.watchdog(r, quit) }()
	share, flow := s.window.join(), &policy.Flow[*wish]{Priority: r.spec.Priority}
	after, unread, total := int64(-1), error(nil), r.snapshot().Total
	for sending.Err() == nil {
		inputs, err := s.pending(r, after)
		if unread = err; err != nil || len(inputs) == 0 {
			break
		}
		for _, in := range inputs {
			if share.acquire(sending) != nil {
				break
			}
			after = in.Index
			y := newTry(r, d, in)
			y.share, y.flow, y.retries, y.placed = share, flow, budget, true
			wg.Go(func() { s.runTask(s.taskSpan(running, y, total), sending, y) })
		}
	}
	share.sent()
	wg.Wait()
	share.leave()
	close(quit)
	<-watchdog
	if unread != nil && sending.Err() == nil {
		return errLost
	}
	return s.giveRest(running, r, after, context.Cause(sending))
}

// pending reads the next tasks, and waits for a store that fails.
func (s *Scheduler) pending(r *record, after int64) (inputs []store.Input, err error) {
	err = s.keep("read tasks of job "+string(r.spec.ID), func(error) {}, func(ctx context.Context) error {
		inputs, err = s.store.Pending(ctx, r.spec.ID, after, page)
		return err
	})
	return inputs, err
}

// giveRest ends the tasks behind after that were never sent, where the job has
// ended before them of why; it returns why.
func (s *Scheduler) giveRest(running context.Context, r *record, after int64, why error) error {
	if !errors.Is(why, errDeadline) && !errors.Is(why, errStalled) {
		return why
	}
	room := make(chan struct{}, s.cfg.Window)
	var wg sync.WaitGroup
	for {
		inputs, err := s.pending(r, after)
		if err != nil || len(inputs) == 0 {
			break
		}
		for _, in := range inputs {
			after = in.Index
			room <- struct{}{}
			wg.Go(func() {
				defer func() { <-room }()
				s.leave(running, newTry(r, nil, in))
			})
		}
	}
	wg.Wait()
	return why
}

// watchdog ends a job that gets nowhere.
func (s *Scheduler) watchdog(r *record, quit <-chan struct{}) {
	if s.cfg.Stall < 0 {
		return
	}
	tick := time.NewTicker(max(s.cfg.Stall/10, time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-quit:
			return
		case <-tick.C:
			if r.stalled(s.cfg.Stall) {
				r.stop(errStalled)
				return
			}
		}
	}
}

// leave ends a task whose job has ended before it: where its time has passed, that
// is a failure.
func (s *Scheduler) leave(running context.Context, y *try) {
	last := y.lastFail
	switch cause := context.Cause(running); {
	case errors.Is(cause, errDeadline):
		last = job.Attempt{Err: job.E(job.DeadlineExceeded, "", errors.New("not done before the job's deadline"), "")}
	case errors.Is(cause, errStalled) && last.Err == nil:
		last = job.Attempt{Err: job.E(job.DeadlineExceeded, "", errors.New("no node took it"), "")}
	case errors.Is(cause, errStalled): // the last attempt tells
	default:
		y.r.drop(y.f)
		return
	}
	s.giveUp(y, last, false)
}

// outcome is the final state of a job whose tasks have all ended.
func outcome(r *record, err error) (job.State, *job.Error) {
	j := r.snapshot()
	if unmade, ok := errors.AsType[*joinError](err); ok {
		return job.Failed, job.AsError(unmade.err)
	}
	switch {
	case r.allDone():
		return job.Succeeded, nil
	case err == nil:
		return job.Failed, nil
	}
	op := "job " + string(j.ID)
	switch {
	case errors.Is(err, errCancelled):
		return job.Cancelled, job.E(job.CancelledCode, op, fmt.Errorf("cancelled with %s", missing(j)), "")
	case errors.Is(err, errDeadline):
		return job.Failed, job.E(job.DeadlineExceeded, op,
			fmt.Errorf("the deadline of %v passed with %s", j.Spec.Deadline, missing(j)),
			"give it more time with --deadline, or more nodes")
	case errors.Is(err, errStalled):
		return job.Failed, job.E(job.DeadlineExceeded, op, fmt.Errorf("%s, with %s", r.why(), missing(j)),
			"look at the nodes with: client nodes")
	}
	return job.Failed, job.AsError(err)
}

// why says what held a stalled job up.
func (r *record) why() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.lastWait == "" {
		return "nothing moved"
	}
	return r.lastWait
}

// missing says how many tasks are not done, and which.
func missing(j job.Job) string {
	var names []string
	for _, f := range j.Failures {
		if len(names) == named {
			break
		}
		names = append(names, job.Label(f.Name))
	}
	left := j.Total - j.Done
	if left == 0 || len(names) == 0 {
		return fmt.Sprintf("%d of %d tasks done", j.Done, j.Total)
	}
	list := strings.Join(names, ", ")
	if more := left - int64(len(names)); more > 0 {
		list = fmt.Sprintf("%s and %d more", list, more)
	}
	return fmt.Sprintf("%d of %d tasks not done: %s", left, j.Total, list)
}
