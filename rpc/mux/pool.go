package mux

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/apache/thrift/lib/go/thrift"
)

// PoolConfig says how a peer is reached and what it may cost. Every field but
// Dial has a default.
type PoolConfig struct {
	// Dial makes a connection.
	Dial func(ctx context.Context) (net.Conn, error)
	// DialTimeout bounds it. Default 2 seconds.
	DialTimeout time.Duration
	// After a failed dial, calls fail at once for a time that doubles from
	// BackoffMin to BackoffMax. Defaults 20 ms and 2 seconds.
	BackoffMin, BackoffMax time.Duration
	// IdleTimeout closes a connection that carries nothing. Default 60 seconds.
	IdleTimeout time.Duration
	// WriteTimeout is how long the peer may take to read what is sent. Default
	// 20 seconds.
	WriteTimeout time.Duration
	// MaxInFlight is how many calls go on at once on one connection of a marked
	// peer; further ones wait. Default 4096.
	MaxInFlight int
	// SoloConns is how many connections, and so calls at once, a peer gets that
	// is not marked. Default 128.
	SoloConns int
	// BulkBytes is the size from which a request goes on the bulk lane, so that
	// small ones need not wait behind it. Default 64 KiB.
	BulkBytes int
	// Bulk names methods that have large answers, for the bulk lane. Default: none.
	Bulk func(method string) bool
	// Requests and Replies bound a message that goes out and one that comes in.
	// Default: 16 MiB and 131,072 elements.
	Requests, Replies Limits
	// Dialect is what a peer speaks that is not marked. Default: find out.
	Dialect Dialect
}

func (c PoolConfig) withDefaults() PoolConfig {
	c.DialTimeout = cmp.Or(c.DialTimeout, 2*time.Second)
	c.BackoffMin = cmp.Or(c.BackoffMin, 20*time.Millisecond)
	c.BackoffMax = max(c.BackoffMin, cmp.Or(c.BackoffMax, 2*time.Second))
	c.IdleTimeout = cmp.Or(c.IdleTimeout, time.Minute)
	c.WriteTimeout = cmp.Or(c.WriteTimeout, 20*time.Second)
	c.MaxInFlight = cmp.Or(c.MaxInFlight, 4096)
	c.SoloConns = cmp.Or(c.SoloConns, 128)
	c.BulkBytes = cmp.Or(c.BulkBytes, 64<<10)
	c.Requests, c.Replies = c.Requests.withDefaults(), c.Replies.withDefaults()
	return c
}

func (l Limits) withDefaults() Limits {
	return Limits{Bytes: cmp.Or(l.Bytes, 16<<20), Elements: cmp.Or(l.Elements, 1<<17)}
}

// The lanes of a marked peer, and how many connections each has.
const (
	small = iota
	bulk
	lanes
)

var laneConns = [lanes]int{1, 2}

// pooled is what the pool knows of a connection; guarded by its mutex.
type pooled struct {
	lane   int
	open   bool // in the pool
	solo   bool // has one call at a time
	slots  int  // calls
	used   bool // has carried a call before the present ones
	added  time.Time
	expiry time.Time

	// Of a solo connection:
	answered bool      // it has been, once
	began    time.Time // its latest call
}

// Pool is a thrift.TClient over the connections to one peer. It connects when
// it is first called. Its methods may be called concurrently; generated clients
// may not, so each call takes one of its own.
type Pool struct {
	cfg   PoolConfig
	stats stats
	// within makes a context that ends with the pool; stop ends them all.
	within func(time.Duration) (context.Context, context.CancelFunc)
	stop   context.CancelFunc

	mu       sync.Mutex // guards what follows
	closed   bool
	conns    [lanes][]*conn // those to a peer that is not marked stand in small
	opening  [lanes]int
	solo     bool      // the peer is not marked, as far as is known
	dialect  Dialect   // of a solo peer
	guess    int       // the dialect that is tried next on an unknown peer
	markedAt time.Time // when the peer last showed the mark on a new connection
	waiters  []waiter
	reaper   *time.Timer // runs while there are idle connections
	reaps    time.Time   // when it is due
	fails    int         // dials failed in a row
	failures int         // dials failed
	retryAt  time.Time   // no dial before
	lastErr  error
}

var _ thrift.TClient = (*Pool)(nil)

// NewPool makes a pool. It panics without cfg.Dial.
func NewPool(cfg PoolConfig) *Pool {
	if cfg.Dial == nil {
		panic("mux: PoolConfig.Dial is not set")
	}
	base, stop := context.WithCancel(context.Background())
	within := func(d time.Duration) (context.Context, context.CancelFunc) { return context.WithTimeout(base, d) }
	p := &Pool{cfg: cfg.withDefaults(), within: within, stop: stop}
	p.stats.epoch = time.Now()
	return p
}

// Call does one call and gives it up as soon as ctx ends; the handler's context
// then ends too. A nil result makes it oneway. Binary fields of args are read
// until Call returns, and those of result are the caller's. Errors: a
// thrift.TApplicationException that the peer sent, or a *CallError.
func (p *Pool) Call(ctx context.Context, method string, args, result thrift.TStruct) (thrift.ResponseMeta, error) {
	start := p.stats.begin()
	err := p.call(ctx, method, args, result)
	p.stats.end(start, err)
	return thrift.ResponseMeta{}, err
}

func (p *Pool) call(ctx context.Context, method string, args, result thrift.TStruct) error {
	for try := 1; ; try++ {
		err := p.try(ctx, callOf(method, args, result))
		if !errors.Is(err, errStale) || try == maxTries || ctx.Err() != nil {
			return err
		}
	}
}

// request is one call to be made.
type request struct {
	header
	args, result thrift.TStruct
}

func callOf(method string, args, result thrift.TStruct) request {
	kind := thrift.CALL
	if result == nil {
		kind = thrift.ONEWAY
	}
	return request{header: header{method: method, kind: kind, marked: true}, args: args, result: result}
}

// errStale tells that a connection had been closed before the call could use it.
// Nothing of the call has left, so another connection takes it.
var errStale = errors.New("the connection was closed meanwhile")

// maxTries is how many connections a call may meet that are closed meanwhile.
const maxTries = 8

func (p *Pool) try(ctx context.Context, r request) error {
	unsent := func(err error) error { return &CallError{Method: r.method, Unsent: true, Err: err} }
	if err := ctx.Err(); err != nil {
		return unsent(err)
	}
	o, err := encode(ctx, form{FramedBinary, true}, r.header, r.args, p.cfg.Requests)
	if err != nil {
		return unsent(err)
	}
	lane := small
	if o.size >= p.cfg.BulkBytes || p.cfg.Bulk != nil && p.cfg.Bulk(r.method) {
		lane = bulk
	}
	c, used, err := p.get(ctx, lane)
	if err != nil {
		o.free()
		return unsent(err)
	}
	if c.solo || len(o.segs) > 0 {
		o, err = c.fit(ctx, o, r, p.cfg.Requests)
	}
	if err == nil {
		err = c.call(ctx, r.method, o, r.result)
	} else {
		err = unsent(err)
	}
	p.put(c, err)
	failed, ok := errors.AsType[*CallError](err)
	if ok && failed.Unsent && (used || retired(err)) && ctx.Err() == nil {
		failed.Err = fmt.Errorf("%w: %w", errStale, failed.Err)
	}
	return err
}

// retired tells that a connection ended because it was to take no more calls, or
// because of another call's deadline. That may be a new one.
func retired(err error) bool { return errors.Is(err, errRetired) || errors.Is(err, errGivenUp) }

// fit makes o, which is framed binary, into what the connection carries.
func (c *conn) fit(ctx context.Context, o *outgoing, r request, lim Limits) (*outgoing, error) {
	c.mu.Lock()
	dialect := c.dialect
	c.mu.Unlock()
	if dialect == FramedBinary && (len(o.segs) == 0 || c.w.direct) {
		return o, nil
	}
	// Another dialect, or memory that is lent to writes which cannot be interrupted.
	o.free()
	r.seq = c.next()
	return encode(ctx, form{dialect, false}, r.header, r.args, lim)
}

// Solo tells that the peer answers one call at a time a connection. That is
// known after the first call, and forgotten when the peer was lost.
func (p *Pool) Solo() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.solo
}

// Reach reports whether the peer takes a new connection. Its error wraps none
// of this package.
func (p *Pool) Reach(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, p.cfg.DialTimeout)
	defer cancel()
	nc, err := p.cfg.Dial(ctx)
	if err != nil {
		return plainly(err)
	}
	return nc.Close()
}

// Close closes every connection; calls that go on, and later ones, fail.
func (p *Pool) Close() error {
	p.mu.Lock()
	p.closed = true
	var open []*conn
	for _, conns := range p.conns {
		open = append(open, conns...)
	}
	p.conns = [lanes][]*conn{}
	if p.reaper != nil {
		p.reaper.Stop()
		p.reaper = nil
	}
	p.wake()
	p.mu.Unlock()
	p.stop()
	for _, c := range open {
		c.end(ErrClosed, nil)
	}
	return nil
}
