package rpc

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/apache/thrift/lib/go/thrift"

	"spillway/job"
)

// Why a handler's context ends before its call does.
var (
	errCallerGone = errors.New("the caller is gone")
	errStopping   = errors.New("the server is stopping")
)

const (
	acceptBackoffMin = 5 * time.Millisecond
	acceptBackoffMax = time.Second
)

// past is a deadline that wakes whoever reads.
var past = time.Unix(1, 0)

// server answers calls on the connections of one listener.
type server struct {
	cfg       ServerConfig
	processor thrift.TProcessor
	log       *slog.Logger

	stopping atomic.Bool
	cut      atomic.Bool    // the grace is over: nothing is answered any more
	wg       sync.WaitGroup // connections

	mu    sync.Mutex // guards conns
	conns map[*serverConn]struct{}
}

// noConnectivityTicker turns off a ticker of the generated code that costs a
// goroutine a call; serverConn notices a lost caller by itself.
var noConnectivityTicker = sync.OnceFunc(func() { thrift.ServerConnectivityCheckInterval = 0 })

// serve answers until ctx ends, then lets running calls finish for the grace
// time, cancels the rest, and returns nil when every connection is closed.
func (s *server) serve(ctx context.Context, l net.Listener) error {
	noConnectivityTicker()
	if err := s.cfg.Validate(); err != nil {
		return job.E(job.InvalidArgument, "serve "+l.Addr().String(), err, "")
	}
	s.cfg = s.cfg.withDefaults()
	s.conns = map[*serverConn]struct{}{}
	base, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	unhook := context.AfterFunc(ctx, func() { l.Close() })
	defer unhook()

	err := s.accept(ctx, base, l)
	l.Close()
	s.drain(func() { cancel(errStopping) })
	return err
}

// accept takes connections until the listener is closed. Every other error,
// such as being out of descriptors, is waited out.
func (s *server) accept(ctx, base context.Context, l net.Listener) error {
	backoff := acceptBackoffMin
	for ctx.Err() == nil {
		nc, err := l.Accept()
		switch {
		case err == nil:
			backoff = acceptBackoffMin
			s.admit(base, nc)
		case ctx.Err() != nil: // closed because ctx ended
		case errors.Is(err, net.ErrClosed):
			return job.E(job.Unavailable, "serve "+l.Addr().String(), err, "")
		default:
			s.log.Warn("accept failed, trying again", "err", err, "after", backoff)
			select {
			case <-ctx.Done():
			case <-time.After(backoff):
			}
			backoff = min(2*backoff, acceptBackoffMax)
		}
	}
	return nil
}

func (s *server) admit(base context.Context, nc net.Conn) {
	c := newServerConn(s, nc)
	s.mu.Lock()
	full := len(s.conns) >= s.cfg.MaxConns
	if !full {
		s.conns[c] = struct{}{}
	}
	s.mu.Unlock()
	if full {
		s.log.Warn("connection refused, too many are open", "peer", nc.RemoteAddr(), "limit", s.cfg.MaxConns)
		nc.Close()
		return
	}
	s.wg.Go(func() {
		defer s.forget(c)
		c.run(base)
	})
}

func (s *server) forget(c *serverConn) {
	c.nc.Close()
	s.mu.Lock()
	delete(s.conns, c)
	s.mu.Unlock()
}

// drain closes idle connections, gives running calls their grace, then calls
// cancel and closes what is left.
func (s *server) drain(cancel func()) {
	s.stopping.Store(true)
	s.each(func(c *serverConn) {
		if c.idle.Load() {
			c.nc.SetReadDeadline(past)
		}
	})
	grace := time.AfterFunc(s.cfg.Grace, func() {
		s.cut.Store(true)
		cancel()
		s.each(func(c *serverConn) { c.nc.Close() })
	})
	defer grace.Stop()
	s.wg.Wait()
}

func (s *server) each(f func(*serverConn)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		f(c)
	}
}
