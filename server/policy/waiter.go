package policy

import (
	"cmp"
	"slices"
	"time"
)

// Waiter is a task that wants a node, or a second copy of one. Its owner makes it,
// sets what is exported, and keeps it; only one dispatcher has it at a time.
type Waiter[T any] struct {
	Item T
	// Work is as in [Request]. Within a flow, the most work is served first, and among
	// equals the one that came first; likewise among copies.
	Work float64
	// Copy tells that another attempt of the task runs already: it is served when no
	// task waits.
	Copy bool
	// Excluded are the nodes left out; nil: none. Turned are those of them that only
	// turned it away. They may change while the waiter does not wait.
	Excluded, Turned *Set
	// Until is how long it waits where every node that is not left out is busy; then the
	// answer is Nobody, so that those that turned it away may be asked again. Zero: always.
	Until time.Time
	// Deadline is when the task is worth nothing any more; zero: never.
	Deadline time.Time
	// Pace is how long tasks of its kind take, and Size that of this one; nil: nobody knows.
	Pace *Pace
	Size float64

	flow *Flow[T]
	copy bool // it waits as one; Copy is its owner's
	seq  uint64
	at   int // its place in the heap, from 1; 0: it does not wait
}

// Waits reports whether it waits for a node.
func (w *Waiter[T]) Waits() bool { return w.at > 0 }

// Flow is tasks that are served in turn with those of other flows: a job. The zero
// Flow has priority 0.
type Flow[T any] struct {
	// Priority: one of a higher flow is served before any of a lower one.
	Priority int

	tag     float64 // the virtual time at which its next task starts
	seq     uint64  // among those of the same time, the flow that came first is served first
	waiters heap[*Waiter[T]]
	at      int // its place in the line, from 1; 0: nothing of it waits
}

// Reset makes a flow of which nothing waits a new one, in the same memory.
func (f *Flow[T]) Reset() { *f = Flow[T]{waiters: f.waiters} }

// line holds the waiters. Flows of a priority take turns by start-time fair queueing
// with equal weights (Goyal, Vin, Cheng 1996): a flow's next task starts, in virtual
// time, a unit after its last, or now where it had none waiting.
type line[T any] struct {
	flows  heap[*Flow[T]]
	copies heap[*Waiter[T]]
	now    float64 // virtual time: the start of the task that was served last
	work   float64 // of all tasks that wait, copies aside
	tasks  int     // how many those are
	seq    uint64
}

// heap is a binary heap whose elements know their places.
type heap[E any] struct {
	all    []E
	before func(a, b E) bool
	place  func(e E) *int
}

func newLine[T any]() *line[T] {
	return &line[T]{
		flows: heap[*Flow[T]]{
			before: func(a, b *Flow[T]) bool {
				if a.Priority != b.Priority {
					return a.Priority > b.Priority
				}
				if a.tag != b.tag {
					return a.tag < b.tag
				}
				return a.seq < b.seq
			},
			place: func(f *Flow[T]) *int { return &f.at },
		},
		copies: waiters[T](),
	}
}

// waiters is a heap of them, those with the most work first.
func waiters[T any]() heap[*Waiter[T]] {
	return heap[*Waiter[T]]{
		before: func(a, b *Waiter[T]) bool {
			if a.Work != b.Work {
				return a.Work > b.Work
			}
			return a.seq < b.seq
		},
		place: func(w *Waiter[T]) *int { return &w.at },
	}
}

// push lets w wait as one of f; where it waited already, it does so no more.
func (l *line[T]) push(f *Flow[T], w *Waiter[T]) {
	if w.Waits() {
		l.remove(w, false)
	}
	l.seq++
	if w.seq = l.seq; f.seq == 0 {
		f.seq = l.seq
	}
	w.flow, w.copy = f, w.Copy
	l.restore(w)
}

// restore lets w wait again at its old place.
func (l *line[T]) restore(w *Waiter[T]) {
	if w.copy {
		l.copies.push(w)
		return
	}
	f := w.flow
	if f.waiters.before == nil {
		f.waiters = waiters[T]()
	}
	f.waiters.push(w)
	l.work += work(w.Work)
	l.tasks++
	if f.at == 0 {
		f.tag = max(f.tag, l.now)
		l.flows.push(f)
	}
}

// first is the waiter whose turn it is; nil: none waits.
func (l *line[T]) first() *Waiter[T] {
	switch {
	case len(l.flows.all) > 0:
		return l.flows.all[0].waiters.all[0]
	case len(l.copies.all) > 0:
		return l.copies.all[0]
	}
	return nil
}

// light is one of the lesser tasks of the flow whose turn it is; nil: no task waits.
func (l *line[T]) light() *Waiter[T] {
	if len(l.flows.all) == 0 {
		return nil
	}
	all := l.flows.all[0].waiters.all
	leaves := all[len(all)-min(lightOf, len(all)):]
	return slices.MinFunc(leaves, func(a, b *Waiter[T]) int { return cmp.Compare(a.Work, b.Work) })
}

// lightOf is how many leaves of a heap are looked at for a small task.
const lightOf = 8

// remove takes w out of the line; served: because it was its turn.
func (l *line[T]) remove(w *Waiter[T], served bool) {
	if w.copy {
		l.copies.remove(w)
		return
	}
	f := w.flow
	f.waiters.remove(w)
	l.work -= work(w.Work)
	if l.tasks--; l.tasks == 0 {
		l.work = 0 // rid of what rounding left
	}
	if served {
		l.now = max(l.now, f.tag)
		f.tag++
	}
	switch {
	case len(f.waiters.all) == 0:
		l.flows.remove(f)
	case served:
		l.flows.settle(f.at - 1)
	}
}

func (h *heap[E]) push(e E) {
	h.all = append(h.all, e)
	*h.place(e) = len(h.all)
	h.rise(len(h.all) - 1)
}

func (h *heap[E]) remove(e E) {
	i, last := *h.place(e)-1, len(h.all)-1
	h.swap(i, last)
	var none E
	h.all[last] = none
	h.all = h.all[:last]
	*h.place(e) = 0
	if i < last {
		h.settle(i)
	}
}

// settle puts the element at i where it belongs.
func (h *heap[E]) settle(i int) { h.sink(h.rise(i)) }

func (h *heap[E]) rise(i int) int {
	for i > 0 {
		up := (i - 1) / 2
		if !h.before(h.all[i], h.all[up]) {
			break
		}
		h.swap(i, up)
		i = up
	}
	return i
}

func (h *heap[E]) sink(i int) {
	for {
		least := i
		for _, down := range [2]int{2*i + 1, 2*i + 2} {
			if down < len(h.all) && h.before(h.all[down], h.all[least]) {
				least = down
			}
		}
		if least == i {
			return
		}
		h.swap(i, least)
		i = least
	}
}

func (h *heap[E]) swap(i, j int) {
	if i != j {
		h.all[i], h.all[j] = h.all[j], h.all[i]
		*h.place(h.all[i]), *h.place(h.all[j]) = i+1, j+1
	}
}
