package store

import (
	"context"
	"runtime"
	"sync"
	"time"
)

// queue gathers what is to be written while a group is being written, so that
// one commit serves all who wait. It has a goroutine only while there is work.
//
// It holds one outcome or end for each caller that waits, a tally for each node
// of a job, and maxAttempts attempts.
type queue struct {
	mu      sync.Mutex
	next    *group // nil: nothing has gathered
	due     bool   // notes alone are reason enough to write
	writing bool
	closed  bool
	failure error // of the last group
	timer   *time.Timer
	done    sync.WaitGroup // the goroutine that writes
}

// group is what leaves with one commit.
type group struct {
	outcomes []outcome
	ends     []ending
	notes    notes
	// finished and ended have an answer each for outcomes and ends, when done is closed.
	finished, ended []error
	done            chan struct{}
}

// Finish keeps the end of a task, and returns when it is on the disk. It shares
// the commit with what others finish meanwhile.
//
// Errors: ErrStale (another server has the job, or the task or the job has ended
// before), InvalidArgument (no such task or state), Unavailable. After Unavailable or an ended context
// the outcome may yet be kept; told again it is then stale.
func (s *SQL) Finish(ctx context.Context, o Outcome) error {
	kept, err := keep(o)
	if err != nil {
		return err
	}
	var n int
	g := s.gather(func(g *group) {
		n = len(g.outcomes)
		g.outcomes = append(g.outcomes, kept)
	})
	if err := g.wait(ctx); err != nil {
		return err
	}
	return g.finished[n]
}

// End makes the job's state final. Whatever was told of it before is kept first.
//
// Errors: ErrStale (another server has the job, or it has ended before),
// NotFound, Unavailable, as for Finish.
func (s *SQL) End(ctx context.Context, e Ending) error {
	kept, err := keepEnding(e)
	if err != nil {
		return err
	}
	var n int
	g := s.gather(func(g *group) {
		n = len(g.ends)
		g.ends = append(g.ends, kept)
	})
	if err := g.wait(ctx); err != nil {
		return err
	}
	return g.ended[n]
}

// Note keeps what is worth keeping of a task that has not ended. It does not
// wait: the note leaves with the next Finish or End, or after a while on its own.
// A crash loses what has not left. What is noted by a former owner, or of a job
// that has ended, is dropped.
func (s *SQL) Note(i Interim) {
	kept := keepInterim(i)
	if kept.empty() {
		return
	}
	q := &s.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return
	}
	q.add().notes.add(kept)
	s.arm(s.cfg.NoteDelay)
}

// gather lets put add to the group that leaves next.
func (s *SQL) gather(put func(*group)) *group {
	q := &s.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		g := &group{done: make(chan struct{})}
		put(g)
		g.fail(closed())
		return g
	}
	g := q.add()
	put(g)
	s.start()
	return g
}

// add gives the group that leaves next; mu is held.
func (q *queue) add() *group {
	if q.next == nil {
		q.next = &group{done: make(chan struct{})}
	}
	return q.next
}

// arm has the notes written after a while; mu is held.
func (s *SQL) arm(after time.Duration) {
	q := &s.queue
	if q.timer != nil || q.closed {
		return
	}
	q.timer = time.AfterFunc(after, func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.timer, q.due = nil, true
		s.start()
	})
}

// start sees to it that somebody writes; mu is held.
func (s *SQL) start() {
	q := &s.queue
	if q.writing || q.next == nil {
		return
	}
	q.writing = true
	q.done.Go(s.drain)
}

// drain writes groups until none has gathered that is to leave now.
func (s *SQL) drain() {
	for {
		runtime.Gosched() // lets those whom the last commit woke come along
		g := s.queue.take()
		if g == nil {
			return
		}
		s.commit(g)
	}
}

// take gives the group to be written now; nil: none, and the writer goes.
func (q *queue) take() *group {
	q.mu.Lock()
	defer q.mu.Unlock()
	g := q.next
	if g == nil || len(g.outcomes) == 0 && len(g.ends) == 0 && !q.due {
		q.writing = false
		return nil
	}
	q.next, q.due = nil, false
	return g
}

// commit writes the group and tells all who wait. Notes that could not be kept
// are tried again later.
func (s *SQL) commit(g *group) {
	ctx, cancel := context.Background(), context.CancelFunc(func() {})
	if s.dialect.patience > 0 {
		ctx, cancel = context.WithTimeout(ctx, s.dialect.patience)
	}
	defer cancel()
	err := s.writeGroup(ctx, g)
	if ends := len(g.outcomes) + len(g.ends); err == nil && ends > 0 && s.cfg.Observer != nil {
		s.cfg.Observer.Grouped(ends)
	}
	q := &s.queue
	q.mu.Lock()
	q.failure = err
	if err != nil && !g.notes.empty() {
		s.cfg.Log.Warn("notes wait for the database", "err", err, "attempts", len(g.notes.attempts))
		q.add().notes.add(g.notes)
		s.arm(10 * s.cfg.NoteDelay)
	}
	q.mu.Unlock()
	if err != nil {
		g.fail(err)
		return
	}
	close(g.done)
}

// fail gives all who wait the same answer.
func (g *group) fail(err error) {
	g.finished, g.ended = make([]error, len(g.outcomes)), make([]error, len(g.ends))
	for i := range g.finished {
		g.finished[i] = err
	}
	for i := range g.ended {
		g.ended[i] = err
	}
	close(g.done)
}

// wait returns when the group has an answer.
func (g *group) wait(ctx context.Context) error {
	select {
	case <-g.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// stop writes what waits, and lets nothing more in. It tells whether this was the
// first stop, and why notes were lost.
func (s *SQL) stop() (first bool, err error) {
	q := &s.queue
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return false, nil
	}
	q.closed, q.due, q.failure = true, true, nil
	if q.timer != nil {
		q.timer.Stop()
	}
	s.start()
	q.mu.Unlock()
	q.done.Wait()
	return true, q.failure
}

// Unkept is how many ends of tasks and jobs wait for the next commit, and not for the
// one that is under way.
func (s *SQL) Unkept() int {
	q := &s.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.next == nil {
		return 0
	}
	return len(q.next.outcomes) + len(q.next.ends)
}

func (q *queue) stopped() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.closed
}
