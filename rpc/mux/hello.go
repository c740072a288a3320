package mux

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"time"

	"github.com/apache/thrift/lib/go/thrift"
)

// helloPatience is how long a new peer may take to answer a ping before another
// dialect is tried, over a new connection.
const helloPatience = 2 * time.Second

// guesses are the dialects that a peer may speak, the likeliest first. A marked
// peer is known by its answer to the first.
var guesses = []Dialect{UnframedBinary, FramedBinary, FramedCompact, UnframedCompact, HeaderBinary}

const (
	// roomy are the first of them, which have room for the mark.
	roomy = 2
	// markLasts is how long a peer that was marked is taken to be so still, though
	// pings are not answered: it is down, or restarts.
	markLasts = time.Minute
)

// connect dials the peer and finds out what it speaks. nil without an error:
// nobody waits for it any more.
func (p *Pool) connect() (*conn, error) {
	hangs, refusals := false, 0
	var first error // what came of the first ping
	for {
		c, err := p.dial()
		if err != nil {
			return nil, err
		}
		dialect, known := p.expected()
		c.dialect = dialect
		if known {
			return c, nil
		}
		if err = p.hello(c); err == nil {
			return p.met(c, dialect, hangs)
		}
		c.end(errRetired, nil)
		if first == nil {
			first = err
		}
		if refusals++; errors.Is(err, context.DeadlineExceeded) {
			hangs, refusals = true, 0 // it may be busy with another, whatever it speaks
		}
		switch {
		case !p.another(refusals):
			return nil, fmt.Errorf("it takes connections but does not answer a Thrift call: %w", first)
		case !p.wanted():
			return nil, nil
		}
	}
}

// another goes on to the next dialect; false: so many refusals are enough.
func (p *Pool) another(refusals int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	most := len(guesses)
	switch {
	case p.cfg.Dialect != 0:
		most = 1
	case time.Since(p.markedAt) < markLasts:
		most = roomy
	}
	p.guess = (p.guess + 1) % most
	return refusals < most
}

// wanted tells that somebody waits for a connection.
func (p *Pool) wanted() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stats.inFlight.Load() > 0 && !p.closed
}

// met takes in a peer that answered in the dialect.
func (p *Pool) met(c *conn, d Dialect, hangs bool) (*conn, error) {
	if p.cfg.Dialect == 0 && !slices.Contains(guesses[:roomy], d) {
		return p.confirm(c, hangs)
	}
	p.learn(c)
	return c, nil
}

// confirm asks once more whether a peer is marked that answered over c in a
// dialect without room for the mark: earlier pings may have been lost on the way.
// The connection that it returns is the one to use. One that hangs is asked
// meanwhile. Else c is closed before, since some servers serve one connection
// after another.
func (p *Pool) confirm(c *conn, hangs bool) (*conn, error) {
	if hangs {
		p.learn(c)
		go p.ask()
		return c, nil
	}
	c.end(errRetired, nil)
	if first := p.marked(); first != nil {
		return first, nil
	}
	p.learn(c)
	again, err := p.dial()
	if err == nil {
		again.dialect = c.dialect
	}
	return again, err
}

// ask takes in a connection if the peer turns out to be marked.
func (p *Pool) ask() {
	c := p.marked()
	if c == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		go c.end(ErrClosed, nil)
		return
	}
	p.add(c, small)
	p.wake()
}

// marked makes a connection if the peer is marked; nil: it is not, as far as can
// be seen.
func (p *Pool) marked() *conn {
	c, err := p.dial()
	if err != nil {
		return nil
	}
	c.dialect = guesses[0]
	if p.hello(c) == nil && c.many() {
		p.learn(c)
		return c
	}
	c.end(errRetired, nil)
	return nil
}

// learn takes what kind of peer it is from a connection to it.
func (p *Pool) learn(c *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.solo, p.dialect = !c.many(), c.dialect
	if !p.solo {
		p.markedAt, p.guess = time.Now(), 0
	}
}

func (p *Pool) dial() (*conn, error) {
	ctx, cancel := p.within(p.cfg.DialTimeout)
	defer cancel()
	nc, err := p.cfg.Dial(ctx)
	if err != nil {
		return nil, plainly(err)
	}
	c := newConn(nc, p.cfg.Replies, p.cfg.WriteTimeout, p.gone)
	p.stats.opened(c)
	return c, nil
}

// expected is the dialect to begin with, and whether it is certain.
func (p *Pool) expected() (d Dialect, known bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.solo:
		return p.dialect, true
	case p.cfg.Dialect != 0:
		return p.cfg.Dialect, false
	}
	return guesses[p.guess], false
}

// hello pings the peer, whose answer shows whether it is marked. An exception
// is an answer too: not every peer has a ping. context.DeadlineExceeded tells of
// one that did not answer, and did not hang up either.
func (p *Pool) hello(c *conn) error {
	ctx, cancel := p.within(helloPatience)
	defer cancel()
	r := callOf("ping", noFields{}, noFields{})
	r.seq = 1
	o, err := encode(ctx, form{c.dialect, false}, r.header, r.args, p.cfg.Requests)
	if err != nil {
		return err // cannot be: it is the smallest of calls
	}
	err = c.call(ctx, r.method, o, r.result)
	_, told := errors.AsType[thrift.TApplicationException](err)
	if err != nil && !told {
		return err
	}
	c.mu.Lock()
	marked := c.marked
	if marked {
		c.dialect = FramedBinary
	}
	c.mu.Unlock()
	if told && !marked {
		c.retire() // it may close the connection
	}
	return nil
}

// noFields is a struct without fields: the arguments of ping, and its result.
type noFields struct{}

func (noFields) Read(ctx context.Context, in thrift.TProtocol) error {
	return thrift.SkipDefaultDepth(ctx, in, thrift.STRUCT)
}

func (noFields) Write(ctx context.Context, out thrift.TProtocol) error {
	if err := out.WriteStructBegin(ctx, ""); err != nil {
		return err
	}
	if err := out.WriteFieldStop(ctx); err != nil {
		return err
	}
	return out.WriteStructEnd(ctx)
}

// plainly is err of a dial in few words, without the address, which the caller
// names: "cannot connect: connection refused".
func plainly(err error) error {
	if system, ok := errors.AsType[*os.SyscallError](err); ok {
		return fmt.Errorf("cannot connect: %w", system.Err)
	}
	return fmt.Errorf("cannot connect: %w", err)
}

// backoff doubles with each failure, and a random half of it keeps callers apart.
func backoff(least, most time.Duration, fails int) time.Duration {
	b := min(most, least<<min(fails, 16))
	return b/2 + rand.N(b/2+1)
}
