package scheduler

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	"spillway/job"
	"spillway/server/policy"
	"spillway/server/store"
)

// A task that no node takes is parked for a random time below firstPark, which
// grows by half with each round up to maxPark (full jitter).
const (
	firstPark = time.Millisecond
	maxPark   = time.Second
)

// A node that failed a task gets it again after secondChance, doubled with each
// failure up to four times that, so that a bad node that answers fast does not use
// a task's tries up while the good ones reject. Where every node that is up failed
// it, the wait is once for each of these, up to four times; where every one of
// machine.txt did, there is none.
const secondChance = 6 * time.Second

// try is what one task has gone through.
type try struct {
	r *record
	d *dispatcher
	f *flight
	t job.Task

	share    *share        // of its job
	placed   bool          // has a place in the window
	yielded  bool          // gave it back, and goes on
	most     time.Duration // bound of the last park
	fresh    bool          // nothing was sent in this round yet
	excluded policy.Set    // left out of this round
	unable   policy.Set    // cannot do the operation at all
	failed   policy.Set    // failed it, and the unable: other nodes first
	again    time.Time     // when those that failed it may have it again
	soon     time.Time     // the same, where no other node is up
	breaks   int
	losses   int
	nodes    []job.NodeID // that took it and did not do it
	taken    int          // how often a node took it
	sent     time.Time    // when the present attempt left
	lastErr  error        // of the last round in which something was sent
	lastFail *job.Error   // of the last attempt that a node took and did not do
}

func newTry(r *record, d *dispatcher, in store.Input) *try {
	y := &try{r: r, d: d, f: &flight{index: in.Index}}
	y.t = job.Task{
		Job: r.spec.ID, Index: in.Index, Attempt: in.Number, Base: r.base, Name: in.Name, Operation: r.spec.Operation,
	}
	y.taken = in.Attempts
	for _, a := range in.Tried { // under another server, or before this one was restarted
		y.nodes = append(y.nodes, a.Node)
		y.lastFail = a.Err
		if job.CodeOf(a.Err) == job.Internal {
			y.breaks++
		}
	}
	y.t.Deadline = r.deadline
	return y
}

// runTask brings one task to its end: done, failed, or given up with its job.
func (s *Scheduler) runTask(running, sending context.Context, y *try) {
	y.t.MayReject = y.d.mayReject
	s.bar(y.r.spec.Tags, &y.excluded)
	y.r.begin(y.f)
	defer func() {
		if y.placed {
			y.share.release()
		}
		if y.yielded {
			y.share.end()
		}
	}()
	defer func() {
		if v := recover(); v != nil {
			s.giveUp(y, s.panicked(y.t, v), false)
		}
	}()
	for {
		if running.Err() != nil || sending.Err() != nil { // the latter follows a moment later
			s.leave(running, y)
			return
		}
		i, ok := y.d.pick(&y.excluded)
		if !ok {
			s.park(sending, y)
			continue
		}
		if s.attempt(running, y, i) {
			return
		}
	}
}

// attempt sends the task to node i and reports whether the task has ended.
func (s *Scheduler) attempt(ctx context.Context, y *try, i int) bool {
	y.t.Attempt++
	if y.fresh {
		y.fresh, y.lastErr = false, nil
	}
	y.r.left(y.f)
	y.sent = time.Now()
	res, err := s.execute(ctx, y, i)
	took := time.Since(y.sent)
	if err != nil && !y.t.Deadline.IsZero() && !time.Now().Before(y.t.Deadline) {
		y.r.stop(errDeadline) // the job's own timer may be a moment late
	}
	if err != nil && ctx.Err() != nil {
		err = ctx.Err() // nobody wants the answer any more
	}
	y.d.observe(i, took, res, err)
	if err == nil {
		res.Node = s.fleet.ID(i)
		s.finish(y, res, took)
		return true
	}
	if ctx.Err() != nil {
		return false
	}
	return s.judge(y, i, job.AsError(err), took)
}

// finish ends a task that is done. It counts once the store has it.
func (s *Scheduler) finish(y *try, res job.Result, took time.Duration) {
	y.taken++
	kept := s.conclude(y, job.TaskDone, job.Attempt{
		Number: y.t.Attempt, Node: res.Node, Sent: y.sent, Delayed: res.Delayed, Queued: res.Queued, Run: res.Run, Took: took,
	})
	if kept {
		s.noteMove(y, res.Node)
		y.r.finish(y.f, res, took)
	}
}

// noteMove tells of a task that one node took and did not do, and another did.
func (s *Scheduler) noteMove(y *try, to job.NodeID) {
	if len(y.nodes) == 0 || y.nodes[len(y.nodes)-1] == to {
		return
	}
	s.log.Info("task reassigned", "job", y.t.Job, "task", y.t.Name, "from", y.nodes[len(y.nodes)-1], "to", to,
		"attempt", y.t.Attempt, "why", y.lastFail)
}

// yield gives the task's place in the window to others, if it has one.
func (y *try) yield() {
	if y.placed {
		y.share.yield()
		y.placed, y.yielded = false, true
	}
}

// conclude keeps the end of a task, which others do not wait for; false: it is not
// this server's to tell.
func (s *Scheduler) conclude(y *try, state job.TaskState, last job.Attempt) bool {
	o := store.Outcome{
		Job: y.t.Job, Epoch: y.r.epoch, Index: y.t.Index, State: state, At: time.Now(),
		Last: last, Attempts: y.taken, Nodes: y.nodes,
	}
	y.yield()
	trouble := func(err error) { y.r.stuck(y.f, "its end cannot be kept: "+job.AsError(err).Err.Error()) }
	err := s.keep("end of a task", trouble, func(ctx context.Context) error { return s.store.Finish(ctx, o) })
	if err == nil {
		return true
	}
	y.r.drop(y.f)
	if errors.Is(err, store.ErrStale) {
		s.log.Warn("a task's end came too late", "job", y.t.Job, "task", y.t.Name, "state", state)
		y.r.markStale()
	}
	return false
}

// execute sends one attempt; a panic on the way breaks that attempt only.
func (s *Scheduler) execute(ctx context.Context, y *try, i int) (res job.Result, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = s.panicked(y.t, v)
		}
	}()
	return s.send(ctx, y, i)
}

// panicked logs a panic and returns it as an error.
func (s *Scheduler) panicked(t job.Task, v any) *job.Error {
	s.log.Error("task panicked", "job", t.Job, "task", t.Name, "err", v, "stack", string(debug.Stack()))
	return job.E(job.Internal, "", errors.New("a fault of the server's own"), "report it with the server's log")
}

// judge decides what an attempt's error means for the task.
func (s *Scheduler) judge(y *try, i int, err *job.Error, took time.Duration) (ended bool) {
	id := s.fleet.ID(i)
	y.excluded.Add(i)
	// A node that sees that the deadline would pass first turns the task away, too.
	if err.Code == job.ResourceExhausted || err.Code == job.DeadlineExceeded && !y.t.Deadline.IsZero() {
		y.r.rejected(id)
		s.store.Note(store.Interim{Job: y.t.Job, Epoch: y.r.epoch, Index: y.t.Index, Tally: job.Tally{Node: id, Rejected: 1}})
		return false
	}
	y.lastErr = err
	if errors.Is(err, job.ErrNotSent) {
		return false
	}
	y.r.broke(id)
	y.taken++
	s.store.Note(store.Interim{
		Job: y.t.Job, Epoch: y.r.epoch, Index: y.t.Index,
		Attempt: job.Attempt{Number: y.t.Attempt, Node: id, Sent: y.sent, Took: took, Err: err},
		Tally:   job.Tally{Node: id, Failed: 1},
	})
	y.nodes = append(y.nodes, id)
	y.lastFail = err
	y.failed.Add(i)
	s.log.Warn("attempt failed", "job", y.t.Job, "task", y.t.Name, "node", id, "attempt", y.t.Attempt, "code", err.Code, "err", err)
	quarantined := false
	switch {
	case err.Code == job.Unimplemented:
		y.unable.Add(i)
		_, able := s.crew(y.r.spec.Tags, &y.unable)
		ended = able == 0
	case err.Code.Permanent():
		ended = true
	case err.Code == job.Internal:
		y.breaks++
		ended = y.breaks >= s.cfg.Breaks
		quarantined = ended
		s.giveSecondChance(y)
	default:
		// Each node may lose it once, and a few losses more are forgiven.
		y.losses++
		nodes, _ := s.crew(y.r.spec.Tags, nil)
		ended = y.losses >= nodes+3
		s.giveSecondChance(y)
	}
	if ended {
		s.giveUp(y, err, quarantined)
		return true
	}
	return false
}

// giveSecondChance sets when the nodes that failed the task may have it again. A
// short stall timeout shortens the wait, so that the tries are made before the job
// stalls.
func (s *Scheduler) giveSecondChance(y *try) {
	wait := secondChance
	if s.cfg.Stall > 0 {
		wait = min(wait, s.cfg.Stall/8)
	}
	y.soon = time.Now().Add(wait * time.Duration(min(y.failed.Len(), 4)))
	y.again = time.Now().Add(wait << min(y.breaks+y.losses-1, 2))
}

// park waits before the next round, and gives its place to others meanwhile. Where
// ctx ends, it has none any more.
func (s *Scheduler) park(ctx context.Context, y *try) {
	why := "every node rejects"
	size, _ := s.crew(y.r.spec.Tags, nil)
	switch {
	case size == 0 && len(y.r.spec.Tags) > 0:
		why = "no node has the tags " + strings.Join(y.r.spec.Tags, ",")
	case !s.anyUp():
		why = s.fleet.Trouble()
	case !s.someTake(y.r.spec.Tags):
		why = "the nodes with the tags " + strings.Join(y.r.spec.Tags, ",") + " drain or do not answer"
	case y.lastErr != nil:
		why = fmt.Sprintf("no node could do it yet (%v)", y.lastErr)
	}
	y.r.park(y.f, why)
	y.yield()
	y.most = min(maxPark, max(firstPark, y.most+y.most/2))
	timer := time.NewTimer(y.d.jitter(y.most))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	y.r.queue(1)
	y.placed, y.yielded = y.share.resume(ctx) == nil, false
	y.r.queue(-1)
	s.startRound(y, y.fresh && s.anyUp())
}

// startRound chooses who is left out of the next round: the nodes that cannot do
// the task at all and, for a while, those that failed it, unless all did.
// idle: nobody was left to ask in the last round, though some node is up.
func (s *Scheduler) startRound(y *try, idle bool) {
	now := time.Now()
	_, fresh := s.crew(y.r.spec.Tags, &y.failed)
	if fresh == 0 || !now.Before(y.again) || idle && !now.Before(y.soon) {
		y.failed.Clear()
		for i := range y.unable.All {
			y.failed.Add(i)
		}
	}
	y.fresh = true
	y.excluded.Clear()
	for i := range y.failed.All {
		y.excluded.Add(i)
	}
	s.bar(y.r.spec.Tags, &y.excluded)
}

// giveUp ends the task without a result.
func (s *Scheduler) giveUp(y *try, err *job.Error, quarantined bool) {
	state := job.TaskFailed
	if quarantined {
		state = job.TaskQuarantined
	}
	if s.conclude(y, state, job.Attempt{Err: err}) {
		y.r.fail(y.f, job.Failure{Name: y.t.Name, Attempts: y.taken, Nodes: y.nodes, Quarantined: quarantined, Err: err})
	}
}
