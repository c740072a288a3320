package rpc

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/apache/thrift/lib/go/thrift"
)

// brokenError tells that a call ended without an answer that can be used. Its
// connection is closed.
type brokenError struct {
	method string
	unsent bool // no byte of the call left this process
	err    error
}

func (e *brokenError) Error() string { return e.method + ": " + e.err.Error() }

func (e *brokenError) Unwrap() error { return e.err }

// clientConn is one connection, used by one caller at a time.
type clientConn struct {
	nc     net.Conn
	in     scanner
	out    bytes.Buffer
	seq    int32
	broken bool // must not be used again
	last   bool // the peer may close it after this answer, so it is not kept
	reused bool // has carried a call before the present one

	expires time.Time // while idle; guarded by the pool
}

var _ thrift.TClient = (*clientConn)(nil)

func newClientConn(nc net.Conn, lim limits) *clientConn {
	return &clientConn{nc: nc, in: scanner{r: bufio.NewReader(nc), lim: lim}}
}

// Call does one call and gives it up as soon as ctx ends. Errors: a
// thrift.TApplicationException that the peer sent, or a *brokenError.
func (c *clientConn) Call(ctx context.Context, method string, args, result thrift.TStruct) (thrift.ResponseMeta, error) {
	c.seq++
	unhook := context.AfterFunc(ctx, func() { c.nc.SetDeadline(past) })
	err := c.roundTrip(ctx, header{method: method, kind: thrift.CALL, seq: c.seq}, args, result)
	if !unhook() {
		c.broken = true // its deadline is spoilt
	}
	if b, ok := errors.AsType[*brokenError](err); ok {
		c.broken = true
		if cause := ctx.Err(); cause != nil {
			b.err = cause
		}
	}
	shrink(&c.in, &c.out)
	return thrift.ResponseMeta{}, err
}

func (c *clientConn) roundTrip(ctx context.Context, h header, args, result thrift.TStruct) error {
	c.out.Reset()
	p := protocolOver(&c.out, c.in.lim)
	err := errors.Join(p.WriteMessageBegin(ctx, h.method, h.kind, h.seq), args.Write(ctx, p), p.WriteMessageEnd(ctx))
	if err != nil {
		return &brokenError{method: h.method, unsent: true, err: err}
	}
	if n, err := c.nc.Write(c.out.Bytes()); err != nil {
		return &brokenError{method: h.method, unsent: n == 0, err: fmt.Errorf("send: %w", err)}
	}
	if err := c.answer(ctx, h, result); err != nil {
		if _, ok := errors.AsType[thrift.TApplicationException](err); ok {
			c.last = true // as Apache's Go servers do, and ours past a limit
			return err
		}
		return &brokenError{method: h.method, err: err}
	}
	return nil
}

// answer reads the reply to h.
func (c *clientConn) answer(ctx context.Context, h header, result thrift.TStruct) error {
	got, err := c.in.begin()
	switch {
	case errors.Is(err, io.EOF):
		return errors.New("the connection was closed before the answer")
	case err != nil:
		return fmt.Errorf("read answer: %w", err)
	case got.method != h.method:
		return fmt.Errorf("read answer: it is for %q", got.method)
	case got.seq != h.seq:
		return fmt.Errorf("read answer: it is for call %d, not %d", got.seq, h.seq)
	case got.kind != thrift.REPLY && got.kind != thrift.EXCEPTION:
		return fmt.Errorf("read answer: %w: it is no reply", errNotThrift)
	}
	if err := c.in.body(); err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	return c.decode(ctx, got, result)
}

func (c *clientConn) decode(ctx context.Context, h header, result thrift.TStruct) error {
	p := protocolOver(bytes.NewBuffer(c.in.buf), c.in.lim)
	if _, _, _, err := p.ReadMessageBegin(ctx); err != nil {
		return fmt.Errorf("decode answer: %w", err)
	}
	if h.kind == thrift.REPLY {
		if err := result.Read(ctx, p); err != nil {
			return fmt.Errorf("decode answer: %w", err)
		}
		return nil
	}
	x := thrift.NewTApplicationException(thrift.UNKNOWN_APPLICATION_EXCEPTION, "")
	if err := x.Read(ctx, p); err != nil {
		return fmt.Errorf("decode exception: %w", err)
	}
	return x
}

// usable reports whether an idle connection is still open and has sent nothing
// unasked.
func (c *clientConn) usable() bool {
	return !c.broken && c.in.r.Buffered() == 0 && quiet(c.nc)
}
