package scheduler

import (
	"context"
	"sync"
	"time"

	"spillway/job"
)

// record is one job and where it stands.
type record struct {
	spec    job.Spec
	created time.Time
	source  Source
	done    chan struct{} // closed when the state is final

	mu       sync.Mutex              // guards what follows
	stopped  error                   // why the job must end early; nil: it need not
	cancel   context.CancelCauseFunc // ends what runs; nil until the job does
	job      job.Job                 // without Nodes, Running, Parked and Waiting
	tallies  map[job.NodeID]*job.Tally
	flights  map[*flight]struct{}
	progress time.Time // when a task last ended, or came nearer to its end
	lastWait string    // why a task was last parked
	watchers map[chan struct{}]struct{}
}

// flight is one task that has begun and not ended.
type flight struct {
	sent   time.Time // when its present attempt left; zero while it has none
	parked bool      // waits because no node takes it
}

func newRecord(spec job.Spec, source Source) *record {
	now := time.Now()
	return &record{
		spec: spec, created: now, source: source, done: make(chan struct{}),
		job:      job.Job{ID: spec.ID, Spec: spec, State: job.Queued, Created: now, Version: 1},
		tallies:  map[job.NodeID]*job.Tally{},
		flights:  map[*flight]struct{}{},
		watchers: map[chan struct{}]struct{}{},
		progress: now,
	}
}

// start returns the context in which the job runs: it ends when the job is
// stopped, with the reason as its cause, and not with ctx.
func (r *record) start(ctx context.Context) (context.Context, context.CancelCauseFunc) {
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	r.change(func() {
		r.job.State, r.job.Started, r.progress = job.Running, time.Now(), time.Now()
		if r.cancel = cancel; r.stopped != nil {
			cancel(r.stopped)
		}
	})
	return ctx, cancel
}

// stop ends the job early; the first reason counts.
func (r *record) stop(why error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopped == nil {
		r.stopped = why
	}
	if r.cancel != nil {
		r.cancel(r.stopped)
	}
}

// begin notes a task that begins.
func (r *record) begin(f *flight) {
	r.change(func() {
		if len(r.flights) == 0 {
			r.progress = time.Now() // it waited for others' tasks, or for its listing
		}
		r.flights[f] = struct{}{}
	})
}

// left notes that an attempt of a task left for a node.
func (r *record) left(f *flight) {
	r.mu.Lock()
	f.sent = time.Now()
	wasParked := f.parked
	r.mu.Unlock()
	if wasParked {
		r.change(func() { f.parked = false })
	}
}

// park notes that a task waits, and why.
func (r *record) park(f *flight, why string) {
	r.change(func() { f.sent, f.parked, r.lastWait = time.Time{}, true, why })
}

// rejected counts an attempt that a node turned away.
func (r *record) rejected(id job.NodeID) {
	r.change(func() { r.count(id, func(t *job.Tally) { t.Rejected++ }) })
}

// broke counts an attempt that a node took and did not do. A task has few of
// them, so that each gets it nearer to its end.
func (r *record) broke(id job.NodeID) {
	r.change(func() {
		r.progress = time.Now()
		r.count(id, func(t *job.Tally) { t.Failed++ })
	})
}

// count counts for a node; the caller holds the lock.
func (r *record) count(id job.NodeID, count func(*job.Tally)) {
	t, ok := r.tallies[id]
	if !ok {
		t = &job.Tally{Node: id}
		r.tallies[id] = t
	}
	count(t)
}

// finish notes that a task is done.
func (r *record) finish(f *flight, res job.Result, took time.Duration) {
	r.change(func() {
		delete(r.flights, f)
		r.job.Done++
		r.progress = time.Now()
		r.count(res.Node, func(t *job.Tally) {
			t.Done++
			t.Busy += took
			if res.Delayed {
				t.Delayed++
			}
		})
	})
}

// drop notes that nobody wants a task any more: it is neither done nor failed. A
// nil flight is a task that never began.
func (r *record) drop(f *flight) {
	r.change(func() { delete(r.flights, f) })
}

// fail notes that a task is given up. A nil flight is a task that never began.
func (r *record) fail(f *flight, failure job.Failure) {
	r.change(func() {
		if f != nil {
			delete(r.flights, f)
			r.progress = time.Now()
		}
		if failure.Quarantined {
			r.job.Quarantined++
		} else {
			r.job.Failed++
		}
		if len(r.job.Failures) < job.MaxFailures {
			r.job.Failures = append(r.job.Failures, failure)
		}
	})
}

// stalled reports whether nothing has got anywhere for so long, and no attempt
// is out that may still: one that left within that time, or that a node has had
// for long enough to have rejected it.
func (r *record) stalled(limit time.Duration) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if len(r.flights) == 0 || now.Sub(r.progress) < limit {
		return false
	}
	for f := range r.flights {
		if !f.sent.IsZero() && (f.sent.Before(r.progress.Add(limit)) || now.Sub(f.sent) > maxPark) {
			return false
		}
	}
	return true
}

// end makes the job final.
func (r *record) end(state job.State, err *job.Error) {
	r.change(func() {
		r.job.State, r.job.Err, r.job.Finished = state, err, time.Now()
		close(r.done)
	})
}
