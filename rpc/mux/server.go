package mux

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/apache/thrift/lib/go/thrift"
	"golang.org/x/sync/semaphore"
)

const (
	acceptBackoffMin = 5 * time.Millisecond
	acceptBackoffMax = time.Second
)

// Server answers calls on the connections of its listeners, in every dialect.
//
// Handlers run in goroutines that are used again: one that locks its thread or
// labels its goroutine must undo that. Binary arguments of 4 KiB and more lie in the request's own memory: a handler
// that keeps one after it has returned must copy it. Its answer may refer to them.
type Server struct {
	cfg       ServerConfig
	processor thrift.TProcessor
	log       *slog.Logger
	small     *semaphore.Weighted // bytes of small requests
	large     *semaphore.Weighted // bytes of large ones, which must not keep small ones waiting
	inflating *semaphore.Weighted // large requests that are inflated: one at a time

	workers workers

	stopping atomic.Bool
	cut      atomic.Bool    // the grace is over: nothing is answered any more
	wg       sync.WaitGroup // connections

	mu    sync.Mutex // guards conns
	conns map[*serverConn]struct{}
}

// NewServer makes a server that answers with p.
func NewServer(cfg ServerConfig, p thrift.TProcessor, log *slog.Logger) *Server {
	cfg = cfg.withDefaults()
	return &Server{
		cfg: cfg, processor: p, log: log, conns: map[*serverConn]struct{}{},
		small: semaphore.NewWeighted(max(cfg.MaxBytes, freeBytes)), large: semaphore.NewWeighted(cfg.MaxBytes),
		inflating: semaphore.NewWeighted(1),
	}
}

// noConnectivityTicker turns off a ticker of the generated code that costs a
// goroutine a call; a connection notices a lost caller by itself.
var noConnectivityTicker = sync.OnceFunc(func() { thrift.ServerConnectivityCheckInterval = 0 })

// Serve answers until ctx ends, then lets running calls finish for the grace
// time, cancels the rest, and returns nil when every handler has returned. It
// closes the listeners. A server serves once.
//
// Errors: plain; a listener was lost.
func (s *Server) Serve(ctx context.Context, listeners ...net.Listener) error {
	noConnectivityTicker()
	base, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	accepting, lost := context.WithCancelCause(ctx)
	defer lost(nil)
	shut := sync.OnceFunc(func() {
		for _, l := range listeners {
			l.Close()
		}
	})
	unhook := context.AfterFunc(accepting, shut)
	defer unhook()
	var wg sync.WaitGroup
	for _, l := range listeners {
		wg.Go(func() {
			if err := s.accept(accepting, base, l); err != nil {
				lost(err)
			}
		})
	}
	wg.Wait()
	shut() // accept may have seen the end of ctx before
	s.drain(func() { cancel(ErrStopping) })
	s.workers.stop()
	if ctx.Err() == nil {
		return context.Cause(accepting)
	}
	return nil
}

// accept takes connections until the listener is closed. Every other error is
// waited out; where descriptors have run out, an idle connection makes room.
func (s *Server) accept(ctx, base context.Context, l net.Listener) error {
	backoff := acceptBackoffMin
	for ctx.Err() == nil {
		nc, err := l.Accept()
		switch {
		case err == nil:
			backoff = acceptBackoffMin
			s.admit(base, nc)
		case ctx.Err() != nil: // closed because ctx ended
		case errors.Is(err, net.ErrClosed):
			return err
		default:
			evicted := s.evict()
			s.log.Warn("accept failed, trying again", "err", err, "after", backoff, "evicted", evicted)
			select {
			case <-ctx.Done():
			case <-time.After(backoff):
			}
			backoff = min(2*backoff, acceptBackoffMax)
		}
	}
	return nil
}

func (s *Server) admit(base context.Context, nc net.Conn) {
	c := newServerConn(s, nc)
	s.mu.Lock()
	full := len(s.conns) >= s.cfg.MaxConns
	s.mu.Unlock()
	if full && !s.evict() {
		s.log.Warn("connection refused, too many are open", "peer", c.peer, "limit", s.cfg.MaxConns)
		nc.Close()
		return
	}
	s.mu.Lock()
	s.conns[c] = struct{}{}
	s.mu.Unlock()
	s.wg.Add(1)
	go c.run(base)
}

// evict closes a connection without a call; false: there is none. Of a few it
// takes rather one that never called, or has not sent the whole of a call yet,
// and else the one that has been idle longest.
func (s *Server) evict() bool {
	const sample = 64
	s.mu.Lock()
	defer s.mu.Unlock()
	var oldest *serverConn
	seen := 0
	for c := range s.conns {
		if c.idle() && (oldest == nil || c.idleSince.Load() < oldest.idleSince.Load()) {
			oldest = c
		}
		if seen++; seen >= sample && oldest != nil {
			break
		}
	}
	if oldest == nil {
		return false
	}
	delete(s.conns, oldest)
	oldest.nc.Close()
	return true
}

// forget is the end of a connection.
func (s *Server) forget(c *serverConn) {
	c.nc.Close()
	s.mu.Lock()
	delete(s.conns, c)
	s.mu.Unlock()
	s.wg.Done()
}

// drain asks for no more calls, gives those that run their grace, then calls
// cancel and closes what is left.
func (s *Server) drain(cancel func()) {
	s.stopping.Store(true)
	s.each((*serverConn).stop)
	grace := time.AfterFunc(s.cfg.Grace, func() {
		s.cut.Store(true)
		cancel()
		s.each(func(c *serverConn) { c.nc.Close() })
	})
	defer grace.Stop()
	s.wg.Wait()
}

func (s *Server) each(f func(*serverConn)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		f(c)
	}
}
