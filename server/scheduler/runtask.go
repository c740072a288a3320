package scheduler

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"spillway/job"
	"spillway/server/policy"
	"spillway/server/store"
	"spillway/server/tail"
	"spillway/trace"
)

// maxPark bounds the pause of a task that no node takes; see tail.Pause.
const maxPark = time.Second

// A node that failed a task gets it again after secondChance, doubled with each
// failure up to four times that, so that a bad node that answers fast does not use
// a task's tries up while the good ones reject. Where every node that is up failed
// it, the wait is once for each of these, up to four times; where every one of
// machine.txt did, there is none.
const secondChance = 6 * time.Second

// deathsForgiven is how many times as many deaths of nodes a task is forgiven as losses
// that nodes tell of, and afterDeath how long the node is left out for the task, where
// there are others.
const (
	deathsForgiven = 4
	afterDeath     = time.Second
)

// maxPixels bounds what a picture's header may say of its size.
const maxPixels = 1 << 30

// patience is how many times as often as Config.Breaks a task may break the same few
// nodes while others, which it may not break, turn it away.
const patience = 2

// try is what one task has gone through.
type try struct {
	r *record
	d *dispatcher
	f *flight
	t job.Task

	share    *share // of its job
	flow     *policy.Flow[*wish]
	retries  *retries
	wish     wish
	pixels   int64         // of its input; 0: unknown
	placed   bool          // has a place in the window
	yielded  bool          // gave it back, and goes on
	pause    tail.Pause    // where no node takes it
	await    tail.Pause    // of those that have not turned it away, while they are busy
	retryIn  time.Duration // the least that a node of this round has asked for; 0: some did not
	owes     bool          // failed, and must take its retry from the budget
	fresh    bool          // nothing was sent in this round yet
	turned   policy.Set    // turned it away in this round
	excluded policy.Set    // left out of this round
	unable   policy.Set    // cannot do the operation at all
	failed   policy.Set    // failed it, and the unable: other nodes first
	again    time.Time     // when those that failed it may have it again
	soon     time.Time     // the same, where no other node is up
	breaks   int
	brokeOn  []job.NodeID // the nodes of these, each once
	losses   int
	deaths   int          // of nodes, or of the way to them, while it was there
	nodes    []job.NodeID // that took it and did not do it
	taken    int          // how often a node took it
	lastErr  error        // of the last round in which something was sent
	lastFail job.Attempt  // the last that a node took and did not do; zero: none
	first    int          // the number of the last attempt before this server had the task
	span     trace.Span
}

func newTry(r *record, d *dispatcher, in store.Input) *try {
	y := &try{r: r, d: d, f: &flight{index: in.Index, name: in.Name}}
	y.t = job.Task{
		Job: r.spec.ID, Index: in.Index, Attempt: in.Number, Base: r.base, Name: in.Name, Operation: r.spec.Operation,
	}
	y.taken, y.first = in.Attempts, in.Number
	for _, a := range in.Tried { // under another server, or before this one was restarted
		y.nodes = append(y.nodes, a.Node)
		y.lastFail = a
		if job.CodeOf(a.Err) == job.Internal {
			y.broke(a.Node)
		}
	}
	y.t.Deadline = r.deadline
	y.wish.waiter = policy.Waiter[*wish]{Excluded: &y.excluded, Turned: &y.turned, Deadline: r.deadline}
	return y
}

// runTask brings one task to its end: done, failed, or given up with its job.
func (s *Scheduler) runTask(running, sending context.Context, y *try) {
	y.t.MayReject = y.d.traits.MayReject
	y.size()
	s.bar(y.r.spec.Tags, &y.excluded)
	y.r.begin(y.f)
	defer y.endTask()
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
			s.giveUp(y, job.Attempt{Err: s.panicked(y.t, v)}, false)
		}
	}()
	for {
		if running.Err() != nil || sending.Err() != nil { // the latter follows a moment later
			s.leave(running, y)
			return
		}
		if y.owes && !s.mayRetry(sending, y) {
			continue
		}
		switch i, v := s.pick(sending, y); v {
		case policy.Chosen:
			if s.attempt(running, y, i) {
				return
			}
		case policy.TooLate: // others of the job may still be done in time
			late := job.E(job.DeadlineExceeded, "", errors.New("it would not have been done before the job's deadline"), "")
			s.giveUp(y, job.Attempt{Err: late}, false)
			return
		case policy.Nobody:
			s.park(sending, y)
		case policy.Busy: // sending has ended
		}
	}
}

// size estimates how much there is to do; the baselines do not ask.
func (y *try) size() {
	if job.IsPicture(y.t.Name) { // how large another input is says little of how long it takes
		y.wish.waiter.Pace = y.d.paceOf(y.t.Operation.String())
	}
	if y.r.carrier != nil && !y.d.traits.Baseline {
		y.pixels = min(maxPixels, y.r.carrier.Pixels(y.t.Name))
		y.wish.waiter.Size = float64(y.pixels)
		y.wish.waiter.Work = y.d.work(y.t.Operation.Name, y.pixels)
	}
}

// pick chooses a node; where all are busy, it waits for one. Nodes may have come
// meanwhile that are not for the task.
func (s *Scheduler) pick(ctx context.Context, y *try) (int, policy.Verdict) {
	y.wish.waiter.Until = time.Time{}
	if (y.turned.Len() > 0 || y.failed.Len() > 0) && !y.d.traits.Baseline {
		y.wish.waiter.Until = time.Now().Add(y.d.pause(&y.await))
	}
	for {
		i, v := s.ask(ctx, y)
		if v != policy.Chosen || s.mayHave(i, y.r.spec.Tags) {
			return i, v
		}
		y.d.unsend(i, y)
		y.excluded.Add(i)
	}
}

// ask wishes for a node, and waits for the answer.
func (s *Scheduler) ask(ctx context.Context, y *try) (int, policy.Verdict) {
	if y.d.ask(y.flow, &y.wish) {
		return y.wish.node, y.wish.answer
	}
	y.r.wait(y.f)
	defer y.r.queue(-1)
	return y.d.await(ctx, &y.wish)
}

// attempt sends the task to node i, and copies elsewhere where that takes long, and
// reports whether the task has ended.
func (s *Scheduler) attempt(ctx context.Context, y *try, i int) bool {
	y.t.Attempt++
	if y.fresh {
		y.fresh, y.lastErr, y.retryIn = false, nil, 0
	}
	y.r.left(y.f)
	l, lost := s.run(ctx, y, i)
	if l.err == nil {
		for _, other := range lost {
			s.note(y, other)
		}
		s.finish(y, l)
		return true
	}
	if ctx.Err() != nil {
		return false
	}
	for _, one := range append([]lap{l}, lost...) {
		if s.judge(y, one) {
			return true
		}
	}
	return false
}

// finish ends a task that is done. It counts once the store has it.
func (s *Scheduler) finish(y *try, l lap) {
	y.taken++
	last := job.Attempt{
		Number: l.number, Node: l.res.Node, Sent: l.sent, Delayed: l.res.Delayed, Queued: l.res.Queued, Run: l.res.Run, Took: l.took,
	}
	if s.conclude(y, job.TaskDone, last) {
		s.noteMove(y, l.res.Node)
		y.r.finish(y.f, last, y.step(job.TaskDone, last))
	}
}

// noteMove tells of a task that one node took and did not do, and another did.
func (s *Scheduler) noteMove(y *try, to job.NodeID) {
	if len(y.nodes) == 0 || y.nodes[len(y.nodes)-1] == to {
		return
	}
	s.log.Info("task reassigned", "job", y.t.Job, "task", y.t.Name, "from", y.nodes[len(y.nodes)-1], "to", to,
		"attempt", y.t.Attempt, "why", y.lastFail.Err)
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
		y.noteEnd(state, last.Err)
		if s.cfg.Observer != nil {
			s.cfg.Observer.Ended(state)
		}
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
func (s *Scheduler) execute(ctx context.Context, y *try, t job.Task, i int) (res job.Result, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = s.panicked(t, v)
		}
	}()
	return s.send(ctx, y, t, i)
}

// panicked logs a panic and returns it as an error.
func (s *Scheduler) panicked(t job.Task, v any) *job.Error {
	s.log.Error("task panicked", "job", t.Job, "task", t.Name, "err", v, "stack", string(debug.Stack()))
	return job.E(job.Internal, "", errors.New("a fault of the server's own"), "report it with the server's log")
}

// note counts an attempt that was not done, and reports whether a node took it and
// failed.
func (s *Scheduler) note(y *try, l lap) (failed bool) {
	err, id := job.AsError(l.err), l.res.Node
	count := func(t job.Tally) {
		y.r.count(id, t)
		t.Node = id
		s.store.Note(store.Interim{Job: y.t.Job, Epoch: y.r.epoch, Index: y.t.Index, Tally: t})
	}
	switch {
	case l.superseded:
		count(job.Tally{Superseded: 1})
		return false
	case l.rejected(y.t):
		count(job.Tally{Rejected: 1})
		return false
	}
	y.lastErr = err
	if errors.Is(err, job.ErrNotSent) {
		return false
	}
	y.r.broke(id)
	y.taken++
	y.lastFail = job.Attempt{Number: l.number, Node: id, Sent: l.sent, Took: l.took, Err: err}
	s.store.Note(store.Interim{
		Job: y.t.Job, Epoch: y.r.epoch, Index: y.t.Index, Attempt: y.lastFail, Tally: job.Tally{Node: id, Failed: 1},
	})
	y.nodes = append(y.nodes, id)
	y.failed.Add(l.node)
	s.log.Warn("attempt failed", "job", y.t.Job, "task", y.t.Name, "node", id, "attempt", l.number, "code", err.Code, "err", err)
	return true
}

// judge decides what an attempt's error means for the task.
func (s *Scheduler) judge(y *try, l lap) (ended bool) {
	err := job.AsError(l.err)
	y.excluded.Add(l.node)
	y.askedToWait(l)
	if !s.note(y, l) {
		return false
	}
	y.owes = s.isUp(l.node) // the loss of a node is no fault of its tasks
	quarantined := false
	switch {
	case err.Code == job.Unimplemented:
		y.unable.Add(l.node)
		_, able := s.crew(y.r.spec.Tags, &y.unable)
		ended = able == 0
	case err.Code.Permanent():
		ended = true
	case err.Code == job.Internal:
		y.broke(l.res.Node)
		nodes, _ := s.crew(y.r.spec.Tags, nil)
		ended = y.breaks >= s.cfg.Breaks && len(y.brokeOn) >= min(s.cfg.Breaks, nodes) || y.breaks >= patience*s.cfg.Breaks
		quarantined = ended
		s.giveSecondChance(y)
	case errors.Is(err, job.ErrLost):
		// Nodes that die may come back at once; one task in many is what they die of.
		y.deaths++
		nodes, _ := s.crew(y.r.spec.Tags, nil)
		ended = y.deaths >= deathsForgiven*(nodes+3)
		y.soon = time.Now().Add(afterDeath)
		y.again = y.soon
	default:
		// Each node may lose it once, and a few losses more are forgiven.
		y.losses++
		nodes, _ := s.crew(y.r.spec.Tags, nil)
		ended = y.losses >= nodes+3
		s.giveSecondChance(y)
	}
	if ended {
		s.giveUp(y, y.lastFail, quarantined)
		return true
	}
	return false
}

// broke notes that the task broke a node.
func (y *try) broke(id job.NodeID) {
	y.breaks++
	if !slices.Contains(y.brokeOn, id) {
		y.brokeOn = append(y.brokeOn, id)
	}
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

// park waits before the next round.
func (s *Scheduler) park(ctx context.Context, y *try) {
	why := "every node rejects"
	size, _ := s.crew(y.r.spec.Tags, nil)
	switch {
	case size == 0 && len(y.r.spec.Tags) > 0:
		why = "no node has the tags " + strings.Join(y.r.spec.Tags, ",")
	case !s.anyUp():
		why = s.fleet.Trouble()
	case s.takers(y.r.spec.Tags) == 0:
		why = "the nodes with the tags " + strings.Join(y.r.spec.Tags, ",") + " drain or do not answer"
	case y.lastErr != nil:
		why = fmt.Sprintf("no node could do it yet (%v)", y.lastErr)
	}
	pause := y.d.pause(&y.pause)
	if y.retryIn > 0 { // what the nodes ask for, spread out
		pause = min(maxPark, y.retryIn/2+pause)
	}
	s.pause(ctx, y, why, pause)
	s.startRound(y, y.fresh && s.anyUp())
}

// askedToWait notes when a node that turned the task away wants to be asked again.
func (y *try) askedToWait(l lap) {
	after := time.Duration(0)
	if l.rejected(y.t) {
		after = job.AsError(l.err).RetryAfter
		y.turned.Add(l.node)
	}
	if y.retryIn == 0 || after < y.retryIn {
		y.retryIn = after
	}
}

// mayRetry takes the retry of a failure from the budget; where there is none, the task
// is parked until there is. False: ctx has ended.
func (s *Scheduler) mayRetry(ctx context.Context, y *try) bool {
	ready, ok := y.d.askRetry(y.retries)
	if !ok {
		s.rest(ctx, y, "so many attempts fail that retries are held back", ready)
		y.d.forgoRetry(y.retries, ready)
	}
	y.owes = false
	return ctx.Err() == nil
}

// pause parks a task for a time.
func (s *Scheduler) pause(ctx context.Context, y *try, why string, pause time.Duration) {
	over := make(chan struct{})
	timer := time.AfterFunc(pause, func() { close(over) })
	defer timer.Stop()
	s.rest(ctx, y, why, over)
}

// rest parks a task until over is closed, and gives its place to others meanwhile.
// Where ctx ends, it has none any more.
func (s *Scheduler) rest(ctx context.Context, y *try, why string, over <-chan struct{}) {
	y.r.park(y.f, why)
	y.yield()
	select {
	case <-over:
	case <-ctx.Done():
	}
	y.r.queue(1)
	y.placed, y.yielded = y.share.resume(ctx) == nil, false
	y.r.queue(-1)
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
	y.turned.Clear()
	y.excluded.Clear()
	for i := range y.failed.All {
		y.excluded.Add(i)
	}
	s.bar(y.r.spec.Tags, &y.excluded)
}

// giveUp ends the task without a result: last is the attempt that was the end of it, or,
// where no node had it then, an error alone.
func (s *Scheduler) giveUp(y *try, last job.Attempt, quarantined bool) {
	state := job.TaskFailed
	if quarantined {
		state = job.TaskQuarantined
	}
	if s.conclude(y, state, last) {
		failure := job.Failure{Name: y.t.Name, Attempts: y.taken, Nodes: y.nodes, Quarantined: quarantined, Err: last.Err}
		y.r.fail(y.f, failure, y.step(state, last))
	}
}
