package mux

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/apache/thrift/lib/go/thrift"
)

// Some servers serve one connection after another, so that one which is open
// keeps others out.
const (
	// soloIdle is how long an idle connection to a peer that is not marked is kept.
	soloIdle = time.Second
	// soloTurn is how long one may be used, or kept, while a call waits on another
	// that has never been answered.
	soloTurn = 20 * time.Millisecond
)

// get takes a place on a connection, and waits for one until ctx ends. used
// tells that the connection has carried a call before.
func (p *Pool) get(ctx context.Context, lane int) (c *conn, used bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	since := p.failures
	for {
		if p.closed {
			return nil, false, ErrClosed
		}
		if p.solo {
			lane = small
		}
		c := p.choose(lane)
		if c == nil {
			if err = p.grow(lane, since); err != nil {
				c = p.choose(small) // better late than not at all
			}
		}
		switch {
		case c != nil:
			return c, c.take(), nil
		case err != nil:
			return nil, false, err
		}
		ready := make(chan struct{}, 1)
		p.waiters = append(p.waiters, waiter{ready, lane})
		p.mu.Unlock()
		select {
		case <-ready:
			p.mu.Lock()
		case <-ctx.Done():
			p.mu.Lock()
			p.leave(waiter{ready, lane})
			return nil, false, p.waited(ctx.Err())
		}
	}
}

// take takes a place; used tells that it is not the first. It needs the pool's
// mutex.
func (c *conn) take() (used bool) {
	if c.solo {
		c.began = time.Now()
	}
	used, c.used = c.used, true
	c.slots++
	return used
}

// waited says what a call waited for until its context ended.
func (p *Pool) waited(err error) error {
	switch {
	case p.opening[small]+p.opening[bulk] > 0:
		return fmt.Errorf("cannot connect: %w", err)
	case p.solo:
		return fmt.Errorf("all %d connections are in use: %w", p.cfg.SoloConns, err)
	}
	return fmt.Errorf("%d calls are under way on each connection: %w", p.cfg.MaxInFlight, err)
}

// choose is the connection with the fewest calls that takes another, unless a
// new one should be made first.
func (p *Pool) choose(lane int) *conn {
	limit := p.cfg.MaxInFlight
	if p.solo {
		limit = 1
	}
	var best *conn
	for _, c := range p.conns[lane] {
		if c.slots < limit && (best == nil || c.slots < best.slots) && p.current(c) {
			best = c
		}
	}
	if best != nil && best.slots > 0 && p.room(lane) && p.opening[lane] == 0 && !p.waiting() {
		p.open(lane) // for the next ones
	}
	return best
}

// current tells that new calls may use the connection. One of another kind than
// the peer is now could not have as many.
func (p *Pool) current(c *conn) bool { return c.solo == p.solo && c.usable() }

// waiting tells that a dial would come too early.
func (p *Pool) waiting() bool { return p.fails > 0 && time.Now().Before(p.retryAt) }

// room tells that the lane may have another connection.
func (p *Pool) room(lane int) bool {
	limit := laneConns[lane]
	if p.solo {
		limit = p.cfg.SoloConns
	}
	usable := 0
	for _, c := range p.conns[lane] {
		if p.current(c) {
			usable++
		}
	}
	return usable+p.opening[lane] < limit
}

// grow has a connection made if there may be another. While the peer cannot be
// reached it fails, and tries again after a backoff. since is what failures was
// when the call came: it fails with a dial that it has waited for.
func (p *Pool) grow(lane, since int) error {
	opening := p.opening[small] + p.opening[bulk]
	switch {
	case p.fails > 0 && (opening > 0 || p.waiting() || p.failures != since):
		return p.lastErr
	case !p.solo && opening > 0 && len(p.conns[small])+len(p.conns[bulk]) == 0:
		return nil // what the peer is will soon be known
	case !p.room(lane), p.solo && opening >= len(p.waiters)+1:
		return nil
	}
	p.open(lane)
	return nil
}

// open makes a connection in the background, so that those who wait for it keep
// their own contexts.
func (p *Pool) open(lane int) {
	p.opening[lane]++
	p.stats.dials.Add(1)
	go func() {
		c, err := p.connect()
		p.mu.Lock()
		defer p.mu.Unlock()
		p.opening[lane]--
		switch {
		case p.closed:
			if c != nil {
				go c.end(ErrClosed, nil)
			}
		case err != nil:
			p.failed(err)
		case c != nil && c.many() && !c.usable():
			p.failed(errAtOnce)
		case c != nil:
			p.fails, p.lastErr = 0, nil
			p.add(c, lane)
		}
		p.wake()
	}()
}

// add takes a new connection in.
func (p *Pool) add(c *conn, lane int) {
	c.solo = !c.many()
	if c.solo {
		lane = small
	}
	c.lane, c.open = lane, true
	c.added = time.Now()
	p.conns[lane] = append(p.conns[lane], c)
	p.expire(c)
	if !c.usable() {
		p.remove(c)
	}
}

// errAtOnce tells of a connection to a marked peer that ended, or took no more
// calls, before any was made. It counts as a failed dial, or such a peer would be
// dialed all the time.
var errAtOnce = errors.New("it takes connections and closes them at once")

// atOnce is how soon that is.
const atOnce = 100 * time.Millisecond

// failed sets the time of the next dial: the backoff doubles, and a random half
// of it keeps callers apart.
func (p *Pool) failed(err error) {
	p.lastErr = err
	p.failures++
	if p.waiting() {
		return // one of several dials that went on together
	}
	p.retryAt = time.Now().Add(backoff(p.cfg.BackoffMin, p.cfg.BackoffMax, p.fails))
	p.fails++
}

// put gives a place back after a call that ended with err.
func (p *Pool) put(c *conn, err error) {
	p.mu.Lock()
	c.slots--
	last := p.lastCall(c, err)
	switch {
	case last:
		p.remove(c)
	case c.slots == 0:
		p.expire(c)
	}
	p.wakeOne(c.lane)
	p.mu.Unlock()
	if last {
		c.part(errRetired) // a oneway call may not have left yet
	}
}

// lastCall tells that the connection should carry no more after a call that
// ended with err, and learns from it what kind of peer it is.
func (p *Pool) lastCall(c *conn, err error) bool {
	_, told := errors.AsType[thrift.TApplicationException](err)
	_, broken := errors.AsType[*CallError](err)
	c.answered = c.answered || c.hasHeard()
	if broken && !c.usable() && !byCaller(err) {
		p.solo = false // another may answer next
	}
	if !c.solo {
		return c.slots == 0 && p.solo
	}
	if c.many() { // it has been replaced by one that is marked
		p.solo = false
	}
	// A solo peer may close its connection after an exception, as the library's
	// Go servers do, and may let others wait while it is open.
	return !p.solo || told || p.unheard(c) >= soloTurn
}

// byCaller tells that it was the caller who ended a call.
func byCaller(err error) bool {
	return errors.Is(err, errGivenUp) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// hasHeard tells that a message has come.
func (c *conn) hasHeard() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.heard > 0
}

// many tells that the peer answers many calls at once.
func (c *conn) many() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.marked
}

// checkLapsed ends the connection if a peer that is not marked has closed it since
// its last answer, which nobody may have seen yet: some close after each.
func (c *conn) checkLapsed() {
	c.mu.Lock()
	lapsed := !c.marked && !c.reading && c.err == nil && c.src.ended()
	c.mu.Unlock()
	if lapsed {
		c.end(io.EOF, nil)
	}
}

// gone is called when a connection has ended.
func (p *Pool) gone(c *conn) {
	p.stats.closed(c)
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.open { // else nobody counts on it, and whoever makes it says how that went
		p.remove(c)
		if !c.used && c.many() && time.Since(c.added) < atOnce {
			p.failed(errAtOnce)
		}
		p.wake()
	}
}

func (p *Pool) remove(c *conn) {
	if i := slices.Index(p.conns[c.lane], c); c.open && i >= 0 {
		p.conns[c.lane] = slices.Delete(p.conns[c.lane], i, i+1)
	}
	c.open = false
}

// unheard is how long a call has been waiting on a connection that was never
// answered, which c may keep out; 0: none has.
func (p *Pool) unheard(c *conn) (longest time.Duration) {
	if !c.solo {
		return 0
	}
	for _, other := range p.conns[small] {
		if other != c && other.solo && !other.answered && other.slots > 0 {
			longest = max(longest, time.Since(other.began))
		}
	}
	return longest
}

// expire has c closed when it stays idle.
func (p *Pool) expire(c *conn) {
	keep := p.cfg.IdleTimeout
	switch {
	case c.solo && p.unheard(c) > 0:
		keep = min(keep, soloTurn)
	case c.solo:
		keep = min(keep, soloIdle)
	}
	c.expiry = time.Now().Add(keep)
	p.reapAt(c.expiry)
}

// reapAt has reap run at that time, or before.
func (p *Pool) reapAt(at time.Time) {
	if p.closed || p.reaper != nil && !at.Before(p.reaps) {
		return
	}
	if p.reaper != nil {
		p.reaper.Stop()
	}
	p.reaps = at
	p.reaper = time.AfterFunc(time.Until(at), p.reap)
}

// reap closes connections that were idle for long, and comes back for the rest.
func (p *Pool) reap() {
	p.mu.Lock()
	p.reaper = nil
	now, next := time.Now(), time.Time{}
	var old []*conn
	for lane := range p.conns {
		for _, c := range slices.Clone(p.conns[lane]) {
			switch {
			case c.slots > 0: // it is given a new time when it falls idle
			case !c.expiry.After(now):
				p.remove(c)
				old = append(old, c)
			case next.IsZero() || c.expiry.Before(next):
				next = c.expiry
			}
		}
	}
	if !next.IsZero() {
		p.reapAt(next)
	}
	p.mu.Unlock()
	for _, c := range old {
		c.end(errRetired, nil)
	}
}

// waiter is a call that waits for a place on a lane.
type waiter struct {
	ready chan struct{} // gets one value
	lane  int
}

// wake lets everybody look again, wakeOne the one who has waited longest for a
// place on the lane.
func (p *Pool) wake() {
	for _, w := range p.waiters {
		w.ready <- struct{}{}
	}
	p.waiters = nil
}

func (p *Pool) wakeOne(lane int) {
	i := slices.IndexFunc(p.waiters, func(w waiter) bool { return w.lane == lane })
	if i >= 0 {
		p.waiters[i].ready <- struct{}{}
		p.waiters = slices.Delete(p.waiters, i, i+1)
	}
}

// leave ends waiting, and passes on the sign that may have come meanwhile.
func (p *Pool) leave(w waiter) {
	if i := slices.Index(p.waiters, w); i >= 0 {
		p.waiters = slices.Delete(p.waiters, i, i+1)
		return
	}
	p.wakeOne(w.lane)
}
