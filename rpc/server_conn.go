package rpc

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/apache/thrift/lib/go/thrift"
)

// watchAfter is how long a handler runs before its caller is watched: short
// calls need not pay for it.
const watchAfter = time.Millisecond

// callError is a handler's error that the caller sees as it is, in an
// exception that every Thrift client understands. The generated code hands it
// through untouched because it passes for thrift.ErrAbandonRequest.
type callError struct{ text string }

func (e *callError) Error() string { return e.text }

func (e *callError) Is(target error) bool { return target == thrift.ErrAbandonRequest }

// serverConn answers the calls of one connection, one after another.
type serverConn struct {
	s    *server
	nc   net.Conn
	in   scanner
	out  bytes.Buffer
	peer string
	idle atomic.Bool // waits for a call
}

func newServerConn(s *server, nc net.Conn) *serverConn {
	return &serverConn{
		s: s, nc: nc, peer: nc.RemoteAddr().String(),
		in: scanner{r: bufio.NewReader(nc), lim: requestLimits},
	}
}

func (c *serverConn) run(base context.Context) {
	for {
		if !c.wait() {
			return
		}
		h, err := c.read()
		if err != nil {
			c.refuse(base, h, err)
			return
		}
		c.call(base, h)
		if c.s.cut.Load() || h.kind == thrift.CALL && c.write() != nil {
			return
		}
		shrink(&c.in, &c.out)
	}
}

// wait waits for the next call; false: there is none. It sets idle before it
// looks at stopping, and drain does it the other way round, so that one of them
// sees the other.
func (c *serverConn) wait() bool {
	c.nc.SetReadDeadline(time.Now().Add(c.s.cfg.IdleTimeout))
	c.idle.Store(true)
	defer c.idle.Store(false)
	if c.s.stopping.Load() {
		return false
	}
	_, err := c.in.r.Peek(1)
	return err == nil
}

func (c *serverConn) read() (header, error) {
	c.nc.SetReadDeadline(time.Now().Add(c.s.cfg.ReadTimeout))
	h, err := c.in.begin()
	if err != nil {
		return header{}, err
	}
	if h.kind != thrift.CALL && h.kind != thrift.ONEWAY {
		return header{}, fmt.Errorf("%w: it is no call", errNotThrift)
	}
	return h, c.in.body()
}

// refuse says why a connection is closed: in the log, and to a caller that
// speaks Thrift.
func (c *serverConn) refuse(ctx context.Context, h header, err error) {
	if c.s.stopping.Load() {
		return
	}
	c.s.log.Warn("connection dropped", "peer", c.peer, "method", h.method, "err", err)
	if h.method != "" && errors.Is(err, errTooLarge) {
		c.fail(ctx, h, thrift.PROTOCOL_ERROR, err.Error())
		_ = c.write() // the connection ends either way
	}
}

// call runs the handler and leaves the answer in c.out.
func (c *serverConn) call(base context.Context, h header) {
	ctx, cancel := context.WithCancelCause(base)
	defer cancel(nil)
	unwatch := c.watch(func() { cancel(errCallerGone) })
	defer unwatch()
	defer func() {
		if v := recover(); v != nil {
			c.s.log.Error("handler panicked", "peer", c.peer, "method", h.method, "err", v, "stack", string(debug.Stack()))
			c.fail(base, h, thrift.INTERNAL_ERROR, fmt.Sprintf("%s broke; see the log at %s", h.method, c.nc.LocalAddr()))
		}
	}()

	c.out.Reset()
	in, out := protocolOver(bytes.NewBuffer(c.in.buf), requestLimits), protocolOver(&c.out, serviceReplyLimits)
	_, err := c.s.processor.Process(ctx, in, out)
	var told *callError
	switch {
	case errors.As(err, &told):
		c.fail(base, h, thrift.INTERNAL_ERROR, told.text)
	case c.out.Len() > serviceReplyLimits.bytes:
		c.fail(base, h, thrift.INTERNAL_ERROR, fmt.Sprintf("the answer to %s has %d bytes; ask for less", h.method, c.out.Len()))
	}
}

// fail makes an exception the whole answer.
func (c *serverConn) fail(ctx context.Context, h header, kind int32, text string) {
	c.out.Reset()
	// Writing to memory cannot fail.
	_ = writeException(ctx, protocolOver(&c.out, serviceReplyLimits), h, thrift.NewTApplicationException(kind, text))
}

// watch calls gone when the peer closes the connection before unwatch is
// called. What the peer sends meanwhile stays for the next call.
func (c *serverConn) watch(gone func()) (unwatch func()) {
	c.nc.SetReadDeadline(time.Time{})
	done := make(chan struct{})
	timer := time.AfterFunc(watchAfter, func() {
		defer close(done)
		_, err := c.in.r.Peek(1)
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			gone()
		}
	})
	return func() {
		if timer.Stop() {
			return
		}
		c.nc.SetReadDeadline(past)
		<-done
	}
}

func (c *serverConn) write() error {
	c.nc.SetWriteDeadline(time.Now().Add(c.s.cfg.WriteTimeout))
	_, err := io.Copy(c.nc, &c.out)
	return err
}
