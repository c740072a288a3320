package sim

// kind is what an event is.
type kind uint8

const (
	arrives  kind = iota // the next task, at a server
	reaches              // an attempt, its node
	starts               // an attempt whose injected delay is over
	finishes             // an attempt that runs
	answers              // an attempt, at its server
	cancels              // an attempt, at its node
	dues                 // an attempt is overdue
	hedges               // a task may get a copy
	recopies             // a copy that paused
	resumes              // a task that paused
	expires              // a task's deadline
	times                // a gate's queue, at those that wait too long
	asks                 // a probe, at its node
	tells                // its answer, at the server
	looks                // a server, at those who wait
	sweeps               // a server's ejection
	befalls              // a change of a node
	learns               // servers learn of it
	slows                // an antagonist comes or goes
	flaps                // a node dies or returns by chance
)

// event is due at a time. Of those due at once, the one that was planned first comes
// first, so that a run is the same every time.
type event struct {
	at    int64  // ns
	order uint64 // of planning, above the kind
	who   int32
	gen   uint32 // of who; it is another one now where they differ
}

func (e *event) kind() kind { return kind(e.order & 0xff) }

func (e *event) before(f *event) bool {
	return e.at < f.at || e.at == f.at && e.order < f.order
}

// agenda is what is due. Most events lie the same time ahead, half a round trip, and
// so are planned in the order in which they are due: these wait in a ring, and need
// no heap.
type agenda struct {
	heap  []event // 4-ary: half as deep as a binary one
	ring  []event // a power of two long
	first int     // of the ring
	count int     // in the ring
	last  int64   // when the last of the ring is due
	seq   uint64
}

// plan adds an event.
func (a *agenda) plan(at int64, k kind, who int32, gen uint32) {
	a.seq++
	e := event{at: at, order: a.seq<<8 | uint64(k), who: who, gen: gen}
	a.heap = append(a.heap, e)
	a.rise(len(a.heap)-1, e)
}

// follow adds an event that is mostly due no earlier than those added before.
func (a *agenda) follow(at int64, k kind, who int32, gen uint32) {
	if at < a.last && a.count > 0 {
		a.plan(at, k, who, gen)
		return
	}
	if a.count == len(a.ring) {
		a.grow()
	}
	a.seq++
	a.ring[(a.first+a.count)&(len(a.ring)-1)] = event{at: at, order: a.seq<<8 | uint64(k), who: who, gen: gen}
	a.count++
	a.last = at
}

func (a *agenda) grow() {
	bigger := make([]event, max(64, 2*len(a.ring)))
	n := copy(bigger, a.ring[a.first:])
	copy(bigger[n:], a.ring[:a.first])
	a.ring, a.first = bigger, 0
}

// pop is the next event; ok is false where there is none.
func (a *agenda) pop() (e event, ok bool) {
	if a.count > 0 {
		head := &a.ring[a.first]
		if len(a.heap) == 0 || head.before(&a.heap[0]) {
			a.first = (a.first + 1) & (len(a.ring) - 1)
			a.count--
			return *head, true
		}
	}
	if len(a.heap) == 0 {
		return event{}, false
	}
	e = a.heap[0]
	last := len(a.heap) - 1
	moved := a.heap[last]
	a.heap = a.heap[:last]
	if last > 0 {
		a.sink(moved)
	}
	return e, true
}

// rise puts e where it belongs on the way from i to the top.
func (a *agenda) rise(i int, e event) {
	for i > 0 {
		up := (i - 1) / 4
		if !e.before(&a.heap[up]) {
			break
		}
		a.heap[i] = a.heap[up]
		i = up
	}
	a.heap[i] = e
}

// sink puts e where it belongs on the way down from the top: the gap goes to the
// bottom along the earlier ones, and e rises from there, since it came from the bottom.
func (a *agenda) sink(e event) {
	i, n := 0, len(a.heap)
	for {
		child := 4*i + 1
		if child >= n {
			break
		}
		least := child
		for c := child + 1; c < min(child+4, n); c++ {
			if a.heap[c].before(&a.heap[least]) {
				least = c
			}
		}
		a.heap[i] = a.heap[least]
		i = least
	}
	a.rise(i, e)
}
