package store

import (
	"context"
	"slices"
	"time"

	"spillway/job"
)

// remember adds a job, unless its id is taken.
func (m *Memory) remember(ctx context.Context, sub Submission, names []string, steps []job.Step) (Job, bool, error) {
	leave, err := m.enter(ctx)
	if err != nil {
		return Job{}, false, err
	}
	defer leave()
	if known, found, err := m.submittedLocked(sub); found {
		return known, false, err
	}
	if err := m.clear(sub.Spec.ID, sub.Base, sub.Spec.Operation); err != nil {
		return Job{}, false, err
	}
	m.seq++
	r := &remembered{
		names: names, outcomes: map[int64]outcome{}, attempts: map[int64][]note{}, tallies: map[job.NodeID]job.Tally{},
	}
	r.Job.Job = job.Job{
		ID: sub.Spec.ID, Spec: sub.Spec, State: job.Queued, Version: 1, Created: moment(nanos(sub.Created)),
		Total: int64(len(names)), Counted: true, Skipped: sub.Skipped,
	}
	r.Asked = sub.asked()
	r.Base, r.Seq, r.Deadline = sub.Base, m.seq, moment(deadline(sub.Spec, sub.Created))
	if sub.Owner != "" {
		ttl := sub.Lease
		if ttl == 0 {
			ttl = defaultLease
		}
		r.Owner, r.Epoch, r.lease = sub.Owner, 1, time.Now().Add(ttl)
	}
	// What the caller still holds of the Spec is its own.
	if r.Job, err = r.snapshot(false); err != nil {
		return Job{}, false, err
	}
	if err := r.addSteps(steps); err != nil {
		return Job{}, false, err
	}
	m.jobs[sub.Spec.ID] = r
	j, err := r.snapshot(true)
	return j, true, err
}

// owned is the job if the epoch is its own and it has not ended; mu is held.
func (m *Memory) owned(id job.ID, epoch int64) (*remembered, error) {
	r, ok := m.jobs[id]
	if !ok || r.Epoch != epoch || r.State.Final() {
		return nil, ErrStale
	}
	return r, nil
}

// Start is as that of [SQL].
func (m *Memory) Start(ctx context.Context, id job.ID, epoch int64, at time.Time) error {
	leave, err := m.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	if _, err := m.find(id); err != nil {
		return err
	}
	r, err := m.owned(id, epoch)
	if err != nil || r.State == job.Running {
		return err
	}
	r.State = job.Running
	if r.Started.IsZero() {
		r.Started = moment(nanos(at))
	}
	r.Version++
	return nil
}

// Finish is as that of [SQL].
func (m *Memory) Finish(ctx context.Context, o Outcome) error {
	kept, err := keep(o)
	if err != nil {
		return err
	}
	leave, err := m.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	r, err := m.owned(o.Job, o.Epoch)
	if err != nil {
		return err
	}
	if o.Index < 0 || o.Index >= r.Total {
		return noTask(o.Job, o.Index)
	}
	if _, ended := r.outcomes[o.Index]; ended {
		return ErrStale
	}
	r.outcomes[o.Index] = kept
	r.Version++
	if t := kept.tally; t.Node != "" {
		r.tallies[t.Node] = sum(r.tallies[t.Node], t)
	}
	switch o.State {
	case job.TaskDone:
		r.Done++
	case job.TaskFailed:
		r.Failed++
	default:
		r.Quarantined++
	}
	return nil
}

// Note is as that of [SQL].
func (m *Memory) Note(i Interim) {
	kept := keepInterim(i)
	m.mu.Lock()
	defer m.mu.Unlock()
	r, err := m.owned(i.Job, i.Epoch)
	if m.closed || err != nil || kept.empty() {
		return
	}
	r.Version++
	for key, t := range kept.tallies {
		r.tallies[key.node] = sum(r.tallies[key.node], t)
	}
	for _, a := range kept.attempts {
		r.add(a)
	}
}

// add keeps an attempt, in the order of epochs and numbers.
func (r *remembered) add(a note) {
	list := r.attempts[a.index]
	at, twice := slices.BinarySearchFunc(list, a, func(x, y note) int {
		if x.epoch != y.epoch {
			return int(x.epoch - y.epoch)
		}
		return x.number - y.number
	})
	if !twice {
		r.attempts[a.index] = slices.Insert(list, at, a)
	}
}

// End is as that of [SQL].
func (m *Memory) End(ctx context.Context, e Ending) error {
	kept, err := keepEnding(e)
	if err != nil {
		return err
	}
	leave, err := m.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	if _, err := m.find(e.Job); err != nil {
		return err
	}
	r, err := m.owned(e.Job, e.Epoch)
	if err != nil {
		return err
	}
	r.State, r.Finished = e.State, moment(kept.at)
	r.Version = max(r.Version+1, e.Version)
	r.Err, err = decodeError(kept.err)
	return err
}

// AskCancel is as that of [SQL].
func (m *Memory) AskCancel(ctx context.Context, id job.ID) error {
	leave, err := m.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	r, err := m.find(id)
	if err != nil || r.State.Final() || r.CancelAsked {
		return err
	}
	r.CancelAsked = true
	r.Version++
	return nil
}

// Expire is as that of [SQL].
func (m *Memory) Expire(ctx context.Context, now time.Time, keep time.Duration) (int, error) {
	leave, err := m.enter(ctx)
	if err != nil {
		return 0, err
	}
	defer leave()
	forgotten := 0
	for id, r := range m.jobs {
		kept := min(keep, longest)
		if r.Spec.Keep > 0 {
			kept = min(r.Spec.Keep, longest)
		}
		if r.State.Final() && r.Finished.Add(kept).Before(now) {
			delete(m.jobs, id)
			forgotten++
		}
	}
	return forgotten, nil
}
