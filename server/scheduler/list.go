package scheduler

import (
	"context"
	"slices"

	"spillway/job"
	"spillway/server/store"
)

// defaultLimit is how long a list is that names no limit.
const defaultLimit = 100

// Jobs implements job.Service. A job that this server runs is in the state that it
// has here, which may be ahead of the store's or behind it.
func (s *Scheduler) Jobs(ctx context.Context, f job.Filter) ([]job.Job, error) {
	if f.Limit <= 0 {
		f.Limit = defaultLimit
	}
	wanted := f.States
	if slices.Contains(wanted, job.Queued) || slices.Contains(wanted, job.Running) {
		f.States = append(slices.Clone(wanted), job.Queued, job.Running)
	}
	out := []job.Job{}
	for {
		kept, err := s.store.Jobs(ctx, f)
		if err != nil {
			return nil, err
		}
		for _, j := range kept {
			now := s.present(j)
			if len(wanted) > 0 && !slices.Contains(wanted, now.State) {
				continue
			}
			if out = append(out, now); len(out) == f.Limit {
				return out, nil
			}
		}
		if len(kept) < f.Limit {
			return out, nil
		}
		f.After = kept[len(kept)-1].ID
	}
}

// present is a job as it stands, of which the store has j.
func (s *Scheduler) present(j store.Job) job.Job {
	if r := s.active(j.ID); r != nil && !j.State.Final() && j.Epoch == r.epoch {
		return s.describe(r)
	}
	return j.Job
}

// Tasks implements job.Service.
func (s *Scheduler) Tasks(ctx context.Context, id job.ID, f job.TaskFilter) ([]job.TaskInfo, error) {
	r := s.mine(ctx, id)
	if r == nil {
		return s.store.Tasks(ctx, id, f)
	}
	if f.Limit <= 0 {
		f.Limit = defaultLimit
	}
	under := r.underWay()
	wanted := f.States
	out := []job.TaskInfo{}
	for {
		f.States = sought(wanted, under, f.After)
		tasks, err := s.store.Tasks(ctx, id, f)
		if err != nil {
			return nil, err
		}
		for _, t := range tasks {
			if t.State == job.TaskPending && under[t.Index] {
				t.State = job.TaskRunning
			}
			if len(wanted) > 0 && !slices.Contains(wanted, t.State) {
				continue
			}
			if out = append(out, t); len(out) == f.Limit {
				return out, nil
			}
		}
		if len(tasks) < f.Limit {
			return out, nil
		}
		f.After = tasks[len(tasks)-1].Index
	}
}

// sought are the states to ask the store for, to which a task that runs is pending:
// where only those that run are wanted, not behind the last of them.
func sought(wanted []job.TaskState, under map[int64]bool, after int64) []job.TaskState {
	if !slices.Contains(wanted, job.TaskRunning) || slices.Contains(wanted, job.TaskPending) {
		return wanted
	}
	for index := range under {
		if index > after {
			return append(slices.Clone(wanted), job.TaskPending)
		}
	}
	return wanted
}
