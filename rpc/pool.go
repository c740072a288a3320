package rpc

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"time"

	"spillway/job"
)

// errClosed tells that this end was closed.
var errClosed = errors.New("the connection pool is closed")

// poolConfig is what a pool needs; every field is set.
type poolConfig struct {
	dial                   func(ctx context.Context) (net.Conn, error)
	dialTimeout            time.Duration
	backoffMin, backoffMax time.Duration
	limits                 limits
}

// pool keeps connections to one peer. Whoever takes one has it alone. It sets no
// bound on those in use; its callers do, see gate.
type pool struct {
	cfg poolConfig

	mu      sync.Mutex // guards what follows
	closed  bool
	idle    []*clientConn // the last one in is the first one out
	inUse   map[*clientConn]struct{}
	reaper  *time.Timer // runs while there are idle connections
	fails   int         // dials failed in a row
	retryAt time.Time   // no dial before
	trying  bool        // a dial after a failed one goes on
	lastErr error
}

func newPool(cfg poolConfig) *pool {
	return &pool{cfg: cfg, inUse: map[*clientConn]struct{}{}}
}

// get takes a connection, an idle one unless fresh, or dials one. While the peer
// cannot be reached it fails at once, and dials again after a backoff. Every
// error wraps job.ErrNotSent.
func (p *pool) get(ctx context.Context, fresh bool) (*clientConn, error) {
	if err := ctx.Err(); err != nil {
		return nil, job.NotSent(err)
	}
	c, err := p.take(ctx, fresh)
	if err != nil {
		return nil, job.NotSent(err)
	}
	return c, nil
}

// take finds or makes a connection.
func (p *pool) take(ctx context.Context, fresh bool) (*clientConn, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for !fresh && !p.closed && len(p.idle) > 0 {
		last := len(p.idle) - 1
		c := p.idle[last]
		p.idle = p.idle[:last]
		if c.usable() {
			c.reused = true
			p.inUse[c] = struct{}{}
			return c, nil
		}
		c.nc.Close()
	}
	return p.dial(ctx)
}

// dial holds p.mu, except while it dials.
func (p *pool) dial(ctx context.Context) (*clientConn, error) {
	again := p.fails > 0
	switch {
	case p.closed:
		return nil, errClosed
	case again && (p.trying || time.Now().Before(p.retryAt)):
		return nil, p.lastErr
	}
	p.trying = p.trying || again
	p.mu.Unlock()
	dialing, cancel := context.WithTimeout(ctx, p.cfg.dialTimeout)
	nc, err := p.cfg.dial(dialing)
	cancel()
	p.mu.Lock()

	if again {
		p.trying = false
	}
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, ctx.Err() // says nothing of the peer
	case err != nil:
		err = plainly(err)
		p.failed(err)
		return nil, err
	case p.closed:
		nc.Close()
		return nil, errClosed
	}
	p.fails = 0
	c := newClientConn(nc, p.cfg.limits)
	p.inUse[c] = struct{}{}
	return c, nil
}

// plainly is err of a dial in few words, without the address, which the caller
// names: "cannot connect: connection refused".
func plainly(err error) error {
	if system, ok := errors.AsType[*os.SyscallError](err); ok {
		return fmt.Errorf("cannot connect: %w", system.Err)
	}
	return fmt.Errorf("cannot connect: %w", err)
}

// failed sets the time of the next dial: the backoff doubles, and a random half
// of it keeps callers apart.
func (p *pool) failed(err error) {
	if p.fails > 0 && time.Now().Before(p.retryAt) {
		return // one of several dials that went on together
	}
	backoff := min(p.cfg.backoffMax, p.cfg.backoffMin<<min(p.fails, 16))
	p.fails++
	p.lastErr = err
	p.retryAt = time.Now().Add(backoff/2 + rand.N(backoff/2+1))
}

// put gives a connection back, to be kept idle for so long; 0 closes it.
func (p *pool) put(c *clientConn, keep time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.inUse, c)
	if c.broken || c.last || p.closed || keep <= 0 {
		c.nc.Close()
	} else {
		c.expires = time.Now().Add(keep)
		p.idle = append(p.idle, c)
		if p.reaper == nil {
			p.reaper = time.AfterFunc(keep, p.reap)
		}
	}
}

// reap closes connections that were idle for long, and comes back for the rest.
func (p *pool) reap() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reaper = nil
	now, next := time.Now(), time.Time{}
	kept := p.idle[:0]
	for _, c := range p.idle {
		if !c.expires.After(now) {
			c.nc.Close()
			continue
		}
		kept = append(kept, c)
		if next.IsZero() || c.expires.Before(next) {
			next = c.expires
		}
	}
	clear(p.idle[len(kept):])
	p.idle = kept
	if len(kept) > 0 && !p.closed {
		p.reaper = time.AfterFunc(next.Sub(now), p.reap)
	}
}

// dropLocked closes the idle connections.
func (p *pool) dropLocked() {
	for _, c := range p.idle {
		c.nc.Close()
	}
	p.idle = nil
	if p.reaper != nil {
		p.reaper.Stop()
		p.reaper = nil
	}
}

// close closes every connection; calls that go on break.
func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	p.closed = true
	p.dropLocked()
	for c := range p.inUse {
		c.nc.Close()
	}
}

// reach reports whether the peer takes a new connection.
func (p *pool) reach(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, p.cfg.dialTimeout)
	defer cancel()
	nc, err := p.cfg.dial(ctx)
	if err != nil {
		return job.NotSent(err)
	}
	return nc.Close()
}
