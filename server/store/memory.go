package store

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"spillway/job"
)

// Memory is a store that forgets all when its program ends, for tests. All its
// methods may be called concurrently; they do what those of [SQL] do, and its
// clock is time.Now.
type Memory struct {
	mu     sync.Mutex
	jobs   map[job.ID]*remembered
	seq    int64
	closed bool

	accounts  accounts
	songs     songs
	workloads workloads
	home      string
}

// remembered is a job in memory.
type remembered struct {
	Job      // without Nodes, Failures and Steps
	names    []string
	outcomes map[int64]outcome
	attempts map[int64][]note
	tallies  map[job.NodeID]job.Tally
	lease    time.Time
	retried  int64
	steps    map[int64]string
}

// NewMemory makes an empty store.
func NewMemory() *Memory {
	return &Memory{
		jobs:      map[job.ID]*remembered{},
		accounts:  accounts{users: map[string]job.User{}, tokens: map[[32]byte]job.Token{}},
		songs:     songs{kept: map[int64]job.Music{}, parts: map[int64][]job.MusicPart{}},
		workloads: workloads{all: map[int64]job.Workload{}, images: map[int64][]job.Image{}},
	}
}

// Close has further calls fail.
func (m *Memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	return nil
}

// enter locks the store, and tells whether it serves this call.
func (m *Memory) enter(ctx context.Context) (leave func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return nil, closed()
	}
	return m.mu.Unlock, nil
}

// find is the job; mu is held.
func (m *Memory) find(id job.ID) (*remembered, error) {
	r, ok := m.jobs[id]
	if !ok {
		return nil, unknown(id)
	}
	return r, nil
}

// clear refuses a job that would write other results than one that has not ended
// writes into the same folder; mu is held.
func (m *Memory) clear(id job.ID, base string, op job.Operation) error {
	for _, r := range slices.Backward(m.newest()) {
		if r.ID != id && r.Base == base && !r.State.Final() {
			if err := collision(base, op, r.ID, r.Spec.Operation); err != nil {
				return err
			}
		}
	}
	return nil
}

// newest are all jobs, those submitted last first; mu is held.
func (m *Memory) newest() []*remembered {
	return slices.SortedFunc(maps.Values(m.jobs), func(a, b *remembered) int { return int(b.Seq - a.Seq) })
}

// Submit is as that of [SQL].
func (m *Memory) Submit(ctx context.Context, sub Submission) (Job, bool, error) {
	if err := sub.Spec.ID.Check(); err != nil {
		return Job{}, false, err
	}
	if known, found, err := m.submitted(ctx, sub); found || err != nil {
		return known, false, err
	}
	var names []string
	for p, err := range pages(ctx, sub.Inputs) {
		if err != nil {
			return Job{}, false, err
		}
		for _, name := range p.all() {
			names = append(names, name)
		}
	}
	return m.remember(ctx, sub, names, sub.steps())
}

func (m *Memory) submitted(ctx context.Context, sub Submission) (Job, bool, error) {
	leave, err := m.enter(ctx)
	if err != nil {
		return Job{}, false, err
	}
	defer leave()
	return m.submittedLocked(sub)
}

func (m *Memory) submittedLocked(sub Submission) (Job, bool, error) {
	r, ok := m.jobs[sub.Spec.ID]
	if !ok {
		return Job{}, false, nil
	}
	if !r.Same(sub.Spec, sub.asked()) {
		return Job{}, true, taken(sub.Spec.ID)
	}
	j, err := r.snapshot(true)
	return j, true, err
}

// Job is as that of [SQL].
func (m *Memory) Job(ctx context.Context, id job.ID) (Job, error) {
	leave, err := m.enter(ctx)
	if err != nil {
		return Job{}, err
	}
	defer leave()
	r, err := m.find(id)
	if err != nil {
		return Job{}, err
	}
	return r.snapshot(true)
}

// Jobs is as that of [SQL].
func (m *Memory) Jobs(ctx context.Context, f job.Filter) ([]Job, error) {
	leave, err := m.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	all, behind := m.newest(), func(*remembered) bool { return true }
	if f.OldestFirst {
		slices.Reverse(all)
	}
	if f.After != "" {
		after, err := m.find(f.After)
		if err != nil {
			return nil, err
		}
		behind = func(r *remembered) bool { return r.Seq != after.Seq && (r.Seq > after.Seq) == f.OldestFirst }
	}
	var list []Job
	for _, r := range all {
		if !behind(r) || len(f.States) > 0 && !slices.Contains(f.States, r.State) {
			continue
		}
		if len(list) == limit(f.Limit) {
			break
		}
		j, err := r.snapshot(false)
		if err != nil {
			return nil, err
		}
		list = append(list, j)
	}
	return list, nil
}

// snapshot shares nothing with r; mu is held.
func (r *remembered) snapshot(failures bool) (Job, error) {
	j := r.Job
	text, err := encodeSpec(r.Spec, r.Asked)
	if err != nil {
		return Job{}, err
	}
	if j.Spec, j.Asked, err = decodeSpec(j.ID, r.Spec.Source, text); err != nil {
		return Job{}, err
	}
	if r.Err != nil {
		own := *r.Err
		j.Err = &own
	}
	for _, node := range slices.Sorted(maps.Keys(r.tallies)) {
		j.Nodes = append(j.Nodes, r.tallies[node])
	}
	if !failures {
		return j, nil
	}
	if j.Steps, err = r.stepsBehind(-1); err != nil {
		return Job{}, err
	}
	j.Steps = j.Steps[max(0, len(j.Steps)-job.MaxSteps):]
	for _, i := range slices.Sorted(maps.Keys(r.outcomes)) {
		o := r.outcomes[i]
		if o.state == job.TaskDone || len(j.Failures) == job.MaxFailures {
			continue
		}
		f, err := o.failure(r.name(i))
		if err != nil {
			return Job{}, err
		}
		j.Failures = append(j.Failures, f)
	}
	return j, nil
}

// name is that of a task; "" for one that does not exist.
func (r *remembered) name(index int64) string {
	if index < 0 || index >= int64(len(r.names)) {
		return ""
	}
	return r.names[index]
}
