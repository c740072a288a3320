package scheduler

import (
	"context"
	"time"

	"spillway/job"
	"spillway/server/store"
)

// again is what a job that is retried does once more. Of inputs that are not joined, that
// is every part: what the parts had made was removed when the job ended.
func (s *Scheduler) again(ctx context.Context, id job.ID) (store.Again, error) {
	a := store.Again{Job: id, At: time.Now()}
	j, err := s.store.Job(ctx, id)
	if err != nil || !j.State.Final() || !s.joins(j.Spec.Operation) {
		return a, err
	}
	a.Epoch = j.Epoch
	joined, err := s.joined(ctx, id)
	if err != nil {
		return a, err
	}
	for after := int64(-1); ; {
		tasks, err := s.store.Tasks(ctx, id, job.TaskFilter{After: after, Limit: page})
		if err != nil || len(tasks) == 0 {
			return a, err
		}
		for _, t := range tasks {
			after = t.Index
			if p, ok := job.ParsePart(t.Name); ok && !joined[p.File] {
				a.Redo = a.Redo.Add(t.Index)
			}
		}
	}
}

// joined are the inputs of a job that have been joined.
func (s *Scheduler) joined(ctx context.Context, id job.ID) (map[string]bool, error) {
	names := map[string]bool{}
	for after := int64(-1); ; {
		kept, err := s.store.Steps(ctx, id, after, page)
		if err != nil || len(kept) == 0 {
			return names, err
		}
		for _, st := range kept {
			after = st.Number
			if st.Kind == job.JoinedStep && st.Err == nil {
				names[st.Name] = true
			}
		}
	}
}

// splits are the steps of a submission whose inputs have been listed.
func splits(source Source) func() []job.Step {
	return func() []job.Step {
		l := newSteps(nil)
		made := source.Splits()
		for i := range made {
			made[i].Number = l.number()
		}
		return made
	}
}
