package mux

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/apache/thrift/lib/go/thrift"
)

// Control messages between marked peers.
const (
	cancelMethod = "$cancel"
	goawayMethod = "$goaway"
)

// silentCalls is how many calls in a row may end by their deadlines without a
// message from the peer before its connection is given up.
const silentCalls = 2

// partFor is how long the peer may take to close a connection on which it is told
// that nothing more is sent.
const partFor = 10 * time.Second

// tickEvery is how often it is looked after a connection of which callers read
// their own answers.
const tickEvery = 2 * time.Millisecond

// reply is what a caller waits for.
type reply struct {
	done   chan struct{} // gets one value when message or err is there
	m      *message
	err    error
	unsent bool   // with err: no byte of the call left
	heard  uint64 // messages that the connection had received when the call was made
}

// conn is the calling end of a connection, shared by many callers if the peer
// is marked. A lone caller reads its own answer, which saves two switches
// between goroutines; else one goroutine reads for all.
type conn struct {
	nc   net.Conn
	w    writer
	lim  Limits        // of answers
	gone func(c *conn) // called once, when the connection has ended
	in   reader        // belongs to whoever set reading
	src  source        // as in
	// Of this connection alone: channels may not change synctest bubbles.
	replies sync.Pool

	crowd  atomic.Int32 // callers that wait
	closed atomic.Bool  // no new calls: it has ended, or is retired

	mu      sync.Mutex // guards what follows
	err     error      // why the connection ended
	marked  bool       // the peer answers many calls at once
	dialect Dialect    // of calls
	retired bool       // no new calls, please
	reading bool       // somebody reads
	leading leading
	ticker  ticker
	seq     int32
	heard   uint64 // messages received
	silent  int    // deadlines in a row that passed without a message
	strays  int    // answers to calls that were given up, at most, that may yet come
	waiting map[int32]*reply

	pooled // what the pool knows of the connection
}

func newConn(nc net.Conn, lim Limits, writeTimeout time.Duration, gone func(*conn)) *conn {
	c := &conn{nc: nc, lim: lim, gone: gone, dialect: UnframedBinary, waiting: map[int32]*reply{}}
	_, spoilt := nc.(*tls.Conn) // by a write that a deadline stops
	c.w.init(nc, writeTimeout, !spoilt)
	c.w.crowd = c.crowded
	c.w.broken = c.end
	c.src.nc = nc
	c.in.lim = lim
	c.ticker.run = c.tick
	c.replies.New = func() any { return &reply{done: make(chan struct{}, 1)} }
	return c
}

// crowded tells that several calls are under way.
func (c *conn) crowded() bool { return c.crowd.Load() > 1 }

// call sends o, which it takes over, as a call of method, and decodes the answer
// into result; nil: a oneway call has none. Errors: a
// thrift.TApplicationException that the peer sent, or a *CallError.
func (c *conn) call(ctx context.Context, method string, o *outgoing, result thrift.TStruct) error {
	if c.solo {
		c.checkLapsed()
	}
	r := c.replies.Get().(*reply)
	seq, err := c.enter(r, o, result == nil)
	if err != nil {
		o.free()
		c.replies.Put(r)
		return &CallError{Method: method, Unsent: true, Err: err}
	}
	if len(o.segs) > 0 {
		err = c.lend(ctx, r, o, seq)
	} else {
		err = c.w.send(o, seq, patienceOf(ctx))
	}
	if result == nil {
		c.replies.Put(r)
		if err != nil {
			return &CallError{Method: method, Unsent: true, Err: err}
		}
		return nil
	}
	if err != nil { // the connection has ended, and tells so through the reply
		c.mu.Lock()
		r.unsent = true
		c.mu.Unlock()
	}
	if err := c.wait(ctx, r, seq); err != nil {
		return &CallError{Method: method, Unsent: r.unsent, Err: err}
	}
	m := r.m
	r.m = nil
	c.replies.Put(r)
	return c.decode(ctx, m, method, result)
}

// patienceOf is how long a call may be held up by writing.
func patienceOf(ctx context.Context) time.Duration {
	if deadline, ok := ctx.Deadline(); ok {
		return min(patience, time.Until(deadline))
	}
	return patience
}

// enter registers a call and gives it its sequence id.
func (c *conn) enter(r *reply, o *outgoing, oneway bool) (int32, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return 0, c.err
	}
	if c.retired { // since the call chose it; it may be about to end
		return 0, errRetired
	}
	c.seq++
	for c.seq == 0 || c.waiting[c.seq] != nil { // after four thousand million calls
		c.seq++
	}
	if c.dialect == FramedBinary || c.dialect == UnframedBinary {
		o.setSeq(c.seq)
	}
	r.m, r.err, r.unsent, r.heard = nil, nil, false, c.heard
	if !oneway {
		c.waiting[c.seq] = r
		c.crowd.Store(int32(len(c.waiting)))
	}
	return c.seq, nil
}

// next is the sequence id that the next call will have, for the dialects in
// which it cannot be set later. Such a connection has one caller.
func (c *conn) next() int32 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seq + 1
}

// lend sends a message that refers to the caller's memory, and returns when it
// does so no more.
func (c *conn) lend(ctx context.Context, r *reply, o *outgoing, seq int32) error {
	done, err := c.w.lend(o, seq, patienceOf(ctx))
	if err != nil {
		return err
	}
	select {
	case <-done:
		return nil
	default:
	}
	select {
	case <-done:
	case <-ctx.Done():
		if c.w.recall(seq) {
			c.mu.Lock()
			r.unsent = true
			c.mu.Unlock()
			return ctx.Err()
		}
		c.w.reclaim(done)
	}
	return nil
}

// wait waits for the answer to call seq, and reads it if nobody else reads.
func (c *conn) wait(ctx context.Context, r *reply, seq int32) error {
	c.mu.Lock()
	own := c.err == nil && !c.reading && c.waiting[seq] == r
	alone := own && len(c.waiting) == 1
	if own {
		c.reading = true
	}
	if alone {
		c.follow(ctx, seq)
	}
	c.mu.Unlock()
	switch {
	case alone:
		c.lead(ctx, seq)
	case own:
		go c.readLoop()
	}
	if ctx.Done() == nil {
		<-r.done
		return r.err
	}
	select {
	case <-r.done:
		return r.err
	default:
	}
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
		return c.giveUp(ctx, r, seq)
	}
}

// giveUp ends a call whose caller waits no longer. A marked peer is told, and
// its late answer is dropped; any other can only be told by closing.
func (c *conn) giveUp(ctx context.Context, r *reply, seq int32) error {
	c.mu.Lock()
	_, mine := c.waiting[seq]
	delete(c.waiting, seq)
	marked := c.marked
	silent := c.heard == r.heard
	if mine && silent && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		c.silent++
	}
	if c.silent >= silentCalls { // it may be half open: the next call goes over another
		c.retired = true
		c.closed.Store(true)
	}
	last := c.retired && len(c.waiting) == 0
	if mine {
		c.strays++
	}
	c.mu.Unlock()
	if !mine { // the answer came just now
		<-r.done
		if r.m != nil {
			r.m.free()
			r.m = nil
		}
		return ctx.Err()
	}
	switch {
	case r.unsent || c.w.recall(seq):
		r.unsent = true
		c.mu.Lock()
		c.strays--
		c.mu.Unlock()
	case marked:
		_ = c.w.send(encodeControl(cancelMethod, seq), seq, 0) // an error ends the connection
	}
	switch {
	case !marked:
		c.end(errGivenUp, nil)
	case last:
		c.part(errGivenUp)
	}
	return ctx.Err()
}

var (
	errRetired = errors.New("the peer takes no more calls on this connection")
	errGivenUp = errors.New("the call was given up")
)

// retire lets no new call use the connection, and closes it with its last one.
func (c *conn) retire() {
	c.mu.Lock()
	c.retired = true
	c.closed.Store(true)
	last := len(c.waiting) == 0
	c.mu.Unlock()
	if last {
		c.part(errRetired)
	}
}

// part closes a retired connection that waits for no answer, once the oneway
// calls have left: their callers were told that they would. One that chose the
// connection before it was retired, and comes now, is told that nothing left.
func (c *conn) part(why error) {
	if c.w.seal(why, false) {
		c.hangUp(why)
		return
	}
	go func() {
		c.w.seal(why, true)
		c.hangUp(why)
	}()
}

// hangUp ends the connection. Where answers may yet come to calls that were given
// up, it says that nothing more is sent and lets the peer close: such an answer
// would meet a closed socket, and reset what the peer has not read yet. A peer that
// is busy may take partFor for that.
func (c *conn) hangUp(why error) {
	c.mu.Lock()
	late := c.marked && c.strays > 0 && c.err == nil
	c.mu.Unlock()
	if half, ok := c.nc.(interface{ CloseWrite() error }); late && ok && half.CloseWrite() == nil {
		time.AfterFunc(partFor, func() { c.end(why, nil) })
		return
	}
	c.end(why, nil)
}

// usable tells whether a new call may use the connection.
func (c *conn) usable() bool {
	return !c.closed.Load()
}

// end closes the connection and tells every caller why. unsent are the calls of
// which no byte left.
func (c *conn) end(err error, unsent []int32) {
	if errors.Is(err, io.EOF) {
		err = errors.New("the connection was closed before the answer")
	}
	c.mu.Lock()
	first := c.err == nil
	if first {
		c.err = err
		c.closed.Store(true)
	}
	for _, seq := range unsent {
		if r := c.waiting[seq]; r != nil {
			r.unsent = true
		}
	}
	waiting := c.waiting
	c.waiting = nil
	c.ticker.stop()
	c.leading.drop()
	c.mu.Unlock()
	if first {
		for _, seq := range c.w.close(err) {
			if r := waiting[seq]; r != nil {
				r.unsent = true
			}
		}
		c.nc.Close()
	}
	for _, r := range waiting {
		r.err = err
		r.done <- struct{}{}
	}
	if first {
		c.gone(c)
	}
}

// errMixedUp tells of an answer to another method, after which no other can be
// relied upon.
var errMixedUp = errors.New("the peer mixes up its answers")

// decode reads the answer to method out of m, and frees it. One that cannot be
// read is nobody else's loss.
func (c *conn) decode(ctx context.Context, m *message, method string, result thrift.TStruct) error {
	codec := openMessage(m, c.lim, false)
	err := decode(ctx, codec, method, result)
	keep := codec.aliased()
	codec.close()
	if !keep {
		m.free()
	}
	_, told := errors.AsType[thrift.TApplicationException](err)
	if err == nil || told {
		return err
	}
	if errors.Is(err, errMixedUp) {
		c.end(err, nil)
	}
	return &CallError{Method: method, Err: err}
}

func decode(ctx context.Context, codec *codec, method string, result thrift.TStruct) error {
	name, kind, _, err := codec.in.ReadMessageBegin(ctx)
	switch {
	case err != nil:
		return fmt.Errorf("decode answer: %w", err)
	case name != method:
		return fmt.Errorf("decode answer: %w: it is for %q", errMixedUp, name)
	case kind == thrift.REPLY:
		if err := result.Read(ctx, codec.in); err != nil {
			return plain("decode answer", err)
		}
		return nil
	}
	x := thrift.NewTApplicationException(thrift.UNKNOWN_APPLICATION_EXCEPTION, "")
	if err := x.Read(ctx, codec.in); err != nil {
		return plain("decode exception", err)
	}
	return x
}

// plain keeps an exception of the library's own from passing for the peer's.
func plain(step string, err error) error { return fmt.Errorf("%s: %s", step, err.Error()) }
