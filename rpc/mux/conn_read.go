package mux

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/apache/thrift/lib/go/thrift"
)

// leading is the caller who reads: of call seq, 0 being none.
type leading struct {
	seq     int32
	gone    <-chan struct{} // closed when its context ends; nil: it does not
	unwatch chan struct{}   // gone is watched until it is closed; nil: it is not, yet
}

// drop makes nobody the one who reads.
func (l *leading) drop() {
	if l.unwatch != nil {
		close(l.unwatch)
	}
	*l = leading{}
}

// ticker has run called every tickEvery, as long as that is of use.
type ticker struct {
	run   func()
	timer *time.Timer
	due   bool
	seq   int32  // the call of who read when it last ran; 0: nobody did
	heard uint64 // the messages received by then
}

func (t *ticker) start() {
	switch {
	case t.due:
		return
	case t.timer == nil:
		t.timer = time.AfterFunc(tickEvery, t.run)
	default:
		t.timer.Reset(tickEvery)
	}
	t.due = true
}

func (t *ticker) stop() {
	if t.timer != nil {
		t.timer.Stop()
	}
}

// follow makes the caller of seq the one who reads. That its context ends is
// noticed after a tick or two: to watch each takes memory and time, and most
// answers come sooner, once the peer has answered at all. It needs c.mu.
func (c *conn) follow(ctx context.Context, seq int32) {
	c.leading = leading{seq: seq, gone: ctx.Done()}
	switch deadline, ok := ctx.Deadline(); {
	case c.leading.gone == nil:
	case c.heard == 0, ctx.Err() != nil, ok && time.Until(deadline) < 2*tickEvery:
		c.watch()
	default:
		c.ticker.start()
	}
}

// watch has the caller who reads woken when its context ends. It needs c.mu.
func (c *conn) watch() {
	seq, gone, unwatch := c.leading.seq, c.leading.gone, make(chan struct{})
	c.leading.unwatch = unwatch
	go func() {
		select {
		case <-gone:
			c.interrupt(seq)
		case <-unwatch:
		}
	}()
}

// interrupt wakes the caller of seq if it still reads.
func (c *conn) interrupt(seq int32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.leading.seq == seq {
		c.nc.SetReadDeadline(past)
	}
}

// tick watches the context of a caller who has been reading for a while, and
// listens on a connection on which nothing was heard for a while, so that its end
// is noticed and not met by the next call.
func (c *conn) tick() {
	c.mu.Lock()
	c.ticker.due = false
	seq := c.leading.seq
	same := c.ticker.seq == seq && (seq != 0 || c.ticker.heard == c.heard)
	c.ticker.seq, c.ticker.heard = seq, c.heard
	idle := false
	switch {
	case c.err != nil || c.reading && c.leading.seq == 0: // it has ended, or a goroutine reads
	case !same:
		c.ticker.start()
	case c.reading:
		if c.leading.unwatch == nil && c.leading.gone != nil {
			c.watch()
		}
	default:
		idle, c.reading = true, true
	}
	c.mu.Unlock()
	if !idle {
		return
	}
	if err := c.src.idle(); err != nil {
		c.end(err, nil)
		return
	}
	c.readLoop()
}

// lead reads until the answer to call seq has come or ctx ends, and leaves
// reading to another if callers wait.
func (c *conn) lead(ctx context.Context, seq int32) {
	for {
		m, err := c.read()
		if err != nil && errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() != nil {
			break
		}
		if err != nil {
			c.end(err, nil)
			return
		}
		mine := m.seq == seq
		if !c.deliver(m) {
			return
		}
		if mine {
			break
		}
	}
	c.mu.Lock()
	c.leading.drop()
	if ctx.Err() != nil {
		c.nc.SetReadDeadline(time.Time{}) // interrupt does nothing any more
	}
	others := len(c.waiting) > 1 || len(c.waiting) == 1 && c.waiting[seq] == nil
	if !others {
		c.rest()
	}
	c.mu.Unlock()
	if others {
		go c.readLoop()
	}
}

// rest gives up reading while nobody waits. It needs c.mu.
func (c *conn) rest() {
	c.reading = false
	if c.err == nil {
		c.ticker.start()
	}
}

// readLoop reads for all callers, and stays while any wait.
func (c *conn) readLoop() {
	for {
		m, err := c.read()
		if err != nil {
			c.end(err, nil)
			return
		}
		if !c.deliver(m) {
			return
		}
		c.mu.Lock()
		quit := len(c.waiting) == 0 && c.quiet()
		if quit {
			c.rest()
		}
		c.mu.Unlock()
		if quit {
			return
		}
	}
}

// quiet tells that nothing has been received that is not delivered.
func (c *conn) quiet() bool {
	return !c.in.partial() && (c.src.r == nil || c.src.r.Buffered() == 0)
}

// read reads the next message; its caller has set reading.
func (c *conn) read() (*message, error) {
	c.in.r = c.src.buffered()
	return c.in.next()
}

// deliver hands m to its caller; false: it broke the connection.
func (c *conn) deliver(m *message) bool {
	switch {
	case m.kind == thrift.REPLY || m.kind == thrift.EXCEPTION:
	case m.kind == thrift.ONEWAY && m.marked && m.method == goawayMethod:
		m.free()
		c.retire()
		return true
	default:
		err := fmt.Errorf("%w: message type %d of %q is no answer", errNotThrift, m.kind, m.method)
		m.free()
		c.end(err, nil)
		return false
	}
	seq := m.seq
	r, asked, ended, last := c.claim(m)
	if r != nil {
		r.m = m
		r.done <- struct{}{}
	} else {
		m.free()
	}
	switch {
	case ended:
		return false
	case !asked:
		c.end(fmt.Errorf("read answer: it is for call %d, which nobody made", seq), nil)
		return false
	case last:
		c.part(errRetired)
	}
	return true
}

// claim finds the caller of the answer m, nil if it has none. asked tells that
// somebody once made the call, ended that the connection has, last that it is to
// end now.
func (c *conn) claim(m *message) (r *reply, asked, ended, last bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.heard++
	c.silent = 0
	c.marked = c.marked || m.marked
	r, asked = c.waiting[m.seq]
	delete(c.waiting, m.seq)
	c.crowd.Store(int32(len(c.waiting)))
	if !asked && c.marked && c.strays > 0 { // its caller has given it up
		c.strays--
		asked = true
	}
	return r, asked, c.err != nil, c.retired && len(c.waiting) == 0
}
