package store

import (
	"context"
	"maps"
	"slices"
	"time"

	"spillway/job"
)

// Pending is as that of [SQL].
func (m *Memory) Pending(ctx context.Context, id job.ID, after int64, most int) ([]Input, error) {
	leave, err := m.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	r, err := m.find(id)
	if err != nil {
		return nil, err
	}
	var list []Input
	for i := max(after+1, 0); i < r.Total && len(list) < limit(most); i++ {
		if _, ended := r.outcomes[i]; ended {
			continue
		}
		in := Input{Index: i, Name: r.name(i)}
		for _, a := range r.attempts[i] {
			tried, err := decodeAttempt(a.attempt)
			if err != nil {
				return nil, err
			}
			in.tried(tried, a.epoch >= r.retried)
		}
		list = append(list, in)
	}
	return list, nil
}

// Tasks is as that of [SQL].
func (m *Memory) Tasks(ctx context.Context, id job.ID, f job.TaskFilter) ([]job.TaskInfo, error) {
	leave, err := m.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	r, err := m.find(id)
	if err != nil {
		return nil, err
	}
	var list []job.TaskInfo
	for i := max(f.After+1, 0); i < r.Total && len(list) < limit(f.Limit); i++ {
		t, err := r.task(i)
		if err != nil {
			return nil, err
		}
		if len(f.States) == 0 || slices.Contains(f.States, t.State) {
			list = append(list, t)
		}
	}
	return list, nil
}

// task is a task with what it went through.
func (r *remembered) task(index int64) (job.TaskInfo, error) {
	t := job.TaskInfo{Index: index, Name: r.name(index), State: job.TaskPending}
	for _, n := range r.attempts[index] {
		a, err := decodeAttempt(n.attempt)
		if err != nil {
			return job.TaskInfo{}, err
		}
		t.Attempts = append(t.Attempts, a)
	}
	o, ended := r.outcomes[index]
	if !ended {
		return t, nil
	}
	t.State = o.state
	if o.last == "" {
		return t, nil
	}
	last, err := decodeAttempt(o.last)
	t.Attempts = withLast(t.Attempts, last)
	return t, err
}

// Claim is as that of [SQL].
func (m *Memory) Claim(ctx context.Context, owner string, ttl time.Duration) ([]Job, error) {
	leave, err := m.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	now := time.Now()
	var claimed []Job
	for _, r := range m.jobs {
		if r.State.Final() || r.Owner != "" && !r.lease.Before(now) && !r.lease.After(now.Add(farAhead*ttl)) {
			continue
		}
		r.Owner, r.lease, r.State = owner, now.Add(ttl), job.Queued
		r.Epoch++
		r.Version++
		j, err := r.snapshot(true)
		if err != nil {
			return nil, err
		}
		claimed = append(claimed, j)
	}
	slices.SortFunc(claimed, startOrder)
	return claimed, nil
}

// Renew is as that of [SQL].
func (m *Memory) Renew(ctx context.Context, owner string, ttl time.Duration, held map[job.ID]int64) (lost, cancels []job.ID, err error) {
	leave, err := m.enter(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer leave()
	for _, id := range slices.Sorted(maps.Keys(held)) {
		r, ok := m.jobs[id]
		switch {
		case !ok, r.Epoch != held[id], r.Owner != owner && !r.State.Final():
			lost = append(lost, id)
		case r.State.Final():
		default:
			r.lease = time.Now().Add(ttl)
			if r.CancelAsked {
				cancels = append(cancels, id)
			}
		}
	}
	return lost, cancels, nil
}

// Release is as that of [SQL].
func (m *Memory) Release(ctx context.Context, owner string) error {
	leave, err := m.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	for _, r := range m.jobs {
		if r.Owner == owner && !r.State.Final() {
			r.Owner, r.lease = "", time.Time{}
			r.Version++
		}
	}
	return nil
}
