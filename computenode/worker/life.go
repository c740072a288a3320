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

// smoothing is the weight of the newest task in the moving average: 1/smoothing.
const smoothing = 16

// admit asks the admission and counts the task in: as delayed, or as queued.
// Its order: the injected draw, the deadline, the bound on those that wait.
func (w *Worker) admit(t job.Task) (time.Duration, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.now()
	d := w.admission.Decide(now, admission.Arrival{MayReject: t.MayReject, Deadline: t.Deadline, Load: w.load})
	switch {
	case w.load.Draining:
		return 0, w.rejection("it drains, and takes nothing new", 0)
	case !t.Deadline.IsZero() && !now.Before(t.Deadline):
		return 0, job.E(job.DeadlineExceeded, "", errors.New("the deadline was over when the task arrived"), "")
	case d.Reject && t.MayReject:
		return 0, w.rejection(d.Reason, d.RetryAfter)
	case !t.Deadline.IsZero() && !now.Add(d.Delay).Before(t.Deadline):
		return 0, job.E(job.DeadlineExceeded, "", fmt.Errorf("the deadline ends within the injected delay of %v", d.Delay), "")
	case t.MayReject && w.load.Delayed+w.load.Queued >= w.cfg.Waiting:
		return 0, w.rejection(fmt.Sprintf("%d tasks wait already", w.cfg.Waiting), w.load.Mean)
	case d.Delay > 0:
		w.load.Delayed++
	default:
		w.load.Queued++
	}
	return d.Delay, nil
}

// rejection is the error of a task turned away; mu is held.
func (w *Worker) rejection(reason string, retryAfter time.Duration) error {
	load := w.load
	e := job.E(job.ResourceExhausted, "", fmt.Errorf("%s rejected the task: %s", w.cfg.Node, reason), "")
	e.RetryAfter, e.Load = retryAfter, &load
	return e
}

// sleep waits out the injected delay, after which the task counts as queued.
func (w *Worker) sleep(ctx context.Context, delay time.Duration) error {
	if delay <= 0 {
		return nil
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	var err error
	select {
	case <-timer.C:
	case <-ctx.Done():
		err = ended(ctx)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.load.Delayed--
	if err != nil {
		w.observe(admission.Sample{Code: job.CodeOf(err)})
		return err
	}
	w.load.Queued++
	return nil
}

// enter waits for a slot and takes it; it returns the time waited.
func (w *Worker) enter(ctx context.Context) (time.Duration, error) {
	start := time.Now()
	err := w.slot(ctx)
	waited := time.Since(start)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.load.Queued--
	if err != nil {
		w.observe(admission.Sample{Queued: waited, Code: job.CodeOf(err)})
		return waited, err
	}
	w.load.Running++
	return waited, nil
}

// slot takes a slot; those who wait get one in the order of their coming.
func (w *Worker) slot(ctx context.Context) error {
	if ctx.Err() != nil {
		return ended(ctx)
	}
	select {
	case w.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ended(ctx)
	}
}

// giveUp counts out a task that waits, for want of its input.
func (w *Worker) giveUp(waited time.Duration, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.load.Queued--
	w.observe(admission.Sample{Queued: waited, Code: job.CodeOf(err)})
}

// leave gives the slot back and returns the load without the task.
func (w *Worker) leave(t job.Task, s admission.Sample, err error) job.Load {
	w.mu.Lock()
	defer w.mu.Unlock()
	op := t.Operation.Name
	w.load.Running--
	if err == nil && t.Content != nil {
		w.handing++
	}
	if err != nil {
		s.Code = job.CodeOf(err)
	} else {
		w.load.Mean = smooth(w.load.Mean, s.Run)
		w.means[op] = smooth(w.means[op], s.Run)
	}
	w.observe(s)
	<-w.slots
	return w.load
}

// smooth is the moving average with one more time in it.
func smooth(mean, next time.Duration) time.Duration {
	if mean == 0 {
		return next
	}
	return mean + (next-mean)/smoothing
}

// observe tells the admission of a task that has left; mu is held.
func (w *Worker) observe(s admission.Sample) {
	w.admission.Observe(w.now(), s)
	w.settle()
}

// settle tells that nothing is left of what a worker that drains had; mu is held.
func (w *Worker) settle() {
	if !w.load.Draining || w.left() > 0 {
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

// report logs a failure that somebody should look into: not an input's fault,
// and not wanted by anybody.
func (w *Worker) report(t job.Task, err error) {
	switch job.CodeOf(err) {
	case job.Internal, job.Unavailable:
	default:
		return
	}
	attrs := []any{"job", t.Job, "task", t.Index, "name", t.Name, "op", t.Operation.String(), "attempt", t.Attempt, "err", err}
	if crash, ok := errors.AsType[*operation.PanicError](err); ok {
		attrs = append(attrs, "stack", string(crash.Stack))
	}
	w.log.Warn("task failed", attrs...)
}
