package mux_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/gen-go/echo"
	"spillway/rpc/mux"
)

// pier is a listener for the ends of pipes.
type pier struct {
	ships chan net.Conn
	done  chan struct{}
	close func()
}

func newPier() *pier {
	done := make(chan struct{})
	return &pier{ships: make(chan net.Conn), done: done, close: sync.OnceFunc(func() { close(done) })}
}

func (p *pier) Accept() (net.Conn, error) {
	select {
	case nc := <-p.ships:
		return nc, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pier) Close() error {
	p.close()
	return nil
}

func (p *pier) Addr() net.Addr { return &net.UnixAddr{Name: "pier", Net: "pipe"} }

func (p *pier) dial(ctx context.Context) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case p.ships <- far:
		return near, nil
	case <-p.done:
		return nil, io.ErrClosedPipe
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// site is a server behind a link, and a pool that calls it.
type site struct {
	*book
	link *link
	pool *mux.Pool
	last atomic.Int32 // call made
}

// newSite is for bubbles: all goes over pipes. At the end of the test it audits
// the book, for so many calls at most.
func newSite(t *testing.T, calls int, cfg mux.PoolConfig) *site {
	b := newBook(calls)
	b.slack = 0
	p := newPier()
	s := &site{book: b, link: newLink(p.dial, 1)}
	cfg.Dial = s.link.dial
	s.pool = mux.NewPool(cfg)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- mux.NewServer(mux.ServerConfig{}, echo.NewEchoProcessor(b), slog.New(slog.DiscardHandler)).Serve(ctx, p)
	}()
	t.Cleanup(func() {
		require.NoError(t, s.pool.Close())
		s.link.close()
		stop()
		require.NoError(t, <-done)
		b.audit(t)
	})
	return s
}

// try makes one call of so many bytes.
func (s *site) try(within time.Duration, size int) (verdict, error) {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	c := call{id: int(s.last.Add(1)), shape: asItem, data: make([]byte, size)}
	end, _, err := s.do(ctx, s.pool, c)
	return end, err
}

// tryAtOnce makes n calls.
func (s *site) tryAtOnce(n, size int) {
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() { _, _ = s.try(time.Second, size) })
	}
	wg.Wait()
}

// tries is how many calls, each after the longest backoff, the first to be
// answered may need once a link is whole again. One meets the backoff or a dead
// connection, one a connection that was half made.
const tries = 3

// heals checks that the pool finds back to its peer, and to many calls at once on
// few connections.
func (s *site) heals(t *testing.T, what string) {
	var errs []error
	s.link.set(fault{})
	for range tries {
		time.Sleep(2 * time.Second)
		end, err := s.try(5*time.Second, 10)
		if end == answered {
			synctest.Wait()
			require.False(t, s.pool.Solo(), "%s: one call a connection", what)
			require.LessOrEqual(t, s.pool.Stats().Conns, 3, what)
			return
		}
		errs = append(errs, err)
	}
	require.FailNow(t, what+": no call is answered", "%v", errs)
}

func TestPool_SurvivesACutAtEveryByte(t *testing.T) {
	for _, row := range []struct {
		name    string
		end     ending
		callers int
		size    int
		step    int // bytes between two cuts
	}{
		{"closed", closed, 1, 10, 1},
		{"half open", swallow, 1, 10, 1},
		{"closed in a large call", closed, 1, 100_000, 997},
		{"half open in a large call", swallow, 1, 100_000, 997},
		{"closed among many calls", closed, 40, 2500, 997},
	} {
		for dir := up; dir <= both; dir++ {
			t.Run(row.name+", "+[]string{up: "up", down: "down", both: "both"}[dir], func(t *testing.T) {
				for after := 0; after < row.callers*row.size+400; after += row.step {
					synctest.Test(t, func(t *testing.T) {
						s := newSite(t, 200, mux.PoolConfig{})
						s.link.set(fault{end: row.end, after: after, way: dir})
						for range 2 {
							s.tryAtOnce(row.callers, row.size)
						}
						s.heals(t, fmt.Sprint("after ", after, " bytes"))
					})
				}
			})
		}
	}
}

// A peer that was marked is taken for another kind by no pings that are lost, and
// is found again with the first that is not.
func TestPool_MarkedPeerStaysOneWhicheverPingsAreLost(t *testing.T) {
	const pings = 6
	for _, how := range []ending{closed, swallow} {
		t.Run(map[ending]string{closed: "closed", swallow: "half open"}[how], func(t *testing.T) {
			for lost := range 1 << pings {
				synctest.Test(t, func(t *testing.T) {
					s := newSite(t, 100, mux.PoolConfig{})
					_, err := s.try(time.Second, 10)
					require.NoError(t, err)
					before := s.link.dials
					s.link.ends = func(n int) ending {
						if lost>>(n-before-1)&1 == 1 {
							return how
						}
						return none
					}
					s.link.strike(closed)
					synctest.Wait()
					var end verdict
					for i := 0; end != answered && i < 2*pings; i++ {
						time.Sleep(2 * time.Second)
						end, err = s.try(20*time.Second, 10)
					}
					require.Equal(t, answered, end, "%v", err)
					require.False(t, s.pool.Solo(), "%b", lost)
				})
			}
		})
	}
}

// harms are what a link may do for long.
var harms = []fault{
	{name: "nothing"},
	{name: "200 ms later", delay: 200 * time.Millisecond},
	{name: "5 % lost", loss: 0.05, rto: 200 * time.Millisecond},
	{name: "half open", end: swallow, way: both},
	{name: "half open up, in mid-frame", end: swallow, after: 10_000, way: up},
	{name: "half open down, in mid-frame", end: swallow, after: 10_000, way: down},
	{name: "nothing is read", end: stall, way: up},
	{name: "nothing is read, from mid-frame on", end: stall, after: 10_000, way: up},
	{name: "answers are held up", end: stall, after: 10_000, way: down},
	{name: "a byte at a time", segment: 1},
	{name: "20 KB a second", rate: 20_000},
	{name: "closed in mid-frame", end: closed, after: 10_000, way: both},
}

func TestPool_NoCallOutlivesItsDeadlineWhateverTheLinkDoes(t *testing.T) {
	seed := seedOf(t)
	for _, harm := range harms {
		t.Run(harm.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, 3*harmedCalls+tries, mux.PoolConfig{})
				s.last.Store(3*harmedCalls - 1)
				load{callers: 16, calls: harmedCalls / 5, largest: 20_000, patience: time.Second, seed: seed}.run(t, s.book, s.pool)
				s.link.set(harm)
				largest := 300_000
				if harm.segment == 1 {
					largest = 3_000 // each byte costs as much as a call
				}
				load{callers: 32, first: harmedCalls, calls: harmedCalls, largest: largest, patience: 3 * time.Second, seed: seed}.run(t, s.book, s.pool)
				s.heals(t, "after")
				time.Sleep(time.Minute) // idle connections are closed
				load{callers: 16, first: 2 * harmedCalls, calls: harmedCalls / 5, largest: 20_000, patience: 10 * time.Second, seed: seed}.run(t, s.book, s.pool)
			})
		})
	}
}

func TestPool_CallThatCannotBeWrittenEndsAtItsDeadline(t *testing.T) {
	for _, size := range []int{10, 100_000} {
		t.Run(fmt.Sprint(size, " bytes"), func(t *testing.T) {
			for within := time.Millisecond; within <= 40*time.Millisecond; within += 3 * time.Millisecond {
				synctest.Test(t, func(t *testing.T) {
					s := newSite(t, 100, mux.PoolConfig{})
					_, err := s.try(time.Second, size)
					require.NoError(t, err)
					s.link.set(fault{end: stall, way: up})
					for range 3 { // the link takes a little yet
						start := time.Now()
						_, err = s.try(within, size)
						require.ErrorIs(t, err, context.DeadlineExceeded)
						require.Equal(t, within, time.Since(start))
					}
				})
			}
		})
	}
}

// Large requests that are given up on a slow link, in mid-write and before, leave
// no trace: their memory is the callers' again, who overwrite it, and what the
// server gets of them is what was sent.
func TestPool_RequestsGivenUpInMidWriteHarmNoOther(t *testing.T) {
	seed := seedOf(t)
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, 2*harmedCalls, mux.PoolConfig{})
		s.link.set(fault{rate: 1 << 20})
		var wg sync.WaitGroup
		wg.Go(func() {
			load{
				callers: 16, calls: harmedCalls, least: 40_000, largest: 300_000, patience: 2 * time.Second,
				seed: seed, fickle: true,
			}.run(t, s.book, s.pool)
		})
		wg.Go(func() {
			load{
				callers: 4, first: harmedCalls, calls: harmedCalls, largest: 1000, patience: time.Minute,
				seed: seed, mild: true,
			}.run(t, s.book, s.pool)
		})
		wg.Wait()
	})
}

func TestPool_AFreePlaceGoesToACallOfItsLane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, 0, mux.PoolConfig{MaxInFlight: 1, BulkBytes: 1000})
		start := time.Now()
		var wg sync.WaitGroup
		after := func(ms int64, size int, want time.Duration) {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
				defer cancel()
				_, err := echo.NewEchoClient(s.pool).After(ctx, make([]byte, size), ms)
				if took := time.Since(start); err != nil || took != want {
					t.Errorf("a call of %d bytes ended after %v with %v; want %v", size, took, err, want)
				}
			})
			synctest.Wait()
		}
		after(1000, 0, time.Second)
		after(5000, 2000, 5*time.Second) // the bulk lane has two connections
		after(5000, 2000, 5*time.Second)
		after(0, 2000, 5*time.Second)
		after(0, 0, time.Second)
		wg.Wait()
	})
}

// A connection of a peer that answers one call at a time carries one, whatever
// has happened to others: each that is lost costs one call at most.
func TestPool_LostConnectionOfManyCostsOneCall(t *testing.T) {
	seed := seedOf(t)
	for _, d := range []mux.Dialect{mux.UnframedCompact, mux.FramedCompact, mux.HeaderCompact} {
		t.Run(d.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const conns, lost = 8, 40
				s := newSite(t, 2000, mux.PoolConfig{SoloConns: conns, Dialect: d})
				var wg sync.WaitGroup
				wg.Go(func() {
					for range lost {
						time.Sleep(5 * time.Millisecond)
						if wires := s.link.all(); len(wires) > 0 {
							wires[0].finish(closed)
						}
					}
				})
				load{
					callers: 32, calls: 2000, largest: 1000, patience: time.Minute,
					seed: seed, slow: true, mild: true, stubborn: true,
				}.run(t, s.book, s.pool)
				wg.Wait()
				require.LessOrEqual(t, s.count(broken), lost)
				require.LessOrEqual(t, s.link.most, 2*conns, "an old one may be closed after the new one is made")
			})
		})
	}
}
