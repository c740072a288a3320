package mux

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/apache/thrift/lib/go/thrift"
	"github.com/stretchr/testify/require"

	"spillway/gen-go/echo"
)

func TestServer_FullServerDropsTheConnectionThatIsIdleLongest(t *testing.T) {
	inBubble(t, ServerConfig{MaxConns: 3}, fakeEcho{}, func(t *testing.T, r *rig) {
		ping := call("ping", 1, noFields{})
		var conns []*farEnd
		for range 3 {
			f := r.raw(t)
			f.send(ping)
			f.next(t)
			conns = append(conns, f)
			time.Sleep(10 * time.Second)
		}
		conns[0].send(ping) // now the second is the one
		conns[0].next(t)
		time.Sleep(10 * time.Second)
		never := r.raw(t)
		requireClosed(t, conns[1])
		other := r.raw(t)
		requireClosed(t, never) // which made no call at all

		for i, f := range []*farEnd{conns[0], conns[2], other} {
			f.send(afterCall(int32(i), 60_000))
		}
		synctest.Wait()
		requireClosed(t, r.raw(t))
		require.Contains(t, r.log.String(), "connection refused, too many are open")
		for _, f := range []*farEnd{conns[0], conns[2], other} {
			require.Equal(t, "after", f.next(t).method, "whoever waits for an answer gets it")
		}
		requireEchoes(t, r.pool(t, PoolConfig{}), "there is room again")
	})
}

// requireClosed checks that the server closes a connection.
func requireClosed(t testing.TB, f *farEnd) {
	t.Helper()
	_, err := f.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF)
}

func TestServer_OutOfDescriptorsMakesRoomAndIsWaitedOut(t *testing.T) {
	inBubble(t, ServerConfig{}, fakeEcho{}, func(t *testing.T, r *rig) {
		idle := []*farEnd{r.raw(t), r.raw(t), r.raw(t)}
		synctest.Wait() // until the next one is waited for
		r.err = &net.OpError{Op: "accept", Err: syscall.EMFILE}
		r.fails.Store(22) // more than there are idle connections
		idle = append(idle, r.raw(t))
		began := time.Now()
		p := r.pool(t, PoolConfig{DialTimeout: time.Hour})
		requireEchoes(t, p, "it is there again")
		require.Less(t, time.Since(began), 22*acceptBackoffMax)
		for _, f := range idle {
			requireClosed(t, f)
		}
		require.Less(t, time.Since(began), 22*acceptBackoffMax, "none of them by itself")
		require.Contains(t, r.log.String(), "too many open files")
	})
}

func TestServer_LostListenerEndsItAndTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one, two := newPipes(), newPipes()
		served := make(chan error, 1)
		s := NewServer(ServerConfig{}, echo.NewEchoProcessor(fakeEcho{}), slog.New(slog.DiscardHandler))
		go func() { served <- s.Serve(t.Context(), one, two) }()
		for _, l := range []*pipes{one, two} {
			p := NewPool(PoolConfig{Dial: l.dial})
			requireEchoes(t, p, "both are served")
			require.NoError(t, p.Close())
		}
		one.Close()
		require.ErrorIs(t, <-served, net.ErrClosed)
		_, err := two.dial(t.Context())
		require.Error(t, err)
	})
}

func TestServer_ClosesIdleConnections(t *testing.T) {
	const idle = 10 * time.Minute
	inBubble(t, ServerConfig{}, fakeEcho{}, func(t *testing.T, r *rig) {
		began := time.Now()
		requireClosed(t, r.raw(t))
		require.Equal(t, idle, time.Since(began), "without a call")

		f, ping := r.raw(t), call("ping", 1, noFields{})
		for range 5 {
			f.send(ping)
			f.next(t)
			time.Sleep(idle - time.Second)
		}
		f.send(afterCall(2, (3 * idle).Milliseconds()))
		require.Equal(t, "after", f.next(t).method, "that is not idleness")
		began = time.Now()
		requireClosed(t, f)
		require.GreaterOrEqual(t, time.Since(began), idle, "its time begins when the call is done")
		require.LessOrEqual(t, time.Since(began), 2*idle)
	})
}

func TestServer_ClosesConnectionsOfSlowCallers(t *testing.T) {
	for _, d := range dialects {
		whole := echoCallOf(d, 1, false, string(make([]byte, 10_000)))
		for _, sent := range []int{1, 3, 4, 9, 5000, len(whole) - 1} {
			t.Run(fmt.Sprint(d, ", ", sent, " bytes"), func(t *testing.T) {
				inBubble(t, ServerConfig{}, fakeEcho{}, func(t *testing.T, r *rig) {
					f := r.raw(t)
					f.send(bytes.Join([][]byte{whole, whole[:sent]}, nil))
					began := time.Now()
					f.next(t)
					requireClosed(t, f)
					require.Equal(t, 30*time.Second, time.Since(began))
				})
			})
		}
		t.Run(fmt.Sprint(d, ", byte by byte"), func(t *testing.T) {
			inBubble(t, ServerConfig{}, fakeEcho{}, func(t *testing.T, r *rig) {
				f := r.raw(t)
				began := time.Now()
				for i := range whole {
					if _, err := f.Write(whole[i : i+1]); err != nil {
						break
					}
					time.Sleep(time.Second)
				}
				require.InDelta(t, 30, time.Since(began).Seconds(), 1)
			})
		})
	}
}

func TestServer_DropsAPeerThatDoesNotRead(t *testing.T) {
	for name, marked := range map[string]bool{"marked": true, "not marked": false} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, ServerConfig{}, fakeEcho{}, func(t *testing.T, r *rig) {
				f := r.raw(t)
				ping := bytesOf(FramedBinary, header{"ping", thrift.CALL, 1, marked}, noFields{})
				_, err := f.Write(ping)
				require.NoError(t, err)
				time.Sleep(21 * time.Second)
				_, err = f.Write(ping)
				require.ErrorIs(t, err, io.ErrClosedPipe)
			})
		})
	}
}

func TestServer_ReadsNoMoreCallsOfAPeerThatIsBehindWithItsAnswers(t *testing.T) {
	const size, calls = 50_000, 1000
	for name, marked := range map[string]bool{"marked": true, "not marked": false} {
		t.Run(name, func(t *testing.T) {
			var made gauge
			h := fakeEcho{echo: func(_ context.Context, data []byte) ([]byte, error) {
				made.add(1)
				return make([]byte, size), nil
			}}
			inBubble(t, ServerConfig{}, h, func(t *testing.T, r *rig) {
				f := r.raw(t)
				for i := range int32(calls) {
					f.send(echoCallOf(FramedBinary, i, marked, "x"))
				}
				time.Sleep(10 * time.Second)
				now, _ := made.read()
				require.LessOrEqual(t, now, backlog/size+2*stride)
				select {
				case <-f.sent:
					require.Fail(t, "all calls were read")
				default:
				}
				for range calls {
					require.Len(t, data(t, f.next(t)), size)
				}
			})
		})
	}
}

func TestServer_StopsAtOnceWhereNothingRuns(t *testing.T) {
	inBubble(t, ServerConfig{}, fakeEcho{}, func(t *testing.T, r *rig) {
		p, stock, never := r.pool(t, PoolConfig{}), r.raw(t), r.raw(t)
		requireEchoes(t, p, "marked")
		stock.send(echoCallOf(UnframedBinary, 1, false, "not marked"))
		stock.next(t)
		time.Sleep(time.Second)
		began := time.Now()
		r.stop()
		require.Zero(t, time.Since(began))
		requireClosed(t, stock)
		requireClosed(t, never)
		requireCallError(t, client(p).Ping(t.Context()), true, "cannot connect: connection refused")
	})
}

func TestServer_LetsRunningCallsFinish(t *testing.T) {
	for name, marked := range map[string]bool{"marked": true, "not marked": false} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, ServerConfig{}, fakeEcho{}, func(t *testing.T, r *rig) {
				f := r.raw(t)
				f.send(bytesOf(FramedBinary, header{"after", thrift.CALL, 1, marked}, &echo.EchoAfterArgs{Data: []byte("x"), Ms: 3000}))
				time.Sleep(time.Second)
				stopped := time.Now()
				go r.stop()
				if marked {
					require.Equal(t, header{goawayMethod, thrift.ONEWAY, 0, true}, f.next(t).header)
					f.send(call("ping", 2, noFields{})) // it had left already
					require.Equal(t, "ping", f.next(t).method)
				}
				require.Equal(t, "x", data(t, f.next(t)))
				require.Equal(t, 2*time.Second, time.Since(stopped))
				f.Close()
				r.stop()
				require.Equal(t, 2*time.Second, time.Since(stopped))
			})
		})
	}
}

// resets is a connection that ends as one does that is reset.
type resets struct{ net.Conn }

func (c resets) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if errors.Is(err, io.EOF) {
		err = syscall.ECONNRESET
	}
	return n, err
}

func TestServer_CallerThatIsLostWhileItStopsEndsItsCalls(t *testing.T) {
	for name, wrap := range map[string]func(net.Conn) net.Conn{
		"closed": nil,
		"reset":  func(far net.Conn) net.Conn { return resets{far} },
	} {
		t.Run(name, func(t *testing.T) {
			var causes chan error
			h := fakeEcho{after: func(ctx context.Context, data []byte, ms int64) ([]byte, error) {
				return holdUntilGone(causes)(ctx, data, ms)
			}}
			inBubble(t, ServerConfig{}, h, func(t *testing.T, r *rig) {
				causes = make(chan error, 1)
				r.wrap = wrap
				f := r.raw(t)
				f.send(afterCall(1, 0))
				time.Sleep(time.Second)
				began := time.Now()
				go r.stop()
				require.Equal(t, goawayMethod, f.next(t).method)
				f.Close()
				require.ErrorIs(t, <-causes, ErrCallerGone)
				r.stop()
				require.Zero(t, time.Since(began), "the grace is for those who wait")
			})
		})
	}
}

// hooked is a connection on which something happens just before its reader is
// woken.
type hooked struct {
	net.Conn
	before func()
	woken  chan struct{}
}

func (c hooked) SetReadDeadline(d time.Time) error {
	if d.Equal(past) {
		c.before()
		defer close(c.woken)
	}
	return c.Conn.SetReadDeadline(d)
}

func TestServer_StopDoesNotBreakOffACallThatArrives(t *testing.T) {
	inBubble(t, ServerConfig{}, fakeEcho{}, func(t *testing.T, r *rig) {
		sent := echoCallOf(FramedBinary, 2, true, "arrives")
		var f *farEnd
		woken := make(chan struct{})
		r.wrap = func(far net.Conn) net.Conn {
			return hooked{Conn: far, woken: woken, before: func() {
				_, _ = f.Write(sent[:10])
				for range 1000 { // until it is read on
					runtime.Gosched()
				}
			}}
		}
		f = r.raw(t)
		f.send(call("ping", 1, noFields{}))
		f.next(t)
		go r.stop()
		require.Equal(t, goawayMethod, f.next(t).method)
		<-woken
		f.send(sent[10:])
		require.Equal(t, "arrives", data(t, f.next(t)))
		f.Close()
		r.stop()
	})
}

func TestServer_ClosesAPeerThatStaysAfterItWasAskedToGo(t *testing.T) {
	inBubble(t, ServerConfig{Grace: time.Hour}, fakeEcho{}, func(t *testing.T, r *rig) {
		f := r.raw(t)
		f.send(call("ping", 1, noFields{}))
		f.next(t)
		time.Sleep(time.Minute)
		stopped := time.Now()
		go r.stop()
		require.Equal(t, goawayMethod, f.next(t).method)
		time.Sleep(goawayPatience / 2)
		f.send(afterCall(2, 10_000))
		require.Equal(t, "after", f.next(t).method)
		requireClosed(t, f)
		r.stop()
		require.LessOrEqual(t, time.Since(stopped), 10*time.Second+3*goawayPatience)
	})
}

func TestServer_CutsWhatRunsWhenTheGraceIsOver(t *testing.T) {
	for name, marked := range map[string]bool{"marked": true, "not marked": false} {
		t.Run(name, func(t *testing.T) {
			var causes chan error
			h := fakeEcho{echo: func(ctx context.Context, _ []byte) ([]byte, error) {
				return holdUntilGone(causes)(ctx, nil, 0)
			}}
			inBubble(t, ServerConfig{}, h, func(t *testing.T, r *rig) {
				causes = make(chan error, 1)
				f := r.raw(t)
				f.send(echoCallOf(FramedBinary, 1, marked, ""))
				time.Sleep(time.Second)
				began := time.Now()
				go f.drain()
				r.stop()
				require.ErrorIs(t, <-causes, ErrStopping)
				require.Equal(t, 5*time.Second, time.Since(began))
			})
		})
	}
}

func TestServer_ReadsOnWhileAQuickMethodIsSlowForOnce(t *testing.T) {
	var causes chan error
	h := fakeEcho{echo: func(ctx context.Context, data []byte) ([]byte, error) {
		if string(data) == "slow" {
			return holdUntilGone(causes)(ctx, nil, 0)
		}
		return data, nil
	}}
	inBubble(t, ServerConfig{}, h, func(t *testing.T, r *rig) {
		causes = make(chan error, 1)
		p := r.pool(t, PoolConfig{})
		for range 10 {
			for range 3 * loneCalls {
				requireEchoes(t, p, "quick")
			}
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() {
				_, err := client(p).Echo(ctx, []byte("slow"))
				done <- err
			}()
			time.Sleep(3 * tickEvery) // by then the caller's context is watched
			began := time.Now()
			requireEchoes(t, p, "meanwhile")
			cancel()
			require.ErrorIs(t, <-done, context.Canceled)
			require.ErrorIs(t, <-causes, ErrCallerGone)
			require.Zero(t, time.Since(began))
		}
		require.EqualValues(t, 1, p.Stats().Dials)
	})
}

func TestServerConfig_Validate(t *testing.T) {
	for says, c := range map[string]ServerConfig{
		"MaxConns is -1": {MaxConns: -1}, "MaxCalls is -1": {MaxCalls: -1}, "MaxBytes is -1": {MaxBytes: -1},
		"a timeout is negative": {IdleTimeout: -1}, "timeout is negative": {ReadTimeout: -1}, "timeout": {WriteTimeout: -1}, "negative": {Grace: -1},
	} {
		require.ErrorContains(t, c.Validate(), says)
	}
	require.NoError(t, ServerConfig{}.Validate())
}
