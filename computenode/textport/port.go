package textport

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"strconv"
	"sync"
	"time"

	"spillway/job"
)

// Node is what the port drives.
type Node interface {
	job.Media
	// Receive takes a file of size bytes from r: all of them, or nothing stays.
	Receive(ctx context.Context, name string, size int64, r io.Reader) error
	// Open opens a file for reading; the caller closes it.
	Open(ctx context.Context, name string) (file *os.File, size int64, err error)
	// Delete removes a file.
	Delete(ctx context.Context, name string) error
	// DeleteAll removes every file.
	DeleteAll(ctx context.Context) error
}

// Config bounds what peers may take. The zero Config is one of defaults.
type Config struct {
	// Conns is how many connections there are at once; further ones are told so, and
	// closed. Default 64.
	Conns int
	// Idle is how long a connection may be without a request. Default 10 min.
	Idle time.Duration
	// Stall is how long a request may take to arrive that has begun, and how long the
	// bytes of a file may stand still in either direction. Default 30 s.
	Stall time.Duration
	// Look is the time between two looks whether the peer of a request that is worked on
	// is still there. Default 1 s.
	Look time.Duration
	// Line bounds a request without the bytes of a file. Default 1 MiB.
	Line int
	// Grace is how long requests that are being worked on may go on when the port
	// is told to stop. Default 3 s.
	Grace time.Duration
	// Now is the clock that replies are stamped by. Default: the local time.
	Now func() time.Time
}

func (c Config) withDefaults() Config {
	c.Conns = cmp.Or(c.Conns, 64)
	c.Idle = cmp.Or(c.Idle, 10*time.Minute)
	c.Stall = cmp.Or(c.Stall, 30*time.Second)
	c.Look = cmp.Or(c.Look, time.Second)
	c.Line = cmp.Or(c.Line, 1<<20)
	c.Grace = cmp.Or(c.Grace, 3*time.Second)
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// acceptPause is the time between two tries where the system has no room for a connection.
const acceptPause = 100 * time.Millisecond

// lastWords is how long the last replies may take to leave when the grace is over.
const lastWords = 200 * time.Millisecond

// Port answers requests for a node.
type Port struct {
	cfg   Config
	node  Node
	log   *slog.Logger
	conns chan struct{} // one for each connection
}

// New makes a port. It starts nothing.
func New(cfg Config, node Node, log *slog.Logger) *Port {
	cfg = cfg.withDefaults()
	return &Port{cfg: cfg, node: node, log: log, conns: make(chan struct{}, cfg.Conns)}
}

// Serve answers on l until ctx ends, and closes l. Connections without a request are
// then closed at once, others when their request is done or the grace is over. It
// returns when all are closed. Errors: Unavailable (the listener is lost).
func (p *Port) Serve(ctx context.Context, l net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	working, stopWorking := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWorking()
	open, hangUp := context.WithCancel(context.WithoutCancel(ctx))
	defer hangUp()
	defer context.AfterFunc(ctx, func() { l.Close() })()
	defer l.Close()
	var wg sync.WaitGroup
	err := p.accept(ctx, l, func(nc net.Conn) {
		wg.Go(func() {
			defer func() { <-p.conns }()
			newConn(p, nc).serve(ctx, working, open)
		})
	})
	cancel()
	defer time.AfterFunc(p.cfg.Grace, stopWorking).Stop()
	defer time.AfterFunc(p.cfg.Grace+lastWords, hangUp).Stop()
	wg.Wait()
	return err
}

// accept hands over each connection that there is room for, until ctx ends.
func (p *Port) accept(ctx context.Context, l net.Listener, serve func(net.Conn)) error {
	for {
		nc, err := l.Accept()
		switch {
		case err == nil:
			select {
			case p.conns <- struct{}{}:
				serve(nc)
			default:
				p.turnAway(nc)
			}
			continue
		case ctx.Err() != nil:
			return nil //nolint:nilerr // it was closed for that
		case errors.Is(err, net.ErrClosed):
			return job.E(job.Unavailable, "text port", err, "")
		}
		p.log.Warn("text connection not accepted", "err", err)
		select {
		case <-time.After(acceptPause):
		case <-ctx.Done():
		}
	}
}

// turnAway closes a connection that there is no room for. What it says fits the
// connection's buffer, so that nobody waits for the peer.
func (p *Port) turnAway(nc net.Conn) {
	_ = nc.SetWriteDeadline(time.Now().Add(time.Second))
	_, _ = io.WriteString(nc, stamp(p.cfg.Now())+"error: "+strconv.Itoa(p.cfg.Conns)+" connections are open, try again later\n")
	nc.Close()
}
