package scheduler

import (
	"context"
	"slices"
	"sync"
)

// shares is the window of tasks in flight, shared by the jobs that send: each may
// have an equal part at least, and what others leave (max-min fairness; Bertsekas,
// Gallager, Data Networks, 1992).
type shares struct {
	mu      sync.Mutex // guards what follows, and every share
	window  int
	used    int
	senders []*share // jobs that have more to send
}

// share is one job's part of the window. One goroutine acquires, any may release.
type share struct {
	all      *shares
	inFlight int
	waiting  bool
	granted  chan struct{} // has room for one
}

func newShares(window int) *shares { return &shares{window: window} }

// join is a job that begins to send.
func (w *shares) join() *share {
	s := &share{all: w, granted: make(chan struct{}, 1)}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.senders = append(w.senders, s)
	return s
}

// leave tells that the job has nothing more to send.
func (s *share) leave() {
	w := s.all
	w.mu.Lock()
	defer w.mu.Unlock()
	w.senders = slices.DeleteFunc(w.senders, func(o *share) bool { return o == s })
	w.grant()
}

// acquire waits for a place. Errors: the cause of ctx.
func (s *share) acquire(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	w := s.all
	w.mu.Lock()
	if w.may(s) {
		w.used++
		s.inFlight++
		w.mu.Unlock()
		return nil
	}
	s.waiting = true
	w.mu.Unlock()
	select {
	case <-s.granted:
		return nil
	case <-ctx.Done():
	}
	w.mu.Lock()
	late := !s.waiting // it was granted at the same time
	s.waiting = false
	w.mu.Unlock()
	if late {
		<-s.granted
		s.release()
	}
	return context.Cause(ctx)
}

// release gives a place back.
func (s *share) release() {
	w := s.all
	w.mu.Lock()
	defer w.mu.Unlock()
	w.used--
	s.inFlight--
	w.grant()
}

// may tells whether s may have one more: within its part, or where no other that
// sends has less than its own.
func (w *shares) may(s *share) bool {
	if w.used >= w.window {
		return false
	}
	part := max(1, w.window/max(1, len(w.senders)))
	return s.inFlight < part ||
		!slices.ContainsFunc(w.senders, func(o *share) bool { return o != s && o.inFlight < part })
}

// grant gives those who wait what they may have, the one with the fewest first.
func (w *shares) grant() {
	for {
		var next *share
		for _, s := range w.senders {
			if s.waiting && w.may(s) && (next == nil || s.inFlight < next.inFlight) {
				next = s
			}
		}
		if next == nil {
			return
		}
		next.waiting = false
		next.inFlight++
		w.used++
		next.granted <- struct{}{}
	}
}
