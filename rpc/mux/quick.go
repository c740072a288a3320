package mux

import (
	"sync"
	"sync/atomic"
	"time"
)

const (
	// quickTime is what a quick handler takes at most.
	quickTime = 50 * time.Microsecond
	// loneCalls is how many calls in a row must have found no other.
	loneCalls = 16
	// minded is how often it is looked whether one takes long after all.
	minded = time.Millisecond
)

// quick decides which calls the goroutine that reads a connection may run by
// itself: those of a method whose last call was quick, while no other goes on.
// That saves a lone caller two switches between goroutines. When such a call
// takes long after all, another goroutine goes on to read, after one to two
// milliseconds.
type quick struct {
	method atomic.Pointer[string]

	begun atomic.Uint64 // calls run by readers
	turn  atomic.Uint64 // the one that runs now; 0: none, or another goroutine reads

	mu      sync.Mutex // guards what follows
	minding bool       // timer is due
	timer   *time.Timer
	seen    uint64 // begun, when the timer was last due
}

// learn takes the time that a call of method took.
func (q *quick) learn(method string, took time.Duration) {
	known := q.expects(method)
	switch {
	case took <= quickTime && !known:
		name := method // only now it takes memory
		q.method.Store(&name)
	case took > quickTime && known:
		q.method.Store(nil)
	}
}

// expects tells that a call of method will probably be quick.
func (q *quick) expects(method string) bool {
	m := q.method.Load()
	return m != nil && *m == method
}

// begin is called before the reader runs a call. If that takes long, readOn is
// run in another goroutine.
func (q *quick) begin(readOn func()) (turn uint64) {
	turn = q.begun.Add(1)
	q.turn.Store(turn)
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.minding {
		return turn
	}
	q.minding = true
	if q.timer == nil {
		q.timer = time.AfterFunc(minded, func() { q.mind(readOn) })
	} else {
		q.timer.Reset(minded)
	}
	return turn
}

// end is called after the call; false: another goroutine reads.
func (q *quick) end(turn uint64) bool { return q.turn.CompareAndSwap(turn, 0) }

// mind looks after the readers while they run calls.
func (q *quick) mind(readOn func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	begun := q.begun.Load()
	if begun == q.seen {
		q.minding = false
		if q.turn.CompareAndSwap(begun, 0) {
			go readOn()
		}
		return
	}
	q.seen = begun
	q.timer.Reset(minded)
}
