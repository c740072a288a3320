package mux

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/apache/thrift/lib/go/thrift"
)

// lead reads until the answer to call seq has come or ctx ends, and leaves
// reading to another if callers wait.
func (c *conn) lead(ctx context.Context, r *reply, seq int32) {
	if ctx.Done() != nil {
		if r.wake == nil {
			r.wake = func() { c.interrupt(r.seq) }
		}
		r.seq = seq
		stop := context.AfterFunc(ctx, r.wake)
		defer func() { r.late = !stop() }()
	}
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
	c.leader = 0
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

// interrupt wakes the caller of seq if it still reads.
func (c *conn) interrupt(seq int32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.leader == seq {
		c.nc.SetReadDeadline(past)
	}
}

// rest gives up reading while nobody waits, until the idle check. It needs c.mu.
func (c *conn) rest() {
	c.reading = false
	if c.ticking || c.err != nil {
		return
	}
	c.ticking = true
	if c.tick == nil {
		c.tick = time.AfterFunc(idleAfter, c.idle)
	} else {
		c.tick.Reset(idleAfter)
	}
}

// idle listens on a connection that nobody uses, so that its end is noticed and
// not met by the next call.
func (c *conn) idle() {
	c.mu.Lock()
	c.ticking = false
	free := !c.reading && c.err == nil
	if free {
		c.reading = true
	}
	c.mu.Unlock()
	if !free {
		return
	}
	if err := c.src.idle(); err != nil {
		c.end(err, nil)
		return
	}
	c.readLoop()
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
	c.mu.Lock()
	c.heard++
	c.silent = 0
	r := c.waiting[seq]
	delete(c.waiting, seq)
	c.crowd.Store(int32(len(c.waiting)))
	c.marked = c.marked || m.marked
	marked, ended := c.marked, c.err != nil
	last := c.retired && len(c.waiting) == 0
	c.mu.Unlock()
	if r != nil {
		r.m = m
		r.done <- struct{}{}
	} else {
		m.free()
	}
	switch {
	case ended:
		return false
	case r == nil && !marked:
		c.end(fmt.Errorf("read answer: it is for call %d, which nobody made", seq), nil)
		return false
	case last:
		c.part()
		return false
	}
	return true
}
