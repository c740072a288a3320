package scheduler

import (
	"context"
	"errors"

	"spillway/job"
)

// active is the record of a job that this server runs; nil: it does not.
func (s *Scheduler) active(id job.ID) *record {
	s.mu.Lock()
	r := s.jobs[id]
	s.mu.Unlock()
	if r == nil {
		return nil
	}
	if !r.isKept() {
		return nil
	}
	return r
}

// describe is the job as it stands.
func (s *Scheduler) describe(r *record) job.Job {
	j, _ := s.sight(r, job.NoSteps)
	return j
}

// sight is the job as it stands, with the steps behind a number.
func (s *Scheduler) sight(r *record, after int64) (job.Job, []job.Step) {
	j, steps := r.sight(after)
	if j.State == job.Queued {
		j.Position, j.Reason = s.line.position(r.turn)
	}
	return j, steps
}

// Job implements job.Service.
func (s *Scheduler) Job(ctx context.Context, id job.ID) (job.Job, error) {
	if r := s.mine(ctx, id); r != nil {
		return s.describe(r), nil
	}
	j, err := s.store.Job(ctx, id)
	return j.Job, err
}

// mine is the record of a job that this server runs; nil: it does not. A server that
// stood still for longer than its lease asks the store whether the job is another's
// meanwhile; where the store does not answer, what the server knows is all there is.
func (s *Scheduler) mine(ctx context.Context, id job.ID) *record {
	r := s.active(id)
	if r == nil || !s.lapsed() {
		return r
	}
	if j, err := s.store.Job(ctx, id); err == nil && j.Epoch != r.epoch {
		return nil
	}
	return r
}

// NodesWith are the nodes to which a task of a job that this server runs was sent, and
// whose answer is awaited: at most [maxAttempts]. task is the name of its input.
func (s *Scheduler) NodesWith(id job.ID, task string) []job.NodeID {
	if r := s.active(id); r != nil {
		return r.nodesWith(task)
	}
	return nil
}

// Cancel implements job.Service.
func (s *Scheduler) Cancel(ctx context.Context, id job.ID) error {
	s.mu.Lock()
	r := s.jobs[id]
	s.mu.Unlock()
	if r != nil {
		select {
		case <-r.kept: // it may just be on its way into the store
		case <-ctx.Done():
			return job.E(job.Unavailable, "cancel", context.Cause(ctx), "")
		}
	}
	err := s.store.AskCancel(ctx, id) // so that no crash can undo it
	if r = s.active(id); r == nil {
		return err
	}
	r.stop(errCancelled)
	if err != nil {
		s.log.Warn("the store fails", "step", "cancel", "job", id, "err", err)
	}
	return nil
}

// Retry implements job.Service.
func (s *Scheduler) Retry(ctx context.Context, id job.ID) error {
	if err := s.started(ctx); err != nil {
		return err
	}
	if r := s.active(id); r != nil && !r.ended() {
		return job.E(job.FailedPrecondition, "job "+string(id), errors.New("it has not ended"), "wait for it, or end it with: client cancel "+string(id))
	}
	again, err := s.again(ctx, id)
	if err != nil {
		return err
	}
	if _, err := s.store.Retry(ctx, again); err != nil {
		return err
	}
	if err := s.claim(context.WithoutCancel(ctx)); err != nil {
		s.log.Warn("the store fails", "step", "claim", "err", err) // it is tried again soon
	}
	return nil
}
