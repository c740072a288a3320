package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"spillway/computenode/admission"
	"spillway/computenode/operation"
	"spillway/job"
)

// admit asks the gate, which counts the task in: as delayed, or as queued. Errors:
// ResourceExhausted, DeadlineExceeded.
func (w *Worker) admit(t job.Task, e *entry) (time.Duration, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	a := admission.Arrival{MayReject: t.MayReject, Deadline: t.Deadline, Operation: t.Operation.Name}
	d := w.gate.Arrive(w.now(), a, e)
	if d.Reject || d.TooLate {
		return 0, w.refusal(d)
	}
	return d.Delay, nil
}

// refusal is the error of a task turned away; mu is held.
func (w *Worker) refusal(d admission.Decision) error {
	if d.TooLate {
		return job.E(job.DeadlineExceeded, "", errors.New(d.Reason), "")
	}
	load := w.gate.Load()
	e := job.E(job.ResourceExhausted, "", fmt.Errorf("%s rejected the task: %s", w.cfg.Node, d.Reason), "")
	e.RetryAfter, e.Load = d.RetryAfter, &load
	return e
}

// sleep waits out the injected delay, after which the task counts as queued.
func (w *Worker) sleep(ctx context.Context, e *entry, delay time.Duration) error {
	if delay <= 0 {
		return nil
	}
	_, slept := traced(ctx, "delay")
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		slept(nil)
	case <-ctx.Done():
		slept(ended(ctx))
		w.giveUp(e, ended(ctx))
		return ended(ctx)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.gate.Awake(w.now(), e)
	return nil
}

// enter waits until the gate gives the task a slot, or drops it.
func (w *Worker) enter(ctx context.Context, e *entry) error {
	if ctx.Err() != nil {
		w.giveUp(e, ended(ctx))
		return ended(ctx)
	}
	expires := w.wait(e)
	for {
		select {
		case err := <-e.Task:
			return err
		case <-expires:
			expires = nil
			w.mu.Lock()
			w.call()
			w.mu.Unlock()
		case <-ctx.Done():
			w.giveUp(e, ended(ctx))
			return ended(ctx)
		}
	}
}

// wait puts a task into the queue, and returns what tells when to look whether it has
// waited for too long.
func (w *Worker) wait(e *entry) <-chan time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.gate.Wait(w.now(), e)
	w.call()
	if e.Running() || e.Expires().IsZero() {
		return nil
	}
	return time.After(e.Expires().Sub(w.last))
}

// call tells those that need not wait any more; mu is held.
func (w *Worker) call() {
	for {
		e, d := w.gate.Next(w.now())
		switch {
		case e == nil:
			w.settle()
			return
		case d.Reject || d.TooLate:
			e.Task <- w.refusal(d)
		default:
			e.Task <- nil
		}
	}
}

// giveUp counts out a task that does not want its slot any more, or never will.
func (w *Worker) giveUp(e *entry, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.gate.Leave(w.now(), e, admission.Outcome{Code: job.CodeOf(err)})
	w.call()
}

// leave gives the slot back and returns the load without the task.
func (w *Worker) leave(t job.Task, e *entry, run time.Duration, err error) job.Load {
	w.mu.Lock()
	defer w.mu.Unlock()
	o := admission.Outcome{Run: run}
	if err != nil {
		o.Code = job.CodeOf(err)
	} else if t.Content != nil {
		w.handing++
	}
	load := w.gate.Leave(w.now(), e, o)
	w.call()
	return load
}

// settle tells that nothing is left of what a worker that drains had; mu is held.
func (w *Worker) settle() {
	if !w.gate.Draining() || w.left() > 0 {
		return
	}
	select {
	case <-w.drained:
	default:
		close(w.drained)
	}
}

// now is a clock that never goes back; mu is held.
func (w *Worker) now() time.Time {
	if now := time.Now(); now.After(w.last) {
		w.last = now
	}
	return w.last
}

// ended is the error for a task whose ctx has ended.
func ended(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return job.E(job.DeadlineExceeded, "", errors.New("the deadline ended before the task was done"), "")
	}
	return job.E(job.CancelledCode, "", errors.New("the task was cancelled"), "")
}

// report logs a failure that somebody should look into: not an input's fault. An
// attempt that was given up, such as one of which another was faster, fails because its
// program was ended, which is worth no warning; a panic is one all the same.
func (w *Worker) report(ctx context.Context, t job.Task, err error) {
	switch job.CodeOf(err) {
	case job.Internal, job.Unavailable:
	default:
		return
	}
	attrs := []any{"job", t.Job, "task", t.Index, "name", t.Name, "op", t.Operation.String(), "attempt", t.Attempt, "err", err}
	crash, panicked := errors.AsType[*operation.PanicError](err)
	switch {
	case panicked:
		attrs = append(attrs, "stack", string(crash.Stack))
	case ctx.Err() != nil:
		w.log.DebugContext(ctx, "attempt given up", attrs...)
		return
	}
	w.log.WarnContext(ctx, "task failed", attrs...)
}
