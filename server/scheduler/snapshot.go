package scheduler

import (
	"maps"
	"slices"

	"spillway/job"
)

// change applies f under the lock and wakes the watchers.
func (r *record) change(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
	r.job.Version++
	for w := range r.watchers {
		select {
		case w <- struct{}{}:
		default:
		}
	}
}

// nextVersion is that of the job after its next change.
func (r *record) nextVersion() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.job.Version + 1
}

// subscribe returns a channel that holds a token after every change, and a
// function that ends the subscription.
func (r *record) subscribe() (changed <-chan struct{}, leave func()) {
	w := make(chan struct{}, 1)
	r.mu.Lock()
	r.watchers[w] = struct{}{}
	r.mu.Unlock()
	return w, func() {
		r.mu.Lock()
		delete(r.watchers, w)
		r.mu.Unlock()
	}
}

// snapshot is the job as it stands.
func (r *record) snapshot() job.Job {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.present()
}

// present is the job as it stands; the caller holds the lock.
func (r *record) present() job.Job {
	j := r.job
	j.Spec.Operation.Params = maps.Clone(j.Spec.Operation.Params)
	j.Err = copyOf(j.Err)
	j.Failures = slices.Clone(j.Failures)
	for i := range j.Failures {
		f := &j.Failures[i]
		f.Nodes, f.Err = slices.Clone(f.Nodes), copyOf(f.Err)
	}
	j.Running = int64(len(r.flights))
	for f := range r.flights {
		if f.parked {
			j.Parked++
			j.Waiting = r.lastWait
		}
	}
	if r.join != "" {
		j.Waiting = r.join
	}
	for _, name := range slices.Sorted(maps.Keys(r.tallies)) {
		j.Nodes = append(j.Nodes, *r.tallies[name])
	}
	return j
}

func copyOf(err *job.Error) *job.Error {
	if err == nil {
		return nil
	}
	e := *err
	return &e
}

// ended reports whether the job will not change any more.
func (r *record) ended() bool {
	select {
	case <-r.over:
		return true
	default:
		return false
	}
}

// underWay are the tasks that have begun and not ended.
func (r *record) underWay() map[int64]bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make(map[int64]bool, len(r.flights))
	for f := range r.flights {
		out[f.index] = true
	}
	return out
}
