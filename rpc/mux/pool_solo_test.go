package mux

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/apache/thrift/lib/go/thrift"
	"github.com/stretchr/testify/require"
)

// tryDialects is a Dial to peers of one dialect that close, or hang, when they
// are spoken to in another.
func tryDialects(d Dialect, hangs bool) func(context.Context) (net.Conn, error) {
	return byHand(func(_ int, f *farEnd) {
		_ = f.serve(false, func(m *message) bool {
			if m.dialect == d {
				return false
			}
			if hangs {
				f.drain()
			}
			f.Close()
			return true
		})
	})
}

func TestPool_FindsOutWhatAPeerSpeaks(t *testing.T) {
	for _, d := range []Dialect{UnframedBinary, FramedBinary, FramedCompact, UnframedCompact, HeaderBinary} {
		for name, hangs := range map[string]bool{"that closes": false, "that hangs": true} {
			t.Run(fmt.Sprint("a peer of ", d, " ", name), func(t *testing.T) {
				withPool(t, PoolConfig{Dial: tryDialects(d, hangs)}, func(t *testing.T, p *Pool) {
					began := time.Now()
					requireEchoes(t, p, "understood")
					tries := slices.Index(guesses, d)
					if !hangs {
						tries = 0
					}
					require.Equal(t, time.Duration(tries)*helloPatience, time.Since(began))
					require.True(t, p.Solo())
					requireEchoes(t, p, "and from now on")
					require.Equal(t, time.Duration(tries)*helloPatience, time.Since(began))
				})
			})
		}
	}
}

func TestPool_PeerThatAnswersNoHello(t *testing.T) {
	var dials atomic.Int32
	closing := byHand(func(_ int, f *farEnd) {
		dials.Add(1)
		_, _ = io.ReadFull(f, make([]byte, 5))
	})
	withPool(t, PoolConfig{Dial: closing}, func(t *testing.T, p *Pool) {
		began := time.Now()
		err := client(p).Ping(t.Context())
		requireCallError(t, err, true, "it takes connections but does not answer a Thrift call")
		require.EqualValues(t, len(guesses), dials.Load())
		require.Error(t, client(p).Ping(t.Context()))
		require.EqualValues(t, len(guesses), dials.Load(), "it backs off")
		require.Zero(t, time.Since(began))
	})
	deaf := byHand(func(_ int, f *farEnd) { f.drain() })
	withPool(t, PoolConfig{Dial: deaf}, func(t *testing.T, p *Pool) {
		began := time.Now()
		requireCallError(t, client(p).Ping(within(t, time.Hour)), true, "cannot connect: context deadline exceeded")
		require.Equal(t, time.Hour, time.Since(began), "it may serve others before us")
		time.Sleep(2 * helloPatience)
		require.Zero(t, p.Stats().Conns, "nobody waits for it any more")
	})
	told := byHand(func(_ int, f *farEnd) {
		_ = f.serve(false, func(m *message) bool {
			if m.method != "ping" {
				return false
			}
			x := thrift.NewTApplicationException(thrift.UNKNOWN_METHOD, "no ping here")
			_, _ = f.Write(bytesOf(m.dialect, header{"ping", thrift.EXCEPTION, m.seq, false}, x))
			return true
		})
	})
	withPool(t, PoolConfig{Dial: told}, func(t *testing.T, p *Pool) {
		requireEchoes(t, p, "an exception is an answer too")
	})
}

// soloPeer is a Dial to a peer that is not marked. handle may take its time, and
// answer with true; what it does not answer is echoed.
func soloPeer(handle func(f *farEnd, m *message) bool) func(context.Context) (net.Conn, error) {
	return byHand(func(_ int, f *farEnd) {
		_ = f.serve(false, func(m *message) bool { return handle != nil && handle(f, m) })
	})
}

// workFor is a handler that takes so long for every echo.
func workFor(d time.Duration, g *gauge) func(f *farEnd, m *message) bool {
	return func(_ *farEnd, m *message) bool {
		if m.method != "ping" {
			g.add(1)
			time.Sleep(d)
			g.add(-1)
		}
		return false
	}
}

func TestSolo_HasOneCallAtATimeOnAConnection(t *testing.T) {
	var running gauge
	var ahead atomic.Bool
	dial := soloPeer(func(f *farEnd, m *message) bool {
		workFor(time.Second, &running)(f, m)
		if f.in.r.Buffered() > 0 {
			ahead.Store(true)
		}
		return false
	})
	withPool(t, PoolConfig{Dial: dial, SoloConns: 5}, func(t *testing.T, p *Pool) {
		requireEchoes(t, p, "so that it is known")
		require.True(t, p.Solo())
		began := time.Now()
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				want := fmt.Sprint("call ", i)
				got, err := client(p).Echo(t.Context(), []byte(want))
				if err != nil || string(got) != want {
					t.Errorf("%s: %q %v", want, got, err)
				}
			})
		}
		time.Sleep(time.Millisecond)
		_, err := client(p).Echo(within(t, time.Second/2), nil)
		requireCallError(t, err, true, "all 5 connections are in use: context deadline exceeded")
		wg.Wait()
		require.Equal(t, 4*time.Second, time.Since(began), "no place stays empty")
		_, most := running.read()
		require.Equal(t, 5, most)
		require.False(t, ahead.Load(), "no call was sent before the answer to the one before")
	})
}

func TestSolo_ConnectionIsUsedAgainAndKeptForASecond(t *testing.T) {
	withPool(t, PoolConfig{Dial: soloPeer(nil)}, func(t *testing.T, p *Pool) {
		for range 100 {
			requireEchoes(t, p, "over one connection")
		}
		require.EqualValues(t, 1, p.Stats().Dials)
		time.Sleep(soloIdle - time.Millisecond)
		require.Equal(t, 1, p.Stats().Conns)
		time.Sleep(time.Millisecond)
		synctest.Wait()
		require.Zero(t, p.Stats().Conns)
		requireEchoes(t, p, "over another, without another hello")
		require.EqualValues(t, 2, p.Stats().Dials)
	})
}

func TestSolo_ServerOfOneConnectionAtATimeServesEverybody(t *testing.T) {
	var turn chan struct{}
	var running gauge
	dial := byHand(func(_ int, f *farEnd) {
		turn <- struct{}{} // until the connection is closed
		defer func() { <-turn }()
		_ = f.serve(false, func(m *message) bool { return workFor(time.Millisecond, &running)(f, m) })
	})
	withPool(t, PoolConfig{Dial: dial}, func(t *testing.T, p *Pool) {
		turn = make(chan struct{}, 1)
		const callers = 16
		began := time.Now()
		var wg sync.WaitGroup
		for range callers {
			wg.Go(func() {
				for first := true; time.Since(began) < 3*time.Second; first = false {
					if _, err := client(p).Echo(within(t, time.Minute), []byte("x")); err != nil {
						t.Error(err)
					}
					if waited := time.Since(began); first && waited > 2*callers*soloTurn {
						t.Errorf("a caller waited for %v though others have their turns", waited)
					}
				}
			})
		}
		wg.Wait()
		_, most := running.read()
		require.Equal(t, 1, most)
	})
	withPool(t, PoolConfig{Dial: dial}, func(t *testing.T, p *Pool) {
		turn = make(chan struct{}, 1)
		began := time.Now()
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				if _, err := client(p).Echo(within(t, time.Minute), []byte("x")); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		require.Less(t, time.Since(began), 16*(2*soloTurn), "a connection that is not used keeps nobody out for long")
	})
}

func TestSolo_CallThatIsGivenUpCostsItsConnection(t *testing.T) {
	gone := make(chan error)
	dial := byHand(func(_ int, f *farEnd) {
		err := f.serve(false, func(m *message) bool { return m.size > 100 })
		gone <- err
	})
	synctest.Test(t, func(t *testing.T) {
		gone = make(chan error, 10)
		p := NewPool(PoolConfig{Dial: dial})
		defer p.Close()
		requireEchoes(t, p, "known")
		for i, giveUp := range []func(*testing.T, time.Duration) context.Context{cancelAfter, within} {
			began := time.Now()
			_, err := client(p).Echo(giveUp(t, time.Second), make([]byte, 200))
			requireCallError(t, err, false, "echo: context")
			require.Equal(t, time.Second, time.Since(began))
			require.Equal(t, io.EOF, <-gone, "the peer cannot be told otherwise")
			requireEchoes(t, p, "over another connection")
			require.EqualValues(t, i+2, p.Stats().Dials)
			require.True(t, p.Solo(), "it is the same peer")
		}
	})
}

func TestSolo_ConnectionIsNotUsedAfterAnException(t *testing.T) {
	dial := soloPeer(func(f *farEnd, m *message) bool {
		if m.size < 100 {
			return false
		}
		x := thrift.NewTApplicationException(thrift.INTERNAL_ERROR, "no disk")
		_, _ = f.Write(bytesOf(m.dialect, header{m.method, thrift.EXCEPTION, m.seq, false}, x))
		f.drain() // others close, and a call that is on its way is lost
		return true
	})
	withPool(t, PoolConfig{Dial: dial}, func(t *testing.T, p *Pool) {
		for range 5 {
			_, err := client(p).Echo(within(t, time.Second), []byte("good"))
			require.NoError(t, err)
			_, err = client(p).Echo(t.Context(), make([]byte, 100))
			requireTold(t, err, thrift.INTERNAL_ERROR, "no disk")
		}
	})
}

func TestSolo_PeerThatWasReplacedByAMarkedOneIsNoticed(t *testing.T) {
	var upgraded atomic.Bool
	dial := byHand(func(_ int, f *farEnd) { _ = f.serve(upgraded.Load(), nil) })
	withPool(t, PoolConfig{Dial: dial}, func(t *testing.T, p *Pool) {
		requireEchoes(t, p, "of the old one")
		require.True(t, p.Solo())
		upgraded.Store(true)
		time.Sleep(2 * soloIdle)
		requireEchoes(t, p, "of the new one, as if it were solo")
		requireEchoes(t, p, "and from now on")
		require.False(t, p.Solo())
	})
}

func TestSolo_PeerThatTakesAMarkedOnesPlaceIsNoticed(t *testing.T) {
	var old atomic.Bool
	var last atomic.Pointer[farEnd]
	dial := byHand(func(_ int, f *farEnd) {
		last.Store(f)
		_ = f.serve(!old.Load(), func(m *message) bool {
			return old.Load() && m.dialect != UnframedBinary && f.Close() == nil
		})
	})
	withPool(t, PoolConfig{Dial: dial}, func(t *testing.T, p *Pool) {
		requireEchoes(t, p, "marked")
		require.False(t, p.Solo())
		time.Sleep(time.Second)
		old.Store(true)
		last.Load().Close()
		synctest.Wait()
		requireEchoes(t, p, "not marked")
		require.True(t, p.Solo())
	})
}

func TestSolo_LostPeerBacksOffToo(t *testing.T) {
	var down atomic.Bool
	up := soloPeer(nil)
	withPool(t, PoolConfig{Dial: func(ctx context.Context) (net.Conn, error) {
		if down.Load() {
			return nil, errors.New("down")
		}
		return up(ctx)
	}}, func(t *testing.T, p *Pool) {
		requireEchoes(t, p, "up")
		time.Sleep(2 * soloIdle)
		down.Store(true)
		began := time.Now()
		requireCallError(t, client(p).Ping(t.Context()), true, "cannot connect: down")
		requireCallError(t, client(p).Ping(t.Context()), true, "cannot connect: down")
		require.Zero(t, time.Since(began))
		require.EqualValues(t, 2, p.Stats().Dials)
		down.Store(false)
		time.Sleep(time.Second)
		requireEchoes(t, p, "up again")
	})
}
