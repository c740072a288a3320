package mux_test

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/rpc/mux"
)

// A part of the million calls.
type part struct {
	name   string
	share  int // of 100 calls
	load   load
	pool   mux.PoolConfig
	server mux.ServerConfig
	stormy bool
}

var parts = []part{
	{
		name: "clean", share: 80,
		load: load{callers: 256, largest: 300_000, patience: time.Minute},
	},
	{
		name: "few places", share: 6,
		load: load{callers: 128, largest: 300_000, patience: time.Minute},
		pool: mux.PoolConfig{MaxInFlight: 3, BulkBytes: 128},
		server: mux.ServerConfig{
			MaxCalls: 3, MaxBytes: 1 << 20, Requests: mux.Limits{Bytes: 1 << 20},
		},
	},
	{
		name: "stormy", share: 11, stormy: true,
		load: load{callers: 64, largest: 300_000, patience: 3 * time.Second},
		pool: mux.PoolConfig{
			BackoffMin: time.Millisecond, BackoffMax: 20 * time.Millisecond, IdleTimeout: 100 * time.Millisecond,
		},
		server: mux.ServerConfig{Grace: 100 * time.Millisecond},
	},
	{
		name: "stormy, one call a connection", share: 3, stormy: true,
		load: load{callers: 64, largest: 300_000, patience: 3 * time.Second},
		pool: mux.PoolConfig{
			BackoffMin: time.Millisecond, BackoffMax: 20 * time.Millisecond,
			SoloConns: 32, Dialect: mux.FramedCompact,
		},
		server: mux.ServerConfig{Grace: 100 * time.Millisecond},
	},
}

// Whatever the link does, each of a million calls ends once and by its deadline:
// with the answer of its own handler, which ran once; or with an error, which
// says that nothing left only if no handler ran. Nothing is left behind.
func TestPool_EachOfAMillionCallsEndsOnceAndAsItShould(t *testing.T) {
	seed := seedOf(t)
	for _, p := range parts {
		t.Run(p.name, func(t *testing.T) {
			p.load.calls = propertyCalls * p.share / 100
			p.load.seed = seed
			if p.stormy {
				p.weather(t)
			} else {
				p.calm(t)
			}
		})
	}
}

// calm has no link that could do harm: no call fails before its context ends.
func (p part) calm(t *testing.T) {
	b := newBook(p.load.calls)
	b.clean = true
	addr, stop := startBook(t, b, p.server, "127.0.0.1:0")
	pool := startPoolOf(t, addr, p.pool)
	p.load.run(t, b, pool)
	p.settle(t, pool)
	require.Eventually(t, b.arrived, 20*time.Second, 10*time.Millisecond) // Close does not wait for what the peer has not read
	require.NoError(t, pool.Close())
	stop()
	b.audit(t)
}

func (p part) weather(t *testing.T) {
	b := newBook(p.load.calls + tries)
	addr, stop := startBook(t, b, p.server, "127.0.0.1:0")
	l, at := startLink(t, addr, p.load.seed)
	pool := startPoolOf(t, at, p.pool)
	ctx, end := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		storm(ctx, l, p.load.seed)
	}()
	p.load.run(t, b, pool)
	end()
	<-done
	p.heals(t, b, pool)
	l.bury()
	require.Eventually(t, func() bool { return l.conns() <= p.conns() }, 20*time.Second, 10*time.Millisecond)
	p.settle(t, pool)
	t.Logf("%d connections in all, %d at once", l.dials, l.most)
	require.NoError(t, pool.Close())
	l.close()
	stop()
	b.audit(t)
}

// heals checks that the pool is soon as it was. A ping that was lost on the way
// to a half-open peer keeps it from another for two seconds.
func (p part) heals(t *testing.T, b *book, pool *mux.Pool) {
	for i := range tries {
		<-time.After(p.pool.BackoffMax + time.Duration(i)*2*time.Second)
		c := call{id: p.load.calls + i, shape: asItem}
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		end, _, err := b.do(ctx, pool, c)
		cancel()
		if end == answered {
			require.Equal(t, p.pool.Dialect != 0, pool.Solo())
			return
		}
		t.Log(err)
	}
	require.FailNow(t, "no call is answered, though the link is whole")
}

// conns is how many connections a pool may keep.
func (p part) conns() int {
	if p.pool.Dialect != 0 {
		return p.pool.SoloConns
	}
	return 3
}

// settle checks that a pool without calls keeps few connections and goroutines.
func (p part) settle(t *testing.T, pool *mux.Pool) {
	require.Eventually(t, func() bool {
		s := pool.Stats()
		return s.InFlight == 0 && s.Conns <= p.conns() && runtime.NumGoroutine() < 40+5*p.conns()
	}, 20*time.Second, 10*time.Millisecond)
	require.GreaterOrEqual(t, pool.Stats().Calls, int64(p.load.calls))
	t.Logf("%+v", pool.Stats())
}
