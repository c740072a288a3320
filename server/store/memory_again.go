package store

import (
	"context"
	"maps"
	"slices"
	"time"

	"spillway/job"
)

// Step is as that of [SQL].
func (m *Memory) Step(ctx context.Context, id job.ID, epoch int64, st job.Step) error {
	leave, err := m.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	if _, err := m.find(id); err != nil {
		return err
	}
	r, err := m.owned(id, epoch)
	if err != nil {
		return err
	}
	r.Version++
	return r.addSteps([]job.Step{st})
}

// Steps is as that of [SQL].
func (m *Memory) Steps(ctx context.Context, id job.ID, after int64, most int) ([]job.Step, error) {
	leave, err := m.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	r, err := m.find(id)
	if err != nil {
		return nil, err
	}
	steps, err := r.stepsBehind(after)
	return steps[:min(len(steps), limit(most))], err
}

// addSteps keeps steps that the job does not have yet.
func (r *remembered) addSteps(steps []job.Step) error {
	if r.steps == nil {
		r.steps = map[int64]string{}
	}
	for _, st := range steps {
		text, err := encodeStep(st)
		if err != nil {
			return err
		}
		if _, twice := r.steps[st.Number]; !twice {
			r.steps[st.Number] = text
		}
	}
	return nil
}

// stepsBehind are those with a greater number, in order.
func (r *remembered) stepsBehind(after int64) (steps []job.Step, err error) {
	for _, number := range slices.Sorted(maps.Keys(r.steps)) {
		if number <= after {
			continue
		}
		st, err := decodeStep(number, r.steps[number])
		if err != nil {
			return nil, err
		}
		steps = append(steps, st)
	}
	return steps, nil
}

// Retry is as that of [SQL].
func (m *Memory) Retry(ctx context.Context, again Again) (Job, error) {
	leave, err := m.enter(ctx)
	if err != nil {
		return Job{}, err
	}
	defer leave()
	r, err := m.find(again.Job)
	if err != nil {
		return Job{}, err
	}
	if err := notRetriable(r.Job, again, r.Total); err != nil {
		return Job{}, err
	}
	if err := m.clear(again.Job, r.Base, r.Spec.Operation); err != nil {
		return Job{}, err
	}
	redo := r.doneOf(again.Redo)
	if err := notRetriable(r.Job, again, int64(len(redo))); err != nil {
		return Job{}, err
	}
	back := map[job.NodeID]job.Tally{}
	if err := takeBack(back, redo); err != nil {
		return Job{}, err
	}
	for node, t := range back {
		r.tallies[node] = sum(r.tallies[node], t)
	}
	for _, o := range redo {
		r.undo(o)
	}
	for _, o := range r.outcomes {
		if o.state != job.TaskDone {
			r.undo(o)
		}
	}
	r.Version++
	r.Epoch++
	r.retried = r.Epoch
	r.State, r.Err, r.CancelAsked, r.Owner = job.Queued, nil, false, ""
	r.Started, r.Finished, r.lease = time.Time{}, time.Time{}, time.Time{}
	r.Deadline = moment(deadline(r.Spec, again.At))
	r.Done -= int64(len(redo))
	r.Failed, r.Quarantined = 0, 0
	return r.snapshot(true)
}

// doneOf are the outcomes of the tasks in the spans that are done.
func (r *remembered) doneOf(redo Spans) (done []outcome) {
	for _, span := range redo {
		for i := max(0, span.First); i <= min(span.Last, r.Total-1); i++ {
			if o, ended := r.outcomes[i]; ended && o.state == job.TaskDone {
				done = append(done, o)
			}
		}
	}
	return done
}

// undo makes a task pending again, and keeps its last attempt.
func (r *remembered) undo(o outcome) {
	if o.number > 0 && !slices.ContainsFunc(r.attempts[o.index], func(n note) bool { return n.number == o.number }) {
		r.add(note{r.ID, r.Epoch, o.index, o.number, o.last})
	}
	delete(r.outcomes, o.index)
}
