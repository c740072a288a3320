package rpc

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"time"

	"spillway/gen-go/spillway"
	"spillway/job"
)

// errand is the node's end of the files of one attempt: what the worker asks of
// them becomes a wish, which the caller fetches and answers with serve_content.
type errand struct {
	id       string
	size     int64
	modified time.Time

	mu      sync.Mutex // guards what follows
	wish    *spillway.ContentWish
	into    []byte        // takes the input's bytes that were wished for
	granted chan grant    // tells the worker; holds one
	last    int64         // number of the latest wish
	changed chan struct{} // closed and replaced when there is a wish, or the attempt is over
	over    bool
	callers int         // calls that bring an answer, or wait for a wish
	silence *time.Timer // runs while there are none
}

const (
	// askAgain is how long a caller waits for a wish before it is to ask again, so that
	// one that stands still is noticed.
	askAgain = 10 * time.Second
	// callerGone is how long an attempt goes on whose caller does not ask.
	callerGone = 30 * time.Second
)

// errCallerSilent ends an attempt whose caller stands still, though its connection is
// open: it would keep its place in the workspace from others.
var errCallerSilent = errors.New("its server has not asked for its files for " + callerGone.String())

// grant is how a wish was answered.
type grant struct {
	sum []byte
	err error
}

var _ job.Content = (*errand)(nil)

func newErrand(t *spillway.Task) *errand {
	return &errand{id: t.GetContent(), size: t.GetInputBytes(), modified: fromMicros(t.GetInputModifiedUs()), changed: make(chan struct{})}
}

// Input implements [job.Content].
func (e *errand) Input(context.Context) (job.InputInfo, error) {
	return job.InputInfo{Size: e.size, Modified: e.modified}, nil
}

// Read implements [job.Content].
func (e *errand) Read(ctx context.Context, p []byte, offset int64) ([]byte, error) {
	w := &spillway.ContentWish{Offset: offset, Length: int64(len(p))}
	return e.ask(ctx, w, p)
}

// Write implements [job.Content].
func (e *errand) Write(ctx context.Context, p job.Piece) error {
	w := &spillway.ContentWish{
		Output: p.Name, Offset: p.Offset, Length: int64(len(p.Data)), Size: &p.Size, Data: p.Data, Sha256: p.Sum,
	}
	_, err := e.ask(ctx, w, nil)
	return err
}

// ask makes a wish and waits until it is granted.
func (e *errand) ask(ctx context.Context, w *spillway.ContentWish, into []byte) ([]byte, error) {
	granted := make(chan grant, 1)
	e.mu.Lock()
	e.last++
	w.Number = e.last
	e.wish, e.into, e.granted = w, into, granted
	e.tell()
	e.mu.Unlock()
	select {
	case g := <-granted:
		return g.sum, g.err
	case <-ctx.Done():
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.wish, e.into = nil, nil // so that nobody touches the worker's memory any more
	return nil, ctx.Err()
}

// watch calls abandon once there has been no caller for callerGone.
func (e *errand) watch(abandon func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.silence = time.AfterFunc(callerGone, abandon)
	if e.callers > 0 || e.over {
		e.silence.Stop()
	}
}

// come and leave count a caller; mu is held.
func (e *errand) come() {
	if e.callers++; e.silence != nil {
		e.silence.Stop()
	}
}

func (e *errand) leave() {
	if e.callers--; e.callers == 0 && e.silence != nil && !e.over {
		e.silence.Reset(callerGone)
	}
}

// tell wakes those that wait for a change; mu is held.
func (e *errand) tell() {
	close(e.changed)
	e.changed = make(chan struct{})
}

// end lets go of a caller that waits for a wish.
func (e *errand) end() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.over, e.wish, e.into = true, nil, nil
	if e.silence != nil {
		e.silence.Stop()
	}
	e.tell()
}

// serve takes an answer and returns the next wish, as serve_content promises. Of
// an attempt that is over, or that wishes nothing for askAgain, there is none.
func (e *errand) serve(ctx context.Context, a *spillway.ContentAnswer) *spillway.ContentWish {
	none := &spillway.ContentWish{}
	wait := true
	again := time.NewTimer(askAgain)
	defer again.Stop()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.come()
	defer e.leave()
	if w := e.wish; w != nil && a != nil && a.Number == w.Number {
		e.granted <- e.grant(w, a)
		wait = !e.ends(w) && a.Failure == nil
		e.wish, e.into = nil, nil
	}
	for e.wish == nil && wait && !e.over {
		changed := e.changed
		e.mu.Unlock()
		select {
		case <-changed:
		case <-again.C:
			wait = false
		case <-ctx.Done():
			wait = false
		}
		e.mu.Lock()
	}
	if e.wish == nil {
		return none
	}
	w := *e.wish // the answer is written after the worker may have gone on
	if len(w.Data) > 0 {
		w.Data = append([]byte(nil), w.Data...)
	}
	return &w
}

// ends tells that a file ends with the piece of w, so that the next wish may be
// long in coming.
func (e *errand) ends(w *spillway.ContentWish) bool {
	size := e.size
	if w.Output != "" {
		size = w.GetSize()
	}
	return w.Offset+w.Length >= size
}

// grant checks an answer and takes its bytes; mu is held.
func (e *errand) grant(w *spillway.ContentWish, a *spillway.ContentAnswer) grant {
	ends := e.ends(w)
	switch {
	case a.Failure != nil:
		return grant{err: failureFromWire(a.Failure)}
	case w.Output != "":
		return grant{}
	case len(a.Data) != len(e.into), ends != (len(a.Sha256) == sha256.Size):
		return grant{err: job.E(job.Unavailable, "receive the input",
			fmt.Errorf("%d bytes came where %d were asked for at %d of %d", len(a.Data), len(e.into), w.Offset, e.size), "")}
	}
	copy(e.into, a.Data) // it is lent
	if !ends {
		return grant{}
	}
	return grant{sum: append([]byte(nil), a.Sha256...)}
}

// errUnknownContent tells that no attempt runs with that content.
var errUnknownContent = errors.New("no attempt with this content runs here")

// errands are those of the attempts that run, by their random word.
type errands struct {
	mu      sync.Mutex // guards what follows
	byID    map[string]*errand
	changed chan struct{} // closed and replaced when one comes
}

func newErrands() *errands {
	return &errands{byID: map[string]*errand{}, changed: make(chan struct{})}
}

// add makes e known until the returned function is called. Errors: InvalidArgument.
func (s *errands) add(e *errand) (remove func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, taken := s.byID[e.id]; taken || e.id == "" || e.size < 0 {
		return nil, job.E(job.InvalidArgument, "run", errors.New("its content has no word of its own, or no length"), "")
	}
	s.byID[e.id] = e
	close(s.changed)
	s.changed = make(chan struct{})
	return func() {
		s.mu.Lock()
		delete(s.byID, e.id)
		s.mu.Unlock()
		e.end()
	}, nil
}

// find waits until the attempt that the content belongs to has arrived, since it
// may come over another connection, or ctx ends.
func (s *errands) find(ctx context.Context, id string) (*errand, error) {
	for {
		s.mu.Lock()
		e, changed := s.byID[id], s.changed
		s.mu.Unlock()
		if e != nil {
			return e, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, job.E(job.NotFound, "content", errUnknownContent, "")
		}
	}
}
