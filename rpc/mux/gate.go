package mux

import (
	"sync"
	"sync/atomic"
)

const (
	// largeAnswer is the size from which on an answer is held up at the gate.
	largeAnswer = 32 << 10
	// gatePlaces is how many answers a connection makes at once beyond that size.
	gatePlaces = 2
)

// gate holds up the answers of a connection in the midst of their making, when
// they turn out to be large: few are made at once, and none while the peer does not
// read. Else a peer could have thousands made, by asking far ahead for a little.
type gate struct {
	w       *writer
	waiting atomic.Int32 // answers that are held up

	mu     sync.Mutex // guards inside
	moved  *sync.Cond // inside or waiting is less
	inside int
}

func (g *gate) init(w *writer) {
	g.w = w
	g.moved = sync.NewCond(&g.mu)
}

// enter waits for a place, which is kept until the answer has left. It waits no
// longer once the connection is broken.
func (g *gate) enter() {
	g.mu.Lock()
	g.waiting.Add(1)
	for g.inside == gatePlaces {
		g.moved.Wait()
	}
	g.inside++
	g.waiting.Add(-1)
	g.moved.Broadcast()
	g.mu.Unlock()
	g.w.await(backlog)
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inside--
	g.moved.Broadcast()
}

// settle waits until no answer is held up, so that not even more calls are read.
func (g *gate) settle() {
	if g.waiting.Load() == 0 {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.waiting.Load() > 0 {
		g.moved.Wait()
	}
}

// enlarge is told that n bytes more are about to be written by value.
func (t *tape) enlarge(n int) {
	if t.gate != nil && !t.gated && len(t.o.w)+n >= largeAnswer {
		t.gated = true
		t.gate.enter()
	}
}
