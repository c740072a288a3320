package api

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// maxConns bounds the connections where the system has descriptors enough.
const maxConns = 4096

// connsDefault is how many connections are open at once where nobody says so: a fourth
// of the descriptors that this process may have, since the nodes, the clients of
// Thrift and the files need the others.
func connsDefault() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return maxConns / 4
	}
	return int(max(16, min(maxConns, limit.Cur/4)))
}

// crowd is the open connections. One more than it may have closes one on which no
// call is being answered, or is closed itself.
type crowd struct {
	most int
	log  *slog.Logger

	mu     sync.Mutex // guards what follows
	guests map[net.Conn]*guest
	from   map[netip.Addr]int // connections of each address
	closed int                // since the log was told
	told   time.Time
}

// guest is one connection.
type guest struct {
	nc    net.Conn
	from  netip.Addr
	calls atomic.Int32 // that are being answered
	// since is when its last call ended, in Unix nanoseconds; neverCalled plus the
	// time of its coming before the first.
	since atomic.Int64
}

// neverCalled makes connections that never made a call older than all that did. With
// the nanoseconds since 1970 it does not overflow before 2262.
const neverCalled = -1 << 62

func newCrowd(most int, log *slog.Logger) *crowd {
	return &crowd{most: most, log: log, guests: map[net.Conn]*guest{}, from: map[netip.Addr]int{}}
}

// admit implements http.Server.ConnContext: calls on nc find their guest in their
// context.
func (c *crowd) admit(ctx context.Context, nc net.Conn) context.Context {
	g := &guest{nc: nc, from: addressOf(nc.RemoteAddr().String())}
	now := time.Now()
	g.since.Store(neverCalled + now.UnixNano())
	c.mu.Lock()
	full := len(c.guests) >= c.most
	c.mu.Unlock()
	if full {
		evicted := c.evict()
		c.tell(now)
		if !evicted {
			hangUp(nc)
			return ctx // which its end, that the server soon sees, does not mind
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.guests[nc] = g
	c.from[g.from]++
	return context.WithValue(ctx, guestKey, g)
}

// state implements http.Server.ConnState.
func (c *crowd) state(nc net.Conn, s http.ConnState) {
	if s == http.StateClosed || s == http.StateHijacked {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.forget(nc)
	}
}

// forget is the end of a connection; mu is held.
func (c *crowd) forget(nc net.Conn) {
	g, ok := c.guests[nc]
	if !ok {
		return
	}
	delete(c.guests, nc)
	if c.from[g.from]--; c.from[g.from] == 0 {
		delete(c.from, g.from)
	}
}

// evict closes a connection without a call; false: there is none. Of some it takes
// one from the address that has the most, rather one that never called, or has sent a
// part of its first call, and else the one whose last call is longest ago.
func (c *crowd) evict() bool {
	const sample = 64
	c.mu.Lock()
	defer c.mu.Unlock()
	var worst *guest
	seen := 0
	for _, g := range c.guests {
		if g.calls.Load() > 0 {
			continue
		}
		if worst == nil || c.from[g.from] > c.from[worst.from] ||
			c.from[g.from] == c.from[worst.from] && g.since.Load() < worst.since.Load() {
			worst = g
		}
		if seen++; seen >= sample {
			break
		}
	}
	if worst == nil {
		return false
	}
	c.forget(worst.nc)
	hangUp(worst.nc)
	return true
}

// tell logs, once in a while, that connections make room for others.
func (c *crowd) tell(now time.Time) {
	const pause = 10 * time.Second
	c.mu.Lock()
	c.closed++
	n, silent := c.closed, now.Sub(c.told) < pause
	if !silent {
		c.closed, c.told = 0, now
	}
	c.mu.Unlock()
	if !silent {
		c.log.Warn("more HTTP connections than may be: idle ones are closed", "limit", c.most, "closed", n)
	}
}

// hangUp closes a connection without a word that its peer might not take.
func hangUp(nc net.Conn) {
	if over, ok := nc.(interface{ NetConn() net.Conn }); ok { // TLS would write its end first
		nc = over.NetConn()
	}
	_ = nc.Close()
}

// begin and end count the calls that are answered.
func (g *guest) begin() { g.calls.Add(1) }

func (g *guest) end() {
	g.since.Store(time.Now().UnixNano())
	g.calls.Add(-1)
}

// doorway is a listener that has an idle connection make room where descriptors have
// run out.
type doorway struct {
	net.Listener
	crowd *crowd
}

// Accept implements net.Listener.
func (d doorway) Accept() (net.Conn, error) {
	nc, err := d.Listener.Accept()
	if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
		d.crowd.evict()
		d.crowd.tell(time.Now())
	}
	return nc, err
}

// addressOf is the part of HOST:PORT that one peer has for itself: an IPv4 address, or
// the first half of an IPv6 address, whose other half is the peer's to choose.
func addressOf(hostPort string) netip.Addr {
	at, err := netip.ParseAddrPort(hostPort)
	if err != nil {
		return netip.Addr{}
	}
	ip := at.Addr().Unmap()
	if !ip.Is6() {
		return ip
	}
	const half = 64
	net64, err := ip.WithZone("").Prefix(half)
	if err != nil {
		return netip.Addr{}
	}
	return net64.Addr()
}
