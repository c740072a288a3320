package scheduler

import (
	"context"
	"errors"
	"slices"
	"time"

	"spillway/job"
)

// watchEvery bounds how often a watcher hears of a job that runs.
const watchEvery = 50 * time.Millisecond

// find returns the record of a job. Errors: NotFound.
func (s *Scheduler) find(id job.ID) (*record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.jobs[id]
	if !ok {
		return nil, job.E(job.NotFound, "job "+string(id), errors.New("no such job"),
			"list the jobs with: client jobs")
	}
	return r, nil
}

// Job implements job.Service.
func (s *Scheduler) Job(_ context.Context, id job.ID) (job.Job, error) {
	r, err := s.find(id)
	if err != nil {
		return job.Job{}, err
	}
	return r.snapshot(), nil
}

// Jobs implements job.Service.
func (s *Scheduler) Jobs(_ context.Context, f job.Filter) ([]job.Job, error) {
	s.mu.Lock()
	all := slices.Clone(s.order)
	s.mu.Unlock()
	if f.Limit <= 0 {
		f.Limit = 100
	}
	var out []job.Job
	for _, r := range slices.Backward(all) {
		if len(out) == f.Limit {
			break
		}
		if j := r.snapshot(); len(f.States) == 0 || slices.Contains(f.States, j.State) {
			out = append(out, j)
		}
	}
	return out, nil
}

// Cancel implements job.Service.
func (s *Scheduler) Cancel(_ context.Context, id job.ID) error {
	r, err := s.find(id)
	if err != nil {
		return err
	}
	r.stop(errCancelled)
	return nil
}

// Watch implements job.Service.
func (s *Scheduler) Watch(ctx context.Context, id job.ID) (<-chan job.Event, error) {
	r, err := s.find(id)
	if err != nil {
		return nil, err
	}
	out := make(chan job.Event)
	changed, leave := r.subscribe()
	go func() {
		defer close(out)
		defer leave()
		pause := time.NewTimer(0)
		defer pause.Stop()
		for told := int64(0); ; {
			j := r.snapshot()
			if j.Version != told { // a change may wake it that the last snapshot held already
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
			pause.Reset(watchEvery)
			select { // no more often than watchEvery, but the end at once
			case <-pause.C:
			case <-r.done:
			case <-ctx.Done():
				return
			}
			select {
			case <-changed:
			case <-r.done:
			case <-ctx.Done():
				return
			}
		}
	}()
	return out, nil
}
