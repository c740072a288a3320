package mux

import (
	"errors"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// patience is how long a sender may be held up by a write itself. Then a
	// goroutine takes over, and the sender goes on to wait for its answer.
	patience = 10 * time.Millisecond
	// rounds is how often one sender writes for others before a goroutine does.
	rounds = 8
	// batchBytes ends a batch, so that the write timeout bounds a known size.
	batchBytes = 1 << 20
	// copyBytes is the size up to which messages are copied together.
	copyBytes = 16 << 10
)

// past is a deadline that wakes whoever reads or writes.
var past = time.Unix(1, 0)

// entry is a message that waits to be written.
type entry struct {
	o    *outgoing
	seq  int32
	done chan struct{} // closed once the message's memory is not used any more; nil: nobody waits
}

// writer writes messages to one connection. The first to send writes for all
// who send meanwhile, many messages to a system call (flat combining; Hendler,
// Incze, Shavit, Tzafrir 2010). Its methods may be called concurrently.
type writer struct {
	nc      net.Conn
	timeout time.Duration // for a batch to leave
	// direct lets senders write themselves. A TLS connection is spoilt by a
	// write that a deadline stops, so there a goroutine writes.
	direct bool
	crowd  func() bool                     // more senders are likely to come at once; may be nil
	broken func(err error, unsent []int32) // called once; unsent are the calls of which no byte left

	bytes     atomic.Int64 // written
	interrupt atomic.Bool  // somebody wants the memory of the batch back

	mu    sync.Mutex // guards what follows
	room  *sync.Cond // the backlog shrank, or the connection broke
	queue []entry
	size  atomic.Int64 // bytes queued and being written; may be read without the mutex
	busy  bool         // somebody writes
	err   error

	// What is being written, and how long a sender may be held up by that; belongs
	// to whoever made the writer busy.
	hold  time.Duration
	batch []entry
	wrote int // bytes of it that have left
	rest  net.Buffers
	vec   [][]byte // the room behind rest
	buf   []byte
}

func (w *writer) init(nc net.Conn, timeout time.Duration, direct bool) {
	w.nc, w.timeout, w.direct, w.hold = nc, timeout, direct, patience
	w.room = sync.NewCond(&w.mu)
}

// send queues o, which it takes over, and writes it unless somebody else does.
// hold is how long the sender may be held up by that, patience at most; 0: not at
// all. An error means that the connection is broken and that nothing of o left.
func (w *writer) send(o *outgoing, seq int32, hold time.Duration) error {
	return w.enqueue(entry{o: o, seq: seq}, hold)
}

// lend sends a message that refers to memory of the caller's; done is closed when
// that is not used any more.
func (w *writer) lend(o *outgoing, seq int32, hold time.Duration) (done chan struct{}, err error) {
	done = make(chan struct{})
	return done, w.enqueue(entry{o: o, seq: seq, done: done}, hold)
}

func (w *writer) enqueue(e entry, hold time.Duration) error {
	w.mu.Lock()
	if err := w.err; err != nil {
		w.mu.Unlock()
		e.o.free()
		return err
	}
	w.queue = append(w.queue, e)
	w.size.Add(int64(e.o.size))
	mine := !w.busy
	w.busy = true
	w.mu.Unlock()
	switch {
	case !mine:
	case !w.direct || hold <= 0:
		go w.drain(false)
	default:
		w.hold = hold
		if w.crowd != nil && w.crowd() {
			runtime.Gosched()
		}
		w.drain(true)
	}
	return nil
}

// drain writes until the queue is empty. A direct one leaves the rest to a
// goroutine when the peer is slow or others send all the time.
func (w *writer) drain(direct bool) {
	var end time.Time
	if direct {
		end = time.Now().Add(w.hold)
	}
	for round := 0; w.next(); round++ {
		if direct && round == rounds {
			go w.finish()
			return
		}
		if !w.flush(end) {
			return
		}
	}
}

// finish takes over a batch that was begun.
func (w *writer) finish() {
	if w.flush(time.Time{}) {
		w.drain(false)
	}
}

// next makes the next batch out of the queue; false: there is none.
func (w *writer) next() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.queue) == 0 || w.err != nil {
		w.busy = false
		return false
	}
	n, size := 0, 0
	for n < len(w.queue) && size < batchBytes {
		size += w.queue[n].o.size
		n++
	}
	w.batch = append(w.batch[:0], w.queue[:n]...)
	left := copy(w.queue, w.queue[n:])
	clear(w.queue[left:])
	w.queue = w.queue[:left]
	w.wrote = 0
	w.gather()
	return true
}

// gather lists the bytes of the batch; small messages are copied together.
func (w *writer) gather() {
	buf, vec, from := w.buf[:0], w.vec[:0], 0
	if len(w.batch) == 1 && len(w.batch[0].o.segs) == 0 {
		w.rest = append(vec, w.batch[0].o.w)
		w.vec = w.rest
		return
	}
	total := 0
	for _, e := range w.batch {
		if len(e.o.segs) == 0 && len(e.o.w) <= copyBytes {
			total += len(e.o.w)
		}
	}
	if cap(buf) < total {
		buf = make([]byte, 0, total) // it must not move any more
	}
	flush := func() {
		if len(buf) > from {
			vec = append(vec, buf[from:])
			from = len(buf)
		}
	}
	for _, e := range w.batch {
		if len(e.o.segs) == 0 && len(e.o.w) <= copyBytes {
			buf = append(buf, e.o.w...)
			continue
		}
		flush()
		at := 0
		for _, s := range e.o.segs {
			vec = append(vec, e.o.w[at:s.off], s.ref)
			at = s.off
		}
		vec = append(vec, e.o.w[at:])
	}
	flush()
	w.buf, w.vec, w.rest = buf, vec, vec
	if cap(buf) > 4*copyBytes {
		w.buf = nil
	}
}

// flush writes the batch; false: the connection broke, or a goroutine took over at
// end, if there is one.
func (w *writer) flush(end time.Time) bool {
	deadline := end
	if end.IsZero() {
		deadline = time.Now().Add(w.timeout)
	}
	for {
		w.nc.SetWriteDeadline(deadline)
		if w.interrupt.Swap(false) {
			w.giveBack()
		}
		err := w.write()
		switch {
		case err == nil:
			w.written()
			return true
		case !errors.Is(err, os.ErrDeadlineExceeded):
			w.fail(err)
			return false
		case time.Now().Before(deadline): // interrupted
		case !end.IsZero():
			go w.finish()
			return false
		default:
			w.fail(errors.New("the peer does not read"))
			return false
		}
	}
}

// write tries once. What is left stands in w.rest.
func (w *writer) write() error {
	if len(w.rest) == 1 {
		n, err := w.nc.Write(w.rest[0])
		w.wrote += n
		w.bytes.Add(int64(n))
		w.rest[0] = w.rest[0][n:]
		return err
	}
	n, err := w.rest.WriteTo(w.nc)
	w.wrote += int(n)
	w.bytes.Add(n)
	return err
}

// giveBack copies what is left of the batch and returns the memory that it
// refers to.
func (w *writer) giveBack() {
	size := 0
	for _, b := range w.rest {
		size += len(b)
	}
	own := make([]byte, 0, size)
	for _, b := range w.rest {
		own = append(own, b...)
	}
	w.rest = append(w.vec[:0], own)
	for i, e := range w.batch {
		if e.done != nil {
			close(e.done)
			w.batch[i].done = nil
		}
	}
}

// written ends a batch that is out.
func (w *writer) written() {
	size := 0
	for i := range w.batch {
		size += w.batch[i].o.size
		w.batch[i].free()
	}
	clear(w.vec)
	clear(w.batch)
	w.mu.Lock()
	w.size.Add(-int64(size))
	w.room.Broadcast()
	w.mu.Unlock()
}

func (e *entry) free() {
	if e.done != nil {
		close(e.done)
	}
	e.o.free()
}

// fail ends the writer; it belongs to whoever writes.
func (w *writer) fail(err error) {
	unsent := w.close(err)
	begins := 0
	for i := range w.batch {
		if begins >= w.wrote { // nothing of it
			unsent = append(unsent, w.batch[i].seq)
		}
		begins += w.batch[i].o.size
		w.batch[i].free()
	}
	clear(w.vec)
	clear(w.batch)
	w.broken(err, unsent)
}

// close lets nothing more be written, and returns the calls that still waited.
// What is being written fails by itself once the connection is closed.
func (w *writer) close(err error) (unsent []int32) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		w.err = err
	}
	for i := range w.queue {
		unsent = append(unsent, w.queue[i].seq)
		w.queue[i].free()
	}
	w.queue = nil
	w.room.Broadcast()
	return unsent
}

// recall takes a message back that still waits; false: its bytes are leaving or
// have left.
func (w *writer) recall(seq int32) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range w.queue {
		if w.queue[i].seq == seq {
			w.size.Add(-int64(w.queue[i].o.size))
			w.queue[i].free()
			w.queue = append(w.queue[:i], w.queue[i+1:]...)
			return true
		}
	}
	return false
}

// reclaim waits until lent memory is not used any more, which it hastens: what
// the peer has not taken is copied.
func (w *writer) reclaim(done chan struct{}) {
	w.interrupt.Store(true)
	w.nc.SetWriteDeadline(past)
	<-done
}

// over tells that more than limit bytes wait to be taken by the peer.
func (w *writer) over(limit int) bool { return w.size.Load() > int64(limit) }

// shrink gives up the room that many messages at once took, if none is there.
func (w *writer) shrink() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.busy {
		w.queue, w.batch, w.rest, w.vec, w.buf = nil, nil, nil, nil, nil
	}
}

// seal lets nothing more be written, once all that was sent is with the peer or
// the connection is broken. It tells whether that is so, and waits for it if asked.
func (w *writer) seal(err error, wait bool) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.over(0) && w.err == nil {
		if !wait {
			return false
		}
		w.room.Wait()
	}
	if w.err == nil {
		w.err = err
	}
	return true
}

// await waits until no more than limit bytes wait to be taken by the peer;
// false: the connection is broken.
func (w *writer) await(limit int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.over(limit) && w.err == nil {
		w.room.Wait()
	}
	return w.err == nil
}
