package mux_test

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// fault is what a link does to the bytes that pass. The zero value passes them on.
type fault struct {
	name string
	// delay is how much later every byte arrives.
	delay time.Duration
	// loss is the share of segments that are lost. A stream hides loss: the
	// segment and all bytes behind it come late, by rto, the time after which the
	// sender's TCP sends it again. That is loss at its worst; TCP often notices
	// sooner.
	loss float64
	rto  time.Duration
	// segment is how many bytes travel together at most. Default 1460 with loss,
	// what passes in 10 ms with a rate, else 32 KiB.
	segment int
	// rate is how many bytes pass in a second. Default: any number.
	rate int
	// end happens to a connection once after bytes have passed it in a direction
	// that way has, counted from the connection's first.
	end   ending
	after int
	way   way
}

// ending is how a connection comes to its end.
type ending uint8

const (
	none    ending = iota
	closed         // orderly; what is on its way is lost
	reset          // the kernel's sign that the peer is gone; on a pipe as closed
	swallow        // half open: all bytes vanish for ever, and neither end hears of the other
	stall          // no byte is taken, for as long as the fault lasts
)

// way is a direction: up from pool to server, down back.
type way uint8

const (
	up way = 1 << iota
	down
	both = up | down
)

// narrow is how many bytes the kernel holds for a direction of a connection, about.
// Much less than two of loopback's packets would make each wait for a timeout.
const narrow = 128 << 10

// chunk is how many bytes are taken at once.
func (f fault) chunk() int {
	switch {
	case f.segment > 0:
		return f.segment
	case f.loss > 0:
		return 1460
	case f.rate > 0:
		return min(max(f.rate/100, 1), 32<<10)
	}
	return 32 << 10
}

// link is a network between a pool and a server that comes to harm as tests
// wish, over TCP, and over pipes in bubbles. Its methods may be called
// concurrently.
type link struct {
	far      func(ctx context.Context) (net.Conn, error) // connects to the server
	listener net.Listener                                // over TCP
	wg       sync.WaitGroup

	mu      sync.Mutex // guards what follows
	now     fault
	changed chan struct{} // closed when now changes
	rng     *rand.Rand
	wires   map[*wire]struct{}
	ends    func(n int) ending // what becomes of the n-th connection at once; nil: nothing
	dials   int
	most    int  // wires at once
	over    bool // close was called
}

func newLink(far func(ctx context.Context) (net.Conn, error), seed uint64) *link {
	return &link{
		far: far, changed: make(chan struct{}),
		rng: rand.New(rand.NewPCG(seed, 0x11)), wires: map[*wire]struct{}{},
	}
}

// set puts f in place of the fault before. Connections that have ended stay so.
func (l *link) set(f fault) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.now = f
	close(l.changed)
	l.changed = make(chan struct{})
}

// strike ends every connection there is.
func (l *link) strike(how ending) {
	for _, w := range l.all() {
		w.finish(how)
	}
}

func (l *link) all() (wires []*wire) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for w := range l.wires {
		wires = append(wires, w)
	}
	return wires
}

// bury ends the connections that are half open.
func (l *link) bury() {
	for _, w := range l.all() {
		if w.dead.Load() {
			w.finish(closed)
		}
	}
}

// conns is how many connections either end may still take for open.
func (l *link) conns() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.wires)
}

// lost tells whether this segment is.
func (l *link) lost(share float64) bool {
	if share == 0 {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.rng.Float64() < share
}

func (l *link) fault() (f fault, changed <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.now, l.changed
}

// dial is a PoolConfig.Dial over pipes.
func (l *link) dial(ctx context.Context) (net.Conn, error) {
	near, own := net.Pipe()
	if err := l.join(ctx, own); err != nil {
		near.Close()
		return nil, err
	}
	return near, nil
}

// serve carries the connections of a listener, which it takes over.
func (l *link) serve(listener net.Listener) {
	l.listener = listener
	l.wg.Go(func() {
		for {
			nc, err := listener.Accept()
			if err != nil {
				return
			}
			_ = l.join(context.Background(), nc) // the pool sees its end closed
		}
	})
}

// join connects near, which it takes over, to the server.
func (l *link) join(ctx context.Context, near net.Conn) error {
	far, err := l.far(ctx)
	if err != nil {
		near.Close()
		return err
	}
	for _, nc := range []net.Conn{near, far} {
		if tcp, ok := nc.(*net.TCPConn); ok {
			_ = tcp.SetReadBuffer(narrow) // an error means that it has ended already
		}
	}
	w := &wire{l: l, near: near, far: far, gone: make(chan struct{})}
	l.mu.Lock()
	l.wires[w] = struct{}{}
	l.dials++
	l.most = max(l.most, len(l.wires))
	how := none
	if l.ends != nil {
		how = l.ends(l.dials)
	}
	if l.over {
		how = closed
	}
	l.mu.Unlock()
	w.carry(up, near, far)
	w.carry(down, far, near)
	if how != none {
		w.finish(how)
	}
	return nil
}

// close ends all connections, and returns when nothing of the link goes on.
func (l *link) close() {
	if l.listener != nil {
		l.listener.Close()
	}
	l.mu.Lock()
	l.over = true
	l.mu.Unlock()
	l.strike(closed)
	l.wg.Wait()
}

// wire is one connection over a link.
type wire struct {
	l         *link
	near, far net.Conn
	gone      chan struct{} // closed by finish
	once      sync.Once
	dead      atomic.Bool // half open
}

// finish ends the connection in this way; of several ends the first counts.
func (w *wire) finish(how ending) {
	if how == swallow {
		w.dead.Store(true)
		return
	}
	w.once.Do(func() {
		close(w.gone)
		for _, nc := range []net.Conn{w.near, w.far} {
			if tcp, ok := nc.(*net.TCPConn); ok && how == reset {
				_ = tcp.SetLinger(0) // an error means that it has ended already
			}
			nc.Close()
		}
		w.l.mu.Lock()
		delete(w.l.wires, w)
		w.l.mu.Unlock()
	})
}

// parcel is bytes on their way, or the end of the connection.
type parcel struct {
	b   []byte
	due time.Time
	end ending
}

// carry takes the bytes of one direction in one goroutine, and delivers them in
// another when they are due.
func (w *wire) carry(dir way, from io.Reader, to io.Writer) {
	transit := make(chan parcel, 64)
	w.l.wg.Go(func() {
		defer close(transit)
		t := taker{w: w, dir: dir, transit: transit}
		for t.take(from) {
		}
	})
	w.l.wg.Go(func() {
		for p := range transit {
			if !w.deliver(p, to) {
				break
			}
		}
		if !w.dead.Load() {
			w.finish(closed)
		}
		for range transit { // the taker may wait for room
		}
	})
}

// deliver writes p when it is due; false: the connection has ended.
func (w *wire) deliver(p parcel, to io.Writer) bool {
	if wait := time.Until(p.due); wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-w.gone:
			return false
		}
	}
	if p.end != none {
		w.finish(p.end)
	}
	if w.dead.Load() || len(p.b) == 0 {
		return true
	}
	_, err := to.Write(p.b)
	return err == nil
}

// taker takes the bytes of one direction of a wire.
type taker struct {
	w       *wire
	dir     way
	transit chan<- parcel
	buf     [32 << 10]byte
	passed  int
	last    time.Time // when the latest parcel is due
}

// take takes the bytes that come next; false: there are no more.
func (t *taker) take(from io.Reader) bool {
	f, _ := t.w.l.fault()
	n, err := from.Read(t.buf[:f.chunk()])
	for b := t.buf[:n]; len(b) > 0; {
		f, changed := t.w.l.fault()
		ends := f.end != none && f.way&t.dir != 0
		switch {
		case !ends || t.passed < f.after:
			size := min(len(b), f.chunk())
			if ends {
				size = min(size, f.after-t.passed)
			}
			t.send(f, b[:size])
			b = b[size:]
		case f.end == stall:
			select {
			case <-changed:
			case <-t.w.gone:
				return false
			}
		default:
			t.transit <- parcel{due: t.last, end: f.end}
			b = nil
		}
	}
	return err == nil
}

// send puts b on its way.
func (t *taker) send(f fault, b []byte) {
	t.passed += len(b)
	due := time.Now().Add(f.delay)
	if t.w.l.lost(f.loss) {
		due = due.Add(f.rto)
	}
	if f.rate > 0 {
		if t.last.After(due) {
			due = t.last
		}
		due = due.Add(time.Duration(len(b)) * time.Second / time.Duration(f.rate))
	}
	t.last = due
	t.transit <- parcel{b: bytes.Clone(b), due: due}
}
