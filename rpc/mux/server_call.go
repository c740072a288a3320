package mux

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/apache/thrift/lib/go/thrift"
)

// take has the call in m done, and ordinarily returns before that. It waits while
// the connection or the server has too many. An error means that m breaks the
// rules and its memory is free, or errTakenOver.
func (c *serverConn) take(ctx context.Context, m *message) error {
	m.held, c.held = c.held, 0
	c.trim(m)
	if m.kind != thrift.CALL && m.kind != thrift.ONEWAY {
		err := fmt.Errorf("%w: message type %d of %q is no call", errNotThrift, m.kind, m.method)
		c.drop(m)
		return err
	}
	if m.marked && m.kind == thrift.ONEWAY && m.method == cancelMethod {
		c.cancel(m.seq)
		c.drop(m)
		return nil
	}
	c.meet(m)
	if m.held == 0 {
		// The context ends with the grace.
		if err := c.s.small.Acquire(ctx, weight(m)); err != nil {
			c.drop(m)
			return context.Cause(ctx)
		}
	}
	done := c.queue(m)
	ctx, cancel := context.WithCancelCause(ctx)
	if m.marked {
		c.register(m.seq, cancel)
	}
	if c.alone() && c.quick.expects(m.method) {
		turn := c.quick.begin(c.readOn)
		c.handle(ctx, cancel, m, done)
		if !c.quick.end(turn) {
			return errTakenOver
		}
		return nil
	}
	c.s.workers.run(func() { c.handle(ctx, cancel, m, done) })
	return nil
}

// meet learns from a call what kind of peer it is.
func (c *serverConn) meet(m *message) {
	c.called = true
	c.idleSince.Store(0)
	if m.marked && !c.marked.Load() {
		c.marked.Store(true)
	}
	if c.s.stopping.Load() {
		c.goaway()
	}
}

// queue waits until there is room for a call, and for the one before where the
// peer is not marked. What comes after m then waits for done.
func (c *serverConn) queue(m *message) (done chan struct{}) {
	if !m.marked && c.last != nil {
		<-c.last
	}
	c.slots <- struct{}{}
	if c.inFlight.Add(1)%stride == 0 {
		runtime.Gosched()
	}
	c.calls.Add(1)
	c.last = nil
	if !m.marked {
		done = make(chan struct{})
		c.last = done
	}
	return done
}

// alone tells that calls have been coming one by one for a while.
func (c *serverConn) alone() bool {
	if c.inFlight.Load() > 1 || c.src.r.Buffered() > 0 {
		c.lone = 0
		return false
	}
	c.lone++
	return c.lone > loneCalls
}

// trim gives back what was reserved for m and not needed.
func (c *serverConn) trim(m *message) {
	if excess := m.held - int64(cap(m.frame.b)); m.held > 0 && excess > 0 {
		c.s.large.Release(excess)
		m.held -= excess
	}
}

// weight is what a small request counts for.
func weight(m *message) int64 { return int64(max(callWeight, cap(m.frame.b))) }

// drop gives back what m holds, if it never became a call.
func (c *serverConn) drop(m *message) {
	held := m.held
	m.free()
	if held > 0 {
		c.s.large.Release(held)
	}
}

func (c *serverConn) register(seq int32, cancel context.CancelCauseFunc) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running == nil {
		c.running = map[int32]context.CancelCauseFunc{}
	}
	c.running[seq] = cancel
}

// cancel ends the context of call seq; an unknown one has ended.
func (c *serverConn) cancel(seq int32) {
	c.mu.Lock()
	cancel := c.running[seq]
	c.mu.Unlock()
	if cancel != nil {
		cancel(ErrCallerGone)
	}
}

// handle does one call and sends its answer; done is closed after that, where
// the next call waits for it.
func (c *serverConn) handle(ctx context.Context, cancel context.CancelCauseFunc, m *message, done chan struct{}) {
	o, lent := c.timed(ctx, m)
	if m.marked {
		c.mu.Lock()
		delete(c.running, m.seq)
		c.mu.Unlock()
	}
	if o != nil && (c.s.cut.Load() || m.kind == thrift.ONEWAY || errors.Is(context.Cause(ctx), ErrCallerGone)) {
		o.free()
		o = nil
	}
	cancel(nil)
	switch {
	case o == nil:
	case lent || o.size > freeBytes: // the budget counts until it has left
		if sent, err := c.w.lend(o, m.seq, patience); err == nil {
			<-sent
		}
	default:
		_ = c.w.send(o, m.seq, patience) // an error ends the connection, whose reader tells
	}
	if m.gated {
		c.gate.leave()
	}
	budget, held := c.s.large, m.held
	if held == 0 {
		budget, held = c.s.small, weight(m)
	}
	m.free()
	budget.Release(held)
	if done != nil {
		close(done)
	}
	c.inFlight.Add(-1)
	<-c.slots
	c.calls.Done()
}

// timed is process, and learns how long it takes where that counts.
func (c *serverConn) timed(ctx context.Context, m *message) (o *outgoing, lent bool) {
	if c.inFlight.Load() > 1 {
		return c.process(ctx, m)
	}
	start := time.Now()
	o, lent = c.process(ctx, m)
	c.quick.learn(m.method, time.Since(start))
	return o, lent
}

// process runs the handler. The answer is nil where there is none; lent tells
// that it refers to the memory of m.
func (c *serverConn) process(ctx context.Context, m *message) (o *outgoing, lent bool) {
	codec := openMessage(m, c.s.cfg.Requests, c.w.direct)
	defer codec.close()
	codec.bin.gate = &c.gate
	err := c.guarded(ctx, m, codec)
	m.gated = codec.bin.gated
	told, ok := errors.AsType[*AnswerError](err)
	switch {
	case ok:
		c.fail(ctx, m, codec, told.Text)
	case codec.written() > c.s.cfg.Replies.Bytes:
		c.fail(ctx, m, codec, fmt.Sprintf("the answer to %s has %d bytes; ask for less", m.method, codec.written()))
	case codec.written() == 0 && m.kind == thrift.CALL && err != nil && ctx.Err() == nil:
		c.fail(ctx, m, codec, fmt.Sprintf("%s gave no answer", m.method))
	}
	o = codec.finish()
	return o, o != nil && len(o.segs) > 0 && codec.aliased()
}

// guarded runs the handler, and keeps its panic from ending more than the call.
func (c *serverConn) guarded(ctx context.Context, m *message, codec *codec) (err error) {
	defer func() {
		if v := recover(); v != nil {
			c.s.log.Error("handler panicked", "peer", c.peer, "method", m.method, "err", v, "stack", string(debug.Stack()))
			err = &AnswerError{Text: fmt.Sprintf("%s broke; see the log at %s", m.method, c.nc.LocalAddr())}
		}
	}()
	_, err = c.s.processor.Process(ctx, codec.in, codec.out)
	return err
}

// fail makes an exception the whole answer.
func (c *serverConn) fail(ctx context.Context, m *message, codec *codec, text string) {
	// Writing to memory cannot fail.
	_ = writeException(ctx, codec.out, m.header, thrift.NewTApplicationException(thrift.INTERNAL_ERROR, text))
}
