package admission

import "time"

// state is where a task stands in a gate.
type state uint8

const (
	gone    state = iota // not admitted, or left
	delayed              // in the injected delay
	queued               // admitted, and does not want a slot yet
	waiting              // wants a slot
	running              // has one
)

// Entry is a task in a [Gate]. Whoever has the task makes it, one for each, and
// touches nothing but Task while the gate has it; it can be used again once the task
// has left.
type Entry[T any] struct {
	// Task is what the caller knows the task by.
	Task T

	state     state
	mayReject bool
	deadline  time.Time // zero: never
	operation string
	work      time.Duration // as it was thought to take
	known     bool          // work is no mere guess
	rif       int           // others in flight when it came
	came      time.Time
	since     time.Time     // when it began to wait
	expires   time.Time     // when it is dropped; zero: never
	waited    time.Duration // for its slot, once it has one

	before, after *Entry[T] // in the line
	heap          int       // place in the heap; -1: none
}

// Running tells that the task has a slot.
func (e *Entry[T]) Running() bool { return e.state == running }

// Waited is how long the task has waited for the slot that it has.
func (e *Entry[T]) Waited() time.Duration { return e.waited }

// Expires is when a task that waits for a slot is dropped; zero: never.
func (e *Entry[T]) Expires() time.Time { return e.expires }

// line is the tasks that wait for a slot, in the order of their coming, and those of
// them that expire in a heap, the first to do so on top.
type line[T any] struct {
	first, last *Entry[T]
	size        int
	formed      time.Time // since when it has not been empty
	heap        []*Entry[T]
}

// standing is for how long the line has not been empty.
func (l *line[T]) standing(now time.Time) time.Duration {
	if l.size == 0 {
		return 0
	}
	return now.Sub(l.formed)
}

// push puts a task at the end.
func (l *line[T]) push(now time.Time, e *Entry[T]) {
	if l.size == 0 {
		l.formed, l.first = now, e
	} else {
		l.last.after, e.before = e, l.last
	}
	l.last = e
	l.size++
	if !e.expires.IsZero() {
		e.heap = len(l.heap)
		l.heap = append(l.heap, e)
		l.up(e.heap)
	}
}

// remove takes a task out, wherever it is.
func (l *line[T]) remove(e *Entry[T]) {
	if e.before == nil {
		l.first = e.after
	} else {
		e.before.after = e.after
	}
	if e.after == nil {
		l.last = e.before
	} else {
		e.after.before = e.before
	}
	e.before, e.after = nil, nil
	l.size--
	at := e.heap
	if at < 0 {
		return
	}
	last := len(l.heap) - 1
	l.swap(at, last)
	l.heap[last], l.heap = nil, l.heap[:last]
	e.heap = -1
	if at < last {
		l.down(at)
		l.up(at)
	}
}

// expired is a task whose time to wait is over; nil: none.
func (l *line[T]) expired(now time.Time) *Entry[T] {
	if len(l.heap) == 0 || now.Before(l.heap[0].expires) {
		return nil
	}
	return l.heap[0]
}

func (l *line[T]) less(i, j int) bool { return l.heap[i].expires.Before(l.heap[j].expires) }

func (l *line[T]) swap(i, j int) {
	l.heap[i], l.heap[j] = l.heap[j], l.heap[i]
	l.heap[i].heap, l.heap[j].heap = i, j
}

func (l *line[T]) up(i int) {
	for parent := (i - 1) / 2; i > 0 && l.less(i, parent); parent = (i - 1) / 2 {
		l.swap(i, parent)
		i = parent
	}
}

func (l *line[T]) down(i int) {
	for {
		child := 2*i + 1
		if child+1 < len(l.heap) && l.less(child+1, child) {
			child++
		}
		if child >= len(l.heap) || !l.less(child, i) {
			return
		}
		l.swap(i, child)
		i = child
	}
}
