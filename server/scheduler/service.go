package scheduler

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"spillway/job"
)

const (
	// watchEvery bounds how often a watcher hears of a job that runs.
	watchEvery = 50 * time.Millisecond
	// lookEvery is how often it is looked how far a job has come that another
	// server runs.
	lookEvery = 500 * time.Millisecond
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
	j := r.snapshot()
	if j.State == job.Queued {
		j.Position, j.Reason = s.line.position(r.turn)
	}
	return j
}

// Job implements job.Service.
func (s *Scheduler) Job(ctx context.Context, id job.ID) (job.Job, error) {
	if r := s.active(id); r != nil {
		return s.describe(r), nil
	}
	j, err := s.store.Job(ctx, id)
	return j.Job, err
}

// Jobs implements job.Service.
func (s *Scheduler) Jobs(ctx context.Context, f job.Filter) ([]job.Job, error) {
	kept, err := s.store.Jobs(ctx, f)
	if err != nil {
		return nil, err
	}
	out := make([]job.Job, 0, len(kept))
	for _, j := range kept {
		if r := s.active(j.ID); r != nil {
			j.Job = s.describe(r)
		}
		if len(f.States) == 0 || slices.Contains(f.States, j.State) {
			out = append(out, j.Job)
		}
	}
	return out, nil
}

// Tasks implements job.Service.
func (s *Scheduler) Tasks(ctx context.Context, id job.ID, f job.TaskFilter) ([]job.TaskInfo, error) {
	r := s.active(id)
	if r == nil {
		return s.store.Tasks(ctx, id, f)
	}
	asked := f.States
	if slices.Contains(asked, job.TaskRunning) { // to the store they are pending
		f.States = append(slices.Clone(asked), job.TaskPending)
	}
	tasks, err := s.store.Tasks(ctx, id, f)
	if err != nil {
		return nil, err
	}
	under := r.underWay()
	for i := range tasks {
		if tasks[i].State == job.TaskPending && under[tasks[i].Index] {
			tasks[i].State = job.TaskRunning
		}
	}
	return slices.DeleteFunc(tasks, func(t job.TaskInfo) bool { return len(asked) > 0 && !slices.Contains(asked, t.State) }), nil
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
	if s.active(id) != nil {
		return job.E(job.FailedPrecondition, "job "+string(id), errors.New("it has not ended"), "wait for it, or end it with: client cancel "+string(id))
	}
	j, err := s.store.Job(ctx, id)
	if err != nil {
		return err
	}
	s.mu.Lock()
	err = s.collision(newRecord(j))
	s.mu.Unlock()
	if err != nil {
		return err
	}
	if _, err = s.store.Retry(ctx, id, time.Now()); err != nil {
		return err
	}
	if err := s.claim(context.WithoutCancel(ctx)); err != nil {
		s.log.Warn("the store fails", "step", "claim", "err", err) // it is tried again soon
	}
	return nil
}

// Watch implements job.Service.
func (s *Scheduler) Watch(ctx context.Context, id job.ID) (<-chan job.Event, error) {
	r := s.active(id)
	if r == nil {
		return s.watchStore(ctx, id)
	}
	out := make(chan job.Event)
	changed, leave := r.subscribe()
	go func() {
		defer close(out)
		defer leave()
		pause := time.NewTimer(0)
		defer pause.Stop()
		for told := int64(0); ; {
			over := r.ended()
			j := s.describe(r)
			if j.Version != told { // a change may wake it that the last snapshot held already
				select {
				case out <- job.Event{Job: j}:
				case <-ctx.Done():
					return
				}
				told = j.Version
			}
			if j.State.Final() || over {
				return
			}
			pause.Reset(watchEvery)
			select { // no more often than watchEvery, but the end at once
			case <-pause.C:
			case <-r.over:
			case <-ctx.Done():
				return
			}
			select {
			case <-changed:
			case <-r.over:
			case <-ctx.Done():
				return
			}
		}
	}()
	return out, nil
}

// watchStore watches a job that this server does not run.
func (s *Scheduler) watchStore(ctx context.Context, id job.ID) (<-chan job.Event, error) {
	j, err := s.Job(ctx, id)
	if err != nil {
		return nil, err
	}
	out := make(chan job.Event)
	go func() {
		defer close(out)
		tick := time.NewTicker(lookEvery)
		defer tick.Stop()
		for told := int64(-1); ; {
			if j.Version != told {
				select {
				case out <- job.Event{Job: j}:
				case <-ctx.Done():
					return
				}
				told = j.Version
			}
			if j.State.Final() {
				return
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
			if j, err = s.Job(ctx, id); err != nil {
				s.log.Warn("watch ends", "job", id, "err", fmt.Sprint(err))
				return
			}
		}
	}()
	return out, nil
}
