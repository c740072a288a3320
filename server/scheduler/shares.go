package scheduler

import (
	"context"
	"slices"
	"sync"
)

// shares is the window of tasks in flight, shared by the jobs that run: each may
// have an equal part at least, and what others leave (max-min fairness; Bertsekas,
// Gallager, Data Networks, 1992). A task that no node takes gives its place back
// while it is parked, and queues for one again; one whose end is being kept needs none
// any more. A job with as many of both as the window is wide begins no new ones, so
// that memory stays bounded.
type shares struct {
	mu     sync.Mutex // guards what follows, and every share
	window int
	used   int
	jobs   []*share
}

// share is one job's part of the window. One goroutine acquires; any may call the
// rest.
type share struct {
	all      *shares
	inFlight int
	parked   int             // tasks that yielded, and have neither a place again nor ended
	sending  bool            // has more to send
	next     chan struct{}   // of the new task that waits for room; nil: none does
	back     []chan struct{} // of those that were parked and wait for room, in order
}

func newShares(window int) *shares { return &shares{window: window} }

// join is a job that begins to send.
func (w *shares) join() *share {
	s := &share{all: w, sending: true}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.jobs = append(w.jobs, s)
	return s
}

// sent tells that the job has nothing more to send but what was parked.
func (s *share) sent() {
	w := s.all
	w.mu.Lock()
	defer w.mu.Unlock()
	s.sending = false
	w.grant()
}

// leave is the end of a job whose tasks have all ended.
func (s *share) leave() {
	w := s.all
	w.mu.Lock()
	defer w.mu.Unlock()
	w.jobs = slices.DeleteFunc(w.jobs, func(o *share) bool { return o == s })
	w.grant()
}

// acquire waits for a place for a new task. Errors: the cause of ctx.
func (s *share) acquire(ctx context.Context) error {
	w := s.all
	w.mu.Lock()
	if ctx.Err() == nil && s.mayBegin() && w.may(s) {
		s.take()
		w.mu.Unlock()
		return nil
	}
	room := make(chan struct{})
	s.next = room
	w.mu.Unlock()
	return s.wait(ctx, room)
}

// yield gives the place of a task back that is parked, or whose end is being kept; it
// resumes or ends later.
func (s *share) yield() {
	w := s.all
	w.mu.Lock()
	defer w.mu.Unlock()
	s.parked++
	s.free()
}

// resume waits for a place for a task that was parked, ahead of new ones. With an
// error it has none. Errors: the cause of ctx.
func (s *share) resume(ctx context.Context) error {
	w := s.all
	w.mu.Lock()
	if ctx.Err() == nil && len(s.back) == 0 && w.may(s) {
		s.parked--
		s.take()
		w.grant() // a new task of the job may have waited for this
		w.mu.Unlock()
		return nil
	}
	room := make(chan struct{})
	s.back = append(s.back, room)
	w.mu.Unlock()
	return s.wait(ctx, room)
}

// wait waits until room is given, or ctx ends.
func (s *share) wait(ctx context.Context, room chan struct{}) error {
	select {
	case <-room:
		if ctx.Err() == nil {
			return nil
		}
	case <-ctx.Done():
	}
	w := s.all
	w.mu.Lock()
	defer w.mu.Unlock()
	switch at := slices.Index(s.back, room); {
	case at >= 0:
		s.back = slices.Delete(s.back, at, at+1)
		s.parked--
		w.grant()
	case s.next == room:
		s.next = nil
	default: // it was given at the same time
		s.free()
	}
	return context.Cause(ctx)
}

// release gives a place back.
func (s *share) release() {
	w := s.all
	w.mu.Lock()
	defer w.mu.Unlock()
	s.free()
}

// end is the end of a task that yielded.
func (s *share) end() {
	w := s.all
	w.mu.Lock()
	defer w.mu.Unlock()
	s.parked--
	w.grant()
}

// take and free move a place; mu is held.
func (s *share) take() {
	s.inFlight++
	s.all.used++
}

func (s *share) free() {
	s.inFlight--
	s.all.used--
	s.all.grant()
}

// mayBegin tells that the job has not too many parked tasks to begin new ones; mu
// is held.
func (s *share) mayBegin() bool { return s.parked < s.all.window }

// waits tells that a task of the job could use room at once, and hungry that one
// does, or is about to; mu is held.
func (s *share) waits() bool  { return len(s.back) > 0 || s.next != nil && s.mayBegin() }
func (s *share) hungry() bool { return len(s.back) > 0 || s.sending && s.mayBegin() }

// may tells whether s may have one more: within its part, or where no other that is
// hungry has less than its own; mu is held.
func (w *shares) may(s *share) bool {
	if w.used >= w.window {
		return false
	}
	hungry := 1
	for _, o := range w.jobs {
		if o != s && o.hungry() {
			hungry++
		}
	}
	part := max(1, w.window/hungry)
	return s.inFlight < part ||
		!slices.ContainsFunc(w.jobs, func(o *share) bool { return o != s && o.hungry() && o.inFlight < part })
}

// grant gives those who wait what they may have, the job with the fewest first; mu
// is held.
func (w *shares) grant() {
	for w.used < w.window {
		var to *share
		for _, s := range w.jobs {
			if s.waits() && (to == nil || s.inFlight < to.inFlight) && w.may(s) {
				to = s
			}
		}
		if to == nil {
			return
		}
		to.take()
		if len(to.back) == 0 {
			close(to.next)
			to.next = nil
			continue
		}
		close(to.back[0])
		to.back = slices.Delete(to.back, 0, 1)
		to.parked--
	}
}
