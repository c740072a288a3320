package scheduler

import (
	"context"
	"slices"
	"sync"
	"time"

	"spillway/job"
	"spillway/server/store"
)

// record is one job that has not ended, and where it stands.
type record struct {
	spec job.Spec
	kept chan struct{} // closed when the store has it, or has refused it
	over chan struct{} // closed when it has ended, or is another server's

	// Set before kept is closed.
	base     string
	epoch    int64
	seq      int64     // in the order of submission
	deadline time.Time // zero: none
	turn     *turn

	carrier Carrier // set before its tasks are sent; nil: none
	trace   string  // set before, too: the traceparent of its tasks; "": none

	mu       sync.Mutex // guards what follows
	held     bool       // nothing more may be sent
	stale    bool       // the store knew better about the end of a task
	stopped  error      // why the job must end early; nil: it need not
	hush     context.CancelCauseFunc
	cancel   context.CancelCauseFunc // ends what runs; nil until the job does
	job      job.Job                 // without Nodes, Running, Parked and Waiting
	tallies  map[job.NodeID]*job.Tally
	flights  map[*flight]struct{}
	progress time.Time // when a task last ended, or came nearer to its end
	queued   int       // flights that wait for room in the window, or for a node that is busy
	looked   time.Time // when stalled was last asked
	lastWait string    // why a task was last parked
	steps    steps
	join     string // what is being joined; "": nothing
	unjoined bool   // something is to be joined, once the tasks are done
	watchers map[chan struct{}]struct{}
}

// flight is one task that has begun and not ended.
type flight struct {
	index  int64
	begun  time.Time
	sent   time.Time // when its present attempt left; zero while it has none
	parked bool      // waits because no node takes it, or its end cannot be kept
	ending bool      // the latter
	name   string
	on     []job.NodeID // one for each attempt that is under way
}

func newRecord(j store.Job) *record {
	r := &record{
		spec: j.Spec, base: j.Base, kept: make(chan struct{}), over: make(chan struct{}),
		tallies:  map[job.NodeID]*job.Tally{},
		flights:  map[*flight]struct{}{},
		watchers: map[chan struct{}]struct{}{},
		progress: time.Now(),
	}
	r.adopt(j)
	return r
}

// adopt takes what the store has of the job.
func (r *record) adopt(j store.Job) {
	r.epoch, r.seq, r.deadline = j.Epoch, j.Seq, j.Deadline
	r.job = j.Job
	r.steps = newSteps(j.Steps)
	r.job.State, r.job.Nodes = job.Queued, nil
	r.job.Version = max(j.Version, time.Now().UnixMicro()) // newer than any that another server gave
	for _, t := range j.Nodes {
		r.tallies[t.Node] = &t
	}
}

// contexts are those in which the job runs: sending ends when nothing more may be
// sent, and running when it is stopped, each with the reason as its cause.
func (r *record) contexts(life context.Context) (running, sending context.Context) {
	running, cancel := context.WithCancelCause(life)
	sending, hush := context.WithCancelCause(running)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cancel, r.hush = cancel, hush
	if r.held {
		hush(errStopped)
	}
	if r.stopped != nil {
		cancel(r.stopped)
	}
	return running, sending
}

// moment is now as the store keeps it.
func moment() time.Time { return time.Now().UTC().Round(0) }

// started notes that the job has its turn.
func (r *record) started(at time.Time) {
	r.change(func() {
		r.job.State, r.progress = job.Running, at
		if r.job.Started.IsZero() {
			r.job.Started = at
		}
	})
}

// allDone tells that every task is done, and what they made is joined.
func (r *record) allDone() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.job.Counted && r.job.Done == r.job.Total && !r.unjoined
}

func (r *record) markStale() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stale = true
}

func (r *record) isStale() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stale
}

// isKept tells that the store has the job; it may yet refuse it otherwise.
func (r *record) isKept() bool {
	select {
	case <-r.kept:
		return true
	default:
		return false
	}
}

// hold lets nothing more be sent, and what runs go on.
func (r *record) hold(why error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held = true
	if r.hush != nil {
		r.hush(why)
	}
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
	f.begun = time.Now()
	r.change(func() {
		if len(r.flights) == 0 {
			r.progress = f.begun // it waited for others' tasks, or for its listing
		}
		r.flights[f] = struct{}{}
	})
}

// aboard notes that an attempt of a task is under way to a node, or with it, until the
// returned function is called.
func (r *record) aboard(f *flight, node job.NodeID) (off func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f.on = append(f.on, node)
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if at := slices.Index(f.on, node); at >= 0 {
			f.on = slices.Delete(f.on, at, at+1)
		}
	}
}

// nodesWith are the nodes that have a task at the moment, by its name.
func (r *record) nodesWith(task string) (all []job.NodeID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for f := range r.flights {
		if f.name == task {
			all = append(all, f.on...)
		}
	}
	return all
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

// queue counts flights that begin, or end, to wait for room in the window.
func (r *record) queue(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.queued += n
}

// wait notes that a task waits for a node, since all are busy; it counts as one that
// waits for room.
func (r *record) wait(f *flight) {
	r.mu.Lock()
	f.sent = time.Time{}
	r.queued++
	parked := f.parked
	r.mu.Unlock()
	if parked {
		r.change(func() { f.parked = false })
	}
}

// stuck notes that the end of a task cannot be kept, and why.
func (r *record) stuck(f *flight, why string) {
	r.change(func() { f.sent, f.parked, f.ending, r.lastWait = time.Time{}, true, true, why })
}

// count counts attempts that were not done and cost the task nothing.
func (r *record) count(id job.NodeID, t job.Tally) {
	r.change(func() {
		r.tally(id, func(sum *job.Tally) {
			sum.Rejected += t.Rejected
			sum.Superseded += t.Superseded
		})
	})
}

// broke counts an attempt that a node took and did not do. A task has few of
// them, so that each gets it nearer to its end.
func (r *record) broke(id job.NodeID) {
	r.change(func() {
		r.progress = time.Now()
		r.tally(id, func(t *job.Tally) { t.Failed++ })
	})
}

// tally counts for a node; the caller holds the lock.
func (r *record) tally(id job.NodeID, count func(*job.Tally)) {
	t, ok := r.tallies[id]
	if !ok {
		t = &job.Tally{Node: id}
		r.tallies[id] = t
	}
	count(t)
}

// finish notes that a task is done.
func (r *record) finish(f *flight, last job.Attempt, st job.Step) {
	r.change(func() {
		delete(r.flights, f)
		r.job.Done++
		r.progress = time.Now()
		r.tally(last.Node, func(t *job.Tally) {
			t.Done++
			t.Busy += last.Took
			if last.Delayed {
				t.Delayed++
			}
		})
		r.tellTask(st)
	})
}

// drop notes that nobody wants a task any more: it is neither done nor failed.
func (r *record) drop(f *flight) {
	r.change(func() { delete(r.flights, f) })
}

// fail notes that a task is given up, which may not have begun.
func (r *record) fail(f *flight, failure job.Failure, st job.Step) {
	r.change(func() {
		if _, begun := r.flights[f]; begun {
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
		r.tellTask(st)
	})
}

// stalled reports whether nothing has got anywhere for so long, and no attempt
// is out that may still: one that left within that time, or that a node has had
// for long enough to have rejected it. The time in which all of its tasks wait for
// the places of other jobs does not count.
func (r *record) stalled(limit time.Duration) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	now, last := time.Now(), r.looked
	r.looked = now
	if r.queued > 0 && r.queued == len(r.flights) && !last.IsZero() {
		if r.progress = r.progress.Add(now.Sub(last)); r.progress.After(now) {
			r.progress = now
		}
	}
	if len(r.flights) == 0 || now.Sub(r.progress) < limit {
		return false
	}
	for f := range r.flights {
		if f.ending { // that is the store's fault
			return false
		}
		if !f.sent.IsZero() && (f.sent.Before(r.progress.Add(limit)) || now.Sub(f.sent) > maxPark) {
			return false
		}
	}
	return true
}

// end makes the job final.
func (r *record) end(state job.State, err *job.Error, at time.Time) {
	r.change(func() {
		r.job.State, r.job.Err, r.job.Finished, r.join = state, err, at, ""
		close(r.over)
	})
}

// leave is the end of what this server has to do with the job, which goes on
// elsewhere or later.
func (r *record) leave() {
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.over)
}
