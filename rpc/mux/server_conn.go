package mux

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/apache/thrift/lib/go/thrift"
)

const (
	// bufferFor is how long a connection without calls keeps its read buffer.
	bufferFor = 2 * time.Second
	// callWeight is what a call counts for at least in the budget of bytes.
	callWeight = 8 << 10
	// stride is after how many calls that go on a reader lets others run, so that
	// it is not far ahead of quick handlers.
	stride = 16
	// backlog is how many bytes of answers may wait for a peer that does not read
	// before no more of its calls are read.
	backlog = 1 << 20
	// goawayPatience is how long a peer may keep a connection open without a call
	// that it was asked to close.
	goawayPatience = time.Second
	// lingerFor and lingerBytes bound what is read from a refused peer, so that
	// it can read why before its connection is reset.
	lingerFor   = time.Second
	lingerBytes = 64 << 20
	// neverCalled stands in idleSince until the first call, and unfinished is added
	// while another has come in part, so that these make room before idle peers do.
	neverCalled = math.MinInt64
	unfinished  = math.MinInt64 / 2
)

// Why a connection ends, or its reader does.
var (
	errPeerIdle  = errors.New("the peer was idle for too long")
	errNotRead   = errors.New("the peer does not read")
	errTakenOver = errors.New("another goroutine reads")
)

// serverConn is the answering end of a connection. One goroutine reads, each
// call has its own, and who has an answer writes it.
type serverConn struct {
	s    *Server
	nc   net.Conn
	peer string
	src  source
	in   reader
	w    writer
	gate gate

	readOn func() // reads in the calling goroutine
	// busy is the parent of the calls' contexts; renew makes another when none
	// goes on, since contexts never forget how many children they once had.
	busy    func() context.Context
	endBusy context.CancelCauseFunc
	renew   func()
	quick   quick
	lone    int // calls in a row that found no other

	armed     time.Time    // the read deadline, where it is bufferFor's
	held      int64        // bytes of the budget that the message being read has taken
	idleSince atomic.Int64 // Unix nanoseconds; 0: a whole call came, and is not done
	called    bool         // has made a call
	waiting   atomic.Bool  // for a first byte
	marked    atomic.Bool  // the peer takes answers in any order
	sentAway  atomic.Bool  // the peer was asked to make no more calls

	slots    chan struct{} // one for each call that goes on
	inFlight atomic.Int32
	calls    sync.WaitGroup
	last     <-chan struct{} // closed when the latest call of an unmarked peer is answered

	mu      sync.Mutex // guards running, and waiting against stop
	running map[int32]context.CancelCauseFunc
}

func newServerConn(s *Server, nc net.Conn) *serverConn {
	c := &serverConn{s: s, nc: nc, slots: make(chan struct{}, s.cfg.MaxCalls)}
	if addr := nc.RemoteAddr(); addr != nil {
		c.peer = addr.String()
	}
	_, spoilt := nc.(*tls.Conn) // by a write that a deadline stops
	c.w.init(nc, s.cfg.WriteTimeout, !spoilt)
	c.w.crowd = func() bool { return c.inFlight.Load() > 1 }
	c.w.broken = func(error, []int32) { nc.Close() }
	c.gate.init(&c.w)
	c.src.nc = nc
	c.in.lim = s.cfg.Requests
	c.idleSince.Store(neverCalled)
	return c
}

// run serves the connection until it ends.
func (c *serverConn) run(base context.Context) {
	ctx, cancel := context.WithCancelCause(context.WithValue(base, peerKey{}, peer{c.nc.RemoteAddr(), c.nc}))
	c.in.grow = func(total int) error { return c.reserve(ctx, total) }
	c.in.turn = func() (func(), error) { return c.turn(ctx) }
	c.readOn = func() { c.loop(ctx, cancel) }
	c.renew = func() { c.begin(ctx) }
	c.begin(ctx)
	c.readOn()
}

// begin makes the parent of the next calls' contexts.
func (c *serverConn) begin(parent context.Context) {
	before := c.endBusy
	busy, end := context.WithCancelCause(parent)
	c.busy, c.endBusy = func() context.Context { return busy }, end
	if before != nil {
		before(nil)
	}
}

// loop reads calls until there are no more, and waits for those that run, unless
// another goroutine takes over.
func (c *serverConn) loop(ctx context.Context, cancel context.CancelCauseFunc) {
	err := c.read(ctx)
	if errors.Is(err, errTakenOver) {
		return
	}
	if !errors.Is(err, errPeerIdle) { // that one may still wait for an answer
		cancel(ErrCallerGone)
	}
	c.calls.Wait()
	c.w.await(0)
	cancel(nil)
	c.src.drop()
	c.in.free()
	c.s.forget(c)
}

// read reads calls; its error says why there are no more.
func (c *serverConn) read(ctx context.Context) error {
	for {
		if err := c.wait(); err != nil {
			c.explain(err)
			return err
		}
		m, err := c.in.next()
		if err == nil {
			err = c.take(c.busy(), m)
		}
		switch {
		case errors.Is(err, errTakenOver):
			return err
		case err != nil:
			c.release(c.held)
			c.refuse(ctx, err)
			return err
		case !c.w.await(backlog):
			return errNotRead
		}
		c.gate.settle()
	}
}

// wait waits for the next call, and leaves a deadline for the whole of it. It
// sets waiting before it looks at stopping, and stop does it the other way
// round, so that one of them sees the other.
func (c *serverConn) wait() error {
	for {
		if c.buffered() {
			return nil
		}
		var err error
		if c.src.r != nil && !c.s.stopping.Load() {
			err = c.waitHot()
		} else {
			err = c.waitIdle()
		}
		c.wake()
		if err == nil {
			c.in.r = c.src.buffered()
			continue
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
	}
}

// buffered tells that a call has come, or begun to.
func (c *serverConn) buffered() bool {
	r := c.src.r
	if r == nil {
		return false
	}
	if r.Buffered() == 0 && !c.src.has {
		return false
	}
	if head, err := r.Peek(min(lengthWord+1, r.Buffered())); err != nil || len(head) <= lengthWord ||
		!startsBody(head[lengthWord]) || uint64(binary.BigEndian.Uint32(head)) > uint64(r.Buffered()-lengthWord) {
		begun := c.deadline(c.s.cfg.ReadTimeout) // not a whole frame
		if c.called {
			c.idleSince.Store(unfinished + begun.UnixNano())
		}
	}
	return true
}

// waitHot waits through the buffer, for bufferFor or a little less. The deadline
// is not set for each call: that costs.
func (c *serverConn) waitHot() error {
	now := time.Now()
	if c.called {
		c.idleSince.Store(now.UnixNano())
	}
	if c.armed.Sub(now) < bufferFor/2 {
		c.armed = now.Add(bufferFor)
		c.nc.SetReadDeadline(c.armed)
	}
	c.waiting.Store(true)
	if c.s.stopping.Load() {
		return os.ErrDeadlineExceeded
	}
	_, err := c.src.r.Peek(1)
	if errors.Is(err, os.ErrDeadlineExceeded) && c.src.release() && c.inFlight.Load() == 0 {
		c.shrink()
	}
	return err
}

// shrink gives up the room that many calls at once took.
func (c *serverConn) shrink() {
	c.mu.Lock()
	c.running = nil
	c.mu.Unlock()
	c.w.shrink()
	c.renew()
}

// waitIdle waits without a buffer. A connection is idle for too long if no call
// went on when that time began: none can have begun since.
func (c *serverConn) waitIdle() error {
	limit := c.s.cfg.IdleTimeout
	stopping, busy := c.s.stopping.Load(), c.inFlight.Load() > 0
	if stopping {
		limit = goawayPatience
	}
	c.deadline(limit)
	c.waiting.Store(true)
	switch {
	case c.s.stopping.Load() && !c.marked.Load():
		return errPeerIdle
	case c.s.stopping.Load() && !stopping:
		return os.ErrDeadlineExceeded
	case c.called:
		c.idleSince.Store(time.Now().UnixNano())
	}
	err := c.src.idle()
	if errors.Is(err, os.ErrDeadlineExceeded) && !busy && c.s.stopping.Load() == stopping {
		return errPeerIdle
	}
	return err
}

// deadline gives the peer so long, from now, for what it sends next.
func (c *serverConn) deadline(d time.Duration) (now time.Time) {
	c.armed, now = time.Time{}, time.Now()
	c.nc.SetReadDeadline(now.Add(d))
	return now
}

// stop asks the peer for no more calls, and wakes the reader if it waits for one.
func (c *serverConn) stop() {
	c.goaway()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting.Load() {
		c.nc.SetReadDeadline(past)
	}
}

// wake ends waiting. The mutex keeps stop from breaking off what is read next.
func (c *serverConn) wake() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting.Store(false)
}

func (c *serverConn) goaway() {
	if c.marked.Load() && c.sentAway.CompareAndSwap(false, true) {
		_ = c.w.send(encodeControl(goawayMethod, 0), 0, 0) // an error ends the connection
	}
}

// explain logs why a connection ended, unless it just did. A failed TLS handshake
// shows here.
func (c *serverConn) explain(err error) {
	for _, ordinary := range []error{io.EOF, net.ErrClosed, io.ErrClosedPipe, errPeerIdle, syscall.ECONNRESET, syscall.EPIPE} {
		if errors.Is(err, ordinary) {
			return
		}
	}
	c.s.log.Warn("connection lost", "peer", c.peer, "err", err)
}

// refuse says why a connection is closed: in the log, and to a caller that
// speaks Thrift.
func (c *serverConn) refuse(ctx context.Context, err error) {
	if c.s.stopping.Load() {
		return
	}
	refused, ok := errors.AsType[*refusedError](err)
	if !ok {
		c.s.log.Warn("connection dropped", "peer", c.peer, "err", err)
		return
	}
	c.s.log.Warn("connection dropped", "peer", c.peer, "method", refused.method, "err", err)
	x := thrift.NewTApplicationException(thrift.PROTOCOL_ERROR, err.Error())
	h := refused.header
	h.kind = thrift.EXCEPTION
	o, err := encode(ctx, form{refused.dialect, false}, h, x, c.s.cfg.Replies)
	if err != nil || c.w.send(o, h.seq, patience) != nil || !c.w.await(0) {
		return
	}
	c.linger()
}

// linger reads on for a while: a connection that is closed with bytes unread is
// reset, and the peer might never see the answer.
func (c *serverConn) linger() {
	if half, ok := c.nc.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		c.deadline(lingerFor)
		_, _ = io.CopyN(io.Discard, &c.src, lingerBytes)
	}
}

// reserve makes sure that a request which now has total bytes fits into the
// budget, with all that it may come to: requests that each held a part and waited
// for more would wait for each other. The peer is not read meanwhile.
func (c *serverConn) reserve(ctx context.Context, total int) error {
	more := int64(c.in.most(total)) - c.held
	if more <= 0 {
		return nil
	}
	waiting, cancel := context.WithTimeout(ctx, c.s.cfg.ReadTimeout)
	defer cancel()
	if err := c.s.large.Acquire(waiting, more); err != nil {
		return errors.New("too many large requests at once")
	}
	c.held += more
	c.deadline(c.s.cfg.ReadTimeout)
	return nil
}

// turn waits until no other large request is inflated.
func (c *serverConn) turn(ctx context.Context) (done func(), err error) {
	if err := c.s.inflating.Acquire(ctx, 1); err != nil {
		return nil, context.Cause(ctx)
	}
	return func() { c.s.inflating.Release(1) }, nil
}

func (c *serverConn) release(held int64) {
	c.held = 0
	if held > 0 {
		c.s.large.Release(held)
	}
}

// idle tells that the connection waits for a call, or the rest of one, and none
// goes on.
func (c *serverConn) idle() bool { return c.idleSince.Load() != 0 && c.inFlight.Load() == 0 }
