package scheduler

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"spillway/job"
)

// Why a job ends before its tasks do; the causes of its context.
var (
	errCancelled = errors.New("cancelled")
	errDeadline  = errors.New("deadline passed")
	errStalled   = errors.New("stalled")
	errStopped   = errors.New("the server stops")
)

// named bounds how many tasks an error names.
const named = 5

// runJob sends every task of the job and ends it.
func (s *Scheduler) runJob(ctx context.Context, r *record) {
	defer s.forget()
	defer r.source.Close()
	unhook := context.AfterFunc(ctx, func() { r.stop(errStopped) })
	defer unhook()
	ctx, cancel := r.start(ctx)
	defer cancel(nil)
	if r.spec.Deadline > 0 {
		timer := time.AfterFunc(r.spec.Deadline-time.Since(r.created), func() { r.stop(errDeadline) })
		defer timer.Stop()
	}

	err := s.sendAll(ctx, r)
	state, ended := outcome(r, err)
	r.end(state, ended)
	j := r.snapshot()
	attrs := []any{
		"job", j.ID, "state", state, "done", j.Done, "failed", j.Failed,
		"quarantined", j.Quarantined, "took", j.Elapsed(time.Now()),
	}
	if err != nil {
		attrs = append(attrs, "err", err)
	}
	s.log.Info("job ended", attrs...)
}

// sendAll lists the inputs and runs a goroutine for each, as many at once as the
// window allows. It returns when all have ended, with the error that ended the
// listing or the job.
func (s *Scheduler) sendAll(ctx context.Context, r *record) error {
	d, err := s.dispatcher(r.spec.Policy)
	if err != nil {
		return err
	}
	total, others, err := r.source.Count(ctx)
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if err != nil {
		return err
	}
	r.change(func() { r.job.Total, r.job.Skipped = total, others })
	var wg sync.WaitGroup
	quit := make(chan struct{})
	watchdog := make(chan struct{})
	go func() { defer close(watchdog); s.watchdog(r, quit) }()

	index := int64(0)
	// The listing goes on after the job has ended, so that what was not sent is
	// counted and named.
	listed := r.source.Inputs(context.WithoutCancel(ctx), func(name string) bool {
		t := job.Task{Job: r.spec.ID, Index: index, Base: r.source.Base(), Name: name, Operation: r.spec.Operation}
		index++
		if s.window.Acquire(ctx, 1) != nil {
			r.leave(ctx, nil, job.Failure{Name: name})
			return true
		}
		wg.Go(func() {
			defer s.window.Release(1)
			s.runTask(ctx, r, d, t)
		})
		return true
	})
	wg.Wait()
	close(quit)
	<-watchdog
	r.change(func() {
		// A listing that broke leaves inputs that nobody knows.
		if r.job.Counted = listed == nil; r.job.Counted || index > r.job.Total {
			r.job.Total = index
		}
	})
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return listed
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

// leave ends a task whose job has ended before it: unless the job was cancelled,
// that is a failure.
func (r *record) leave(ctx context.Context, f *flight, failure job.Failure) {
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, errDeadline):
		failure.Err = job.E(job.DeadlineExceeded, "", errors.New("not done before the job's deadline"), "")
	case errors.Is(cause, errStalled) && failure.Err == nil:
		failure.Err = job.E(job.DeadlineExceeded, "", errors.New("no node took it"), "")
	case errors.Is(cause, errStalled): // the last attempt tells
	default:
		r.drop(f)
		return
	}
	r.fail(f, failure)
}

// outcome is the final state of a job whose tasks have all ended.
func outcome(r *record, err error) (job.State, *job.Error) {
	j := r.snapshot()
	switch allDone := j.Counted && j.Done == j.Total; {
	case allDone:
		return job.Succeeded, nil
	case err == nil:
		return job.Failed, nil
	}
	op := "job " + string(j.ID)
	switch {
	case errors.Is(err, errCancelled):
		return job.Cancelled, job.E(job.CancelledCode, op, fmt.Errorf("cancelled with %s", missing(j)), "")
	case errors.Is(err, errStopped):
		return job.Cancelled, job.E(job.Unavailable, op, fmt.Errorf("the server stopped with %s", missing(j)),
			"submit it again when the server is back")
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
		names = append(names, job.Shown(f.Name))
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
