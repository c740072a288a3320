package mux

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// withPool runs a test in a bubble, with a pool that is closed at its end.
func withPool(t *testing.T, cfg PoolConfig, test func(t *testing.T, p *Pool)) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(cfg)
		defer p.Close()
		test(t, p)
	})
}

func requireEchoes(t *testing.T, p *Pool, what string) {
	t.Helper()
	got, err := client(p).Echo(t.Context(), []byte(what))
	require.NoError(t, err)
	require.Equal(t, what, string(got))
}

func TestPool_FailsAtOnceWhileItBacksOff(t *testing.T) {
	var dials []time.Time
	withPool(t, PoolConfig{Dial: func(context.Context) (net.Conn, error) {
		dials = append(dials, time.Now())
		return nil, errors.New("connection refused")
	}}, func(t *testing.T, p *Pool) {
		dials = nil
		for range 20_000 { // 20 seconds
			began := time.Now()
			requireCallError(t, client(p).Ping(t.Context()), true, "ping: cannot connect: connection refused")
			require.Zero(t, time.Since(began))
			time.Sleep(time.Millisecond)
		}
		const slack = 2 * time.Millisecond // between two calls
		most := 20 * time.Millisecond
		for i := range dials[1:] {
			gap := dials[i+1].Sub(dials[i])
			require.GreaterOrEqual(t, gap, most/2, "after dial %d", i)
			require.LessOrEqual(t, gap, most+slack, "after dial %d", i)
			most = min(2*most, 2*time.Second)
		}
	})
}

func TestPool_TriesAgainAfterTheBackoffAndForgetsIt(t *testing.T) {
	inBubble(t, ServerConfig{}, fakeEcho{}, func(t *testing.T, r *rig) {
		var down atomic.Bool
		p := r.pool(t, PoolConfig{Dial: func(ctx context.Context) (net.Conn, error) {
			if down.Load() {
				return nil, errors.New("down")
			}
			return r.dial(ctx)
		}})
		for range 3 {
			down.Store(true)
			p.mu.Lock()
			open := slices.Clone(p.conns[small])
			p.mu.Unlock()
			for _, c := range open {
				c.nc.Close()
			}
			time.Sleep(3 * tickEvery)
			for range 6 {
				require.Error(t, client(p).Ping(t.Context()))
				time.Sleep(time.Second)
			}
			down.Store(false)
			time.Sleep(2 * time.Second)
			requireEchoes(t, p, "up again")
			require.Zero(t, p.fails)
		}
	})
}

func TestBackoff_DoublesUpToItsMostAndIsHalfRandom(t *testing.T) {
	const least, most = 20 * time.Millisecond, 2 * time.Second
	for fails, want := range map[int]time.Duration{0: least, 1: 2 * least, 5: 32 * least, 7: most, 1000: most} {
		seen := map[time.Duration]bool{}
		for range 100 {
			b := backoff(least, most, fails)
			require.GreaterOrEqual(t, b, want/2)
			require.LessOrEqual(t, b, want)
			seen[b] = true
		}
		require.Greater(t, len(seen), 50)
	}
}

func TestPool_CallFailsWithTheDialThatItWaitedFor(t *testing.T) {
	withPool(t, PoolConfig{BackoffMin: 1, BackoffMax: 1, Dial: func(context.Context) (net.Conn, error) {
		time.Sleep(time.Second)
		return nil, errors.New("no route")
	}}, func(t *testing.T, p *Pool) {
		began := time.Now()
		requireCallError(t, client(p).Ping(t.Context()), true, "cannot connect: no route")
		require.Equal(t, time.Second, time.Since(began), "though it may dial again by now")
	})
}

func TestPool_HangingDialEndsAndOneCallTriesAgain(t *testing.T) {
	var dials atomic.Int32
	withPool(t, PoolConfig{Dial: func(ctx context.Context) (net.Conn, error) {
		dials.Add(1)
		<-ctx.Done()
		return nil, ctx.Err()
	}}, func(t *testing.T, p *Pool) {
		began := time.Now()
		err := client(p).Ping(within(t, time.Second))
		requireCallError(t, err, true, "cannot connect: context deadline exceeded")
		require.Equal(t, time.Second, time.Since(began), "its own deadline counts")
		requireCallError(t, client(p).Ping(t.Context()), true, "cannot connect")
		require.Equal(t, 2*time.Second, time.Since(began))
		time.Sleep(time.Second)
		var wg sync.WaitGroup
		for range 64 {
			wg.Go(func() { _ = client(p).Ping(t.Context()) })
		}
		wg.Wait()
		require.EqualValues(t, 2, dials.Load())
	})
}

func TestPool_EndedContextSendsNothing(t *testing.T) {
	p := NewPool(PoolConfig{Dial: func(context.Context) (net.Conn, error) { panic("dialled") }})
	defer p.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := client(p).Ping(ctx)
	requireCallError(t, err, true, "context canceled")
	require.ErrorIs(t, err, context.Canceled)
}

func TestPool_RequestBeyondItsLimitStaysHere(t *testing.T) {
	inBubble(t, ServerConfig{}, fakeEcho{}, func(t *testing.T, r *rig) {
		p := r.pool(t, PoolConfig{Requests: Limits{Bytes: 1000}})
		requireEchoes(t, p, "fits")
		_, err := client(p).Echo(t.Context(), make([]byte, 1000))
		requireCallError(t, err, true, "at most 1000 are sent")
		requireEchoes(t, p, "fits")
		require.EqualValues(t, 1, p.Stats().Dials)
	})
}

func TestPool_AnswerBeyondItsLimitIsAnError(t *testing.T) {
	inBubble(t, ServerConfig{}, fakeEcho{}, func(t *testing.T, r *rig) {
		p := r.pool(t, PoolConfig{Replies: Limits{Bytes: 1000}})
		_, err := client(p).Echo(t.Context(), make([]byte, 2000))
		requireCallError(t, err, false, "at most 1000 are taken")
		requireEchoes(t, p, "fits")
	})
}

func TestPool_TinyCallPassesBulkOnes(t *testing.T) {
	for name, cfg := range map[string]PoolConfig{
		"large requests":           {},
		"methods of large answers": {BulkBytes: 1 << 30, Bulk: func(method string) bool { return method == "after" }},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, ServerConfig{}, fakeEcho{}, func(t *testing.T, r *rig) {
				r.wrap = func(far net.Conn) net.Conn { return slowReader{far, 1 << 20} }
				p := r.pool(t, cfg)
				require.NoError(t, client(p).Ping(t.Context()))
				var wg sync.WaitGroup
				for range 4 {
					wg.Go(func() {
						_, err := client(p).After(t.Context(), make([]byte, 5<<20), 0)
						if err != nil {
							t.Error(err)
						}
					})
				}
				time.Sleep(time.Second)
				pings := 0
				for ; p.Stats().InFlight > 0; pings++ {
					began := time.Now()
					require.NoError(t, client(p).Ping(t.Context()))
					require.Less(t, time.Since(began), time.Millisecond)
					require.LessOrEqual(t, p.Stats().Conns, 3, "one for small calls and two for bulk")
					time.Sleep(time.Second)
				}
				require.Greater(t, pings, 8)
				wg.Wait()
			})
		})
	}
}

func TestPool_CallsBeyondMaxInFlightWaitAndKeepTheirContexts(t *testing.T) {
	var running gauge
	h := fakeEcho{}
	h.after = func(ctx context.Context, data []byte, ms int64) ([]byte, error) {
		running.add(1)
		defer running.add(-1)
		time.Sleep(time.Duration(ms) * time.Millisecond)
		return data, nil
	}
	inBubble(t, ServerConfig{}, h, func(t *testing.T, r *rig) {
		p := r.pool(t, PoolConfig{MaxInFlight: 3})
		began := time.Now()
		var wg sync.WaitGroup
		for range 12 {
			wg.Go(func() {
				if _, err := client(p).After(t.Context(), nil, 1000); err != nil {
					t.Error(err)
				}
			})
		}
		time.Sleep(time.Millisecond)
		_, err := client(p).After(within(t, time.Second/2), nil, 1000)
		requireCallError(t, err, true, "3 calls are under way on each connection: context deadline exceeded")
		wg.Wait()
		require.Equal(t, 4*time.Second, time.Since(began), "no place stays empty")
		_, most := running.read()
		require.Equal(t, 3, most)
		require.EqualValues(t, 1, p.Stats().Dials)
	})
}

func TestPool_NoticesAnIdleConnectionThatThePeerClosed(t *testing.T) {
	var last atomic.Pointer[farEnd]
	dial := byHand(func(_ int, f *farEnd) {
		last.Store(f)
		_ = f.serve(true, nil)
	})
	withPool(t, PoolConfig{Dial: dial}, func(t *testing.T, p *Pool) {
		for i := range 5 {
			requireEchoes(t, p, "not lost")
			require.EqualValues(t, i+1, p.Stats().Dials)
			time.Sleep(3 * tickEvery)
			last.Load().Close()
			synctest.Wait()
			require.Zero(t, p.Stats().Conns)
		}
	})
}

// deafTo is a connection whose writes fail from some time on, as those to a peer
// that has reset it.
type deafTo struct {
	net.Conn
	deaf *atomic.Bool
}

func (c deafTo) Write(b []byte) (int, error) {
	if c.deaf.Load() {
		return 0, errors.New("broken pipe")
	}
	return c.Conn.Write(b)
}

func TestPool_CallsThatNeverLeftGoOverANewConnection(t *testing.T) {
	for _, callers := range []int{1, 64} {
		t.Run(fmt.Sprint(callers, " callers"), func(t *testing.T) {
			inBubble(t, ServerConfig{}, fakeEcho{}, func(t *testing.T, r *rig) {
				var deaf *atomic.Bool
				p := r.pool(t, PoolConfig{Dial: func(ctx context.Context) (net.Conn, error) {
					nc, err := r.dial(ctx)
					deaf = &atomic.Bool{}
					return deafTo{nc, deaf}, err
				}})
				for round := range 5 {
					requireEchoes(t, p, "it is used")
					require.EqualValues(t, round+1, p.Stats().Dials)
					deaf.Store(true)
					var wg sync.WaitGroup
					for range callers {
						wg.Go(func() {
							if err := client(p).Ping(within(t, time.Minute)); err != nil {
								t.Error(err)
							}
						})
					}
					wg.Wait()
				}
			})
		})
	}
}

func TestPool_SilentPeerIsDialledAnew(t *testing.T) {
	dial := byHand(func(n int, f *farEnd) {
		_ = f.serve(true, func(m *message) bool { return n == 1 && m.seq > 1 }) // half open after the hello
	})
	withPool(t, PoolConfig{Dial: dial}, func(t *testing.T, p *Pool) {
		for range silentCalls {
			requireCallError(t, client(p).Ping(within(t, time.Second)), false, "deadline exceeded")
		}
		requireEchoes(t, p, "over a new connection")
		require.EqualValues(t, 2, p.Stats().Dials)
	})
}

func TestPool_ClosesIdleConnections(t *testing.T) {
	inBubble(t, ServerConfig{}, fakeEcho{}, func(t *testing.T, r *rig) {
		p := r.pool(t, PoolConfig{})
		for range 100 {
			requireEchoes(t, p, "over one connection")
		}
		require.EqualValues(t, 1, p.Stats().Dials)
		time.Sleep(30 * time.Second)
		_, err := client(p).After(t.Context(), nil, (5 * time.Minute).Milliseconds()) // this is not idleness
		require.NoError(t, err)
		time.Sleep(time.Minute - time.Second)
		require.Equal(t, 1, p.Stats().Conns)
		time.Sleep(time.Second)
		synctest.Wait()
		require.Zero(t, p.Stats().Conns)
		requireEchoes(t, p, "over another")
		require.EqualValues(t, 2, p.Stats().Dials)
	})
}

func TestPool_CloseEndsEverything(t *testing.T) {
	t.Run("calls under way and waiting", func(t *testing.T) {
		causes := make(chan error, 10)
		synctest.Test(t, func(t *testing.T) {
			causes = make(chan error, 10)
			r := startRig(t, ServerConfig{}, fakeEcho{after: holdUntilGone(causes)})
			defer r.stop()
			p := r.pool(t, PoolConfig{MaxInFlight: 2})
			ended := make(chan error, 4)
			for range 4 {
				go func() {
					_, err := client(p).After(context.Background(), nil, 0)
					ended <- err
				}()
			}
			time.Sleep(time.Second)
			require.NoError(t, p.Close())
			unsent := 0
			for range 4 {
				err := <-ended
				require.ErrorIs(t, err, ErrClosed)
				if failed, ok := errors.AsType[*CallError](err); ok && failed.Unsent {
					unsent++
				}
			}
			require.Equal(t, 2, unsent)
			require.ErrorIs(t, <-causes, ErrCallerGone)
			requireCallError(t, client(p).Ping(t.Context()), true, ErrClosed.Error())
			require.NoError(t, p.Close())
		})
	})
	t.Run("a dial", func(t *testing.T) {
		withPool(t, PoolConfig{Dial: func(ctx context.Context) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}}, func(t *testing.T, p *Pool) {
			time.AfterFunc(time.Second, func() { p.Close() })
			began := time.Now()
			requireCallError(t, client(p).Ping(t.Context()), true, ErrClosed.Error())
			require.Equal(t, time.Second, time.Since(began))
		})
	})
	t.Run("a hello", func(t *testing.T) {
		ended := make(chan struct{})
		dial := byHand(func(_ int, f *farEnd) {
			defer close(ended)
			f.drain()
		})
		synctest.Test(t, func(t *testing.T) {
			ended = make(chan struct{})
			p := NewPool(PoolConfig{Dial: dial})
			time.AfterFunc(time.Second, func() { p.Close() })
			began := time.Now()
			requireCallError(t, client(p).Ping(t.Context()), true, ErrClosed.Error())
			<-ended
			require.Equal(t, time.Second, time.Since(began))
		})
	})
}

func TestPool_OnewayCallWaitsForNothing(t *testing.T) {
	notes := make(chan string)
	synctest.Test(t, func(t *testing.T) {
		notes = make(chan string, 1)
		r := startRig(t, ServerConfig{}, fakeEcho{note: func(_ context.Context, text string) error {
			time.Sleep(time.Hour)
			notes <- text
			return nil
		}})
		defer r.stop()
		p := r.pool(t, PoolConfig{IdleTimeout: 2 * time.Hour})
		began := time.Now()
		require.NoError(t, client(p).Note(t.Context(), "later"))
		requireEchoes(t, p, "meanwhile")
		require.Zero(t, time.Since(began))
		require.Equal(t, "later", <-notes)
	})
}

func TestPool_Reach(t *testing.T) {
	inBubble(t, ServerConfig{}, fakeEcho{}, func(t *testing.T, r *rig) {
		require.NoError(t, r.pool(t, PoolConfig{}).Reach(t.Context()))
		r.stop()
		require.EqualError(t, r.pool(t, PoolConfig{}).Reach(t.Context()), "cannot connect: connection refused")
	})
	withPool(t, PoolConfig{Dial: func(ctx context.Context) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}}, func(t *testing.T, p *Pool) {
		require.ErrorIs(t, p.Reach(t.Context()), context.DeadlineExceeded, "within DialTimeout")
	})
}

func TestPool_WithoutADialIsAMistake(t *testing.T) {
	require.PanicsWithValue(t, "mux: PoolConfig.Dial is not set", func() { NewPool(PoolConfig{}) })
}

// generations is a Dial to servers of which one takes the other's place.
type generations struct{ now atomic.Pointer[rig] }

func (g *generations) dial(ctx context.Context) (net.Conn, error) { return g.now.Load().dial(ctx) }

func TestPool_LosesNoAnswerWhileServersAreReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g generations
		var handled, answered, unsent atomic.Int64
		h := fakeEcho{after: func(_ context.Context, data []byte, ms int64) ([]byte, error) {
			handled.Add(1)
			time.Sleep(time.Duration(ms) * time.Microsecond)
			return data, nil
		}}
		g.now.Store(startRig(t, ServerConfig{}, h))
		p := NewPool(PoolConfig{Dial: g.dial, MaxInFlight: 40})
		stop := make(chan struct{})
		var wg sync.WaitGroup
		for caller := range 64 {
			wg.Go(func() {
				for i := 0; ; i++ {
					select {
					case <-stop:
						return
					default:
					}
					want := fmt.Sprint(caller, "-", i)
					if i%10 == 0 {
						want += string(make([]byte, 70_000)) // on the bulk lane
					}
					got, err := client(p).After(t.Context(), []byte(want), int64(100+caller*i%3000))
					failed, ok := errors.AsType[*CallError](err)
					switch {
					case err == nil && string(got) == want:
						answered.Add(1)
					case ok && failed.Unsent:
						unsent.Add(1)
						time.Sleep(time.Millisecond)
					default:
						t.Errorf("%.20s: %d bytes, %v", want, len(got), err)
						return
					}
				}
			})
		}
		for range 10 {
			time.Sleep(20 * time.Millisecond)
			old := g.now.Load()
			g.now.Store(startRig(t, ServerConfig{}, h))
			old.stop()
		}
		close(stop)
		wg.Wait()
		require.Equal(t, handled.Load(), answered.Load())
		require.Greater(t, answered.Load(), int64(2_000))
		require.NoError(t, p.Close())
		g.now.Load().stop()
	})
}
