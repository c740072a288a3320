package mux

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/apache/thrift/lib/go/thrift"
	"github.com/stretchr/testify/require"

	"spillway/gen-go/echo"
)

// connRig is the calling end of a connection to a marked peer, which the test
// plays.
type connRig struct {
	*conn
	far  *farEnd
	ends atomic.Int32 // calls of gone
}

// withConn runs a test in a bubble. far plays the peer until the connection ends;
// nil: the test does.
func withConn(t *testing.T, far func(f *farEnd), test func(t *testing.T, c *connRig)) {
	synctest.Test(t, func(t *testing.T) {
		near, other := net.Pipe()
		c := &connRig{far: newFarEnd(other)}
		c.conn = newConn(near, generous, 20*time.Second, func(*conn) { c.ends.Add(1) })
		c.marked, c.dialect = true, FramedBinary
		var played sync.WaitGroup
		if far != nil {
			played.Go(func() { far(c.far) })
		}
		test(t, c)
		c.end(ErrClosed, nil)
		other.Close()
		played.Wait()
		synctest.Wait()
		require.EqualValues(t, 1, c.ends.Load())
	})
}

// echo calls echo; binary values of 32 KiB and more are lent.
func (c *connRig) echo(ctx context.Context, data []byte) ([]byte, error) {
	o, err := encode(ctx, form{FramedBinary, true}, callOf("echo", nil, noFields{}).header, &echo.EchoEchoArgs{Data: data}, generous)
	if err != nil {
		return nil, err
	}
	result := &echo.EchoEchoResult{}
	err = c.call(ctx, "echo", o, result)
	return result.Success, err
}

// requireEchoes checks that the connection is good.
func (c *connRig) requireEchoes(t *testing.T, what string) {
	t.Helper()
	got, err := c.echo(t.Context(), []byte(what))
	require.NoError(t, err)
	require.Equal(t, what, string(got))
}

func playMarked(f *farEnd) { _ = f.serve(true, nil) }

// within is a context with a timeout that ends with the test.
func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// cancelAfter is a context that is cancelled when d has gone by.
func cancelAfter(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	timer := time.AfterFunc(d, cancel)
	t.Cleanup(func() { timer.Stop(); cancel() })
	return ctx
}

func TestConn_ManyCallsAtOnceGetTheirOwnAnswersInAnyOrder(t *testing.T) {
	inBubble(t, ServerConfig{}, fakeEcho{}, func(t *testing.T, r *rig) {
		p := r.pool(t, PoolConfig{})
		require.NoError(t, client(p).Ping(t.Context()))
		began := time.Now()
		var wg sync.WaitGroup
		for i := range 500 {
			wg.Go(func() {
				want := fmt.Sprint("call ", i)
				ms := int64(500 - i) // the last is answered first
				got, err := client(p).After(t.Context(), []byte(want), ms)
				if err != nil || string(got) != want {
					t.Errorf("%s: %q %v", want, got, err)
				}
				if took := time.Since(began); took != time.Duration(ms)*time.Millisecond {
					t.Errorf("%s: after %v", want, took)
				}
			})
		}
		wg.Wait()
		require.EqualValues(t, 1, p.Stats().Dials)
	})
}

func TestConn_CallThatIsGivenUpReturnsAtOnceAndTheConnectionLives(t *testing.T) {
	for name, row := range map[string]struct {
		giveUp func(*testing.T, time.Duration) context.Context
		err    error
	}{
		"cancelled": {cancelAfter, context.Canceled},
		"too late":  {within, context.DeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			causes := make(chan error)
			h := fakeEcho{after: func(ctx context.Context, data []byte, _ int64) ([]byte, error) {
				<-ctx.Done()
				causes <- context.Cause(ctx)
				return data, nil // all the same, and late
			}}
			synctest.Test(t, func(t *testing.T) {
				causes = make(chan error, 1)
				r := startRig(t, ServerConfig{}, h)
				defer r.stop()
				p := r.pool(t, PoolConfig{})
				require.NoError(t, client(p).Ping(t.Context()))
				time.AfterFunc(time.Second, func() { _ = client(p).Ping(context.Background()) }) // it is not silent
				began := time.Now()
				_, err := client(p).After(row.giveUp(t, 3*time.Second), []byte("late"), 0)
				requireCallError(t, err, false, "after: ")
				require.ErrorIs(t, err, row.err)
				require.Equal(t, 3*time.Second, time.Since(began))
				require.ErrorIs(t, <-causes, ErrCallerGone)
				require.Equal(t, 3*time.Second, time.Since(began), "the handler hears of it at once")
				for i := range 10 {
					got, err := client(p).Echo(t.Context(), fmt.Append(nil, i))
					require.NoError(t, err)
					require.Equal(t, fmt.Sprint(i), string(got))
				}
				require.EqualValues(t, 1, p.Stats().Dials)
			})
		})
	}
}

func TestConn_LateAnswerIsDropped(t *testing.T) {
	late := make(chan []byte, 1)
	withConn(t, func(f *farEnd) {
		_ = f.serve(true, func(m *message) bool {
			switch {
			case m.method == cancelMethod:
				_, _ = f.Write(<-late) // as if it had not come in time
				return true
			case m.size > 100:
				late <- f.done(m)
				return true
			}
			return false
		})
	}, func(t *testing.T, c *connRig) {
		_, err := c.echo(cancelAfter(t, time.Second), make([]byte, 100))
		require.ErrorIs(t, err, context.Canceled)
		c.requireEchoes(t, "next")
		require.Empty(t, late)
		require.True(t, c.usable())
	})
}

func TestConn_CallThatStillWaitsToBeSentIsUnsent(t *testing.T) {
	for name, size := range map[string]int{"small": 10, "lent": 100_000} {
		t.Run(name, func(t *testing.T) {
			withConn(t, nil, func(t *testing.T, c *connRig) {
				var wg sync.WaitGroup
				wg.Go(func() {
					_, err := c.echo(cancelAfter(t, 3*time.Second), make([]byte, 100_000))
					requireCallError(t, err, false, "context canceled")
				})
				c.far.begin(t, 1000)
				began := time.Now()
				_, err := c.echo(cancelAfter(t, time.Second), make([]byte, size))
				requireCallError(t, err, true, "context canceled")
				require.Equal(t, time.Second, time.Since(began))
				wg.Wait()
				m, err := c.far.in.next()
				require.NoError(t, err)
				require.Equal(t, "echo", m.method)
				cancelled, err := c.far.in.next()
				require.NoError(t, err)
				require.Equal(t, header{cancelMethod, thrift.ONEWAY, m.seq, true}, cancelled.header, "nothing of the other call came")
			})
		})
	}
}

// begin takes n bytes of a message from the connection, and no more for now.
func (f *farEnd) begin(t *testing.T, n int) {
	b := make([]byte, n)
	_, err := io.ReadFull(f.Conn, b)
	require.NoError(t, err)
	f.in.r.Reset(io.MultiReader(bytes.NewReader(b), f.Conn))
}

func TestConn_PeerThatNeverReadsHoldsNobodyAndIsDropped(t *testing.T) {
	for name, size := range map[string]int{"small": 10, "lent": 100_000} {
		t.Run(name, func(t *testing.T) {
			withConn(t, nil, func(t *testing.T, c *connRig) {
				began := time.Now()
				var wg sync.WaitGroup
				for i := range 10 {
					wg.Go(func() {
						limit := time.Duration(i+1) * time.Second
						_, err := c.echo(cancelAfter(t, limit), make([]byte, size))
						if !errors.Is(err, context.Canceled) || time.Since(began) != limit {
							t.Errorf("call %d: %v after %v", i, err, time.Since(began))
						}
					})
				}
				wg.Wait()
				_, err := c.echo(t.Context(), nil)
				requireCallError(t, err, true, "the peer does not read")
				require.LessOrEqual(t, time.Since(began), 20*time.Second+patience)
				require.False(t, c.usable())
			})
		})
	}
}

func TestConn_RequestGivenUpInMidWriteGivesItsMemoryBack(t *testing.T) {
	intact := make(chan bool, 1)
	data := bytes.Repeat([]byte("lent"), 1<<20)
	want := bytes.Clone(data)
	withConn(t, func(f *farEnd) {
		f.in.r.Reset(slowReader{f.Conn, 1 << 20}) // the request takes four seconds
		_ = f.serve(true, func(m *message) bool {
			if m.size > len(data) {
				intact <- bytes.Contains(m.body, want)
			}
			return m.size > len(data) || m.method == cancelMethod
		})
	}, func(t *testing.T, c *connRig) {
		began := time.Now()
		_, err := c.echo(cancelAfter(t, time.Second), data)
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, time.Second, time.Since(began))
		clear(data) // the race detector looks on
		c.requireEchoes(t, "next")
		require.True(t, <-intact, "the far end gets what was sent")
	})
}

// Its context is not watched from the start, which costs more than most calls take.
func TestConn_LoneCallerNoticesThatItsContextEnds(t *testing.T) {
	for _, after := range []time.Duration{0, 1, time.Millisecond, tickEvery, 2 * tickEvery, 3*tickEvery + 1, time.Second} {
		for name, limit := range map[string]func(t *testing.T) (ctx context.Context, late time.Duration){
			"deadline": func(t *testing.T) (context.Context, time.Duration) {
				ctx, cancel := context.WithTimeout(context.Background(), after)
				t.Cleanup(cancel)
				return ctx, 0
			},
			"canceled":             func(t *testing.T) (context.Context, time.Duration) { return cancelAfter(t, after), 2 * tickEvery },
			"canceled before that": func(t *testing.T) (context.Context, time.Duration) { return cancelAfter(t, after), 0 },
		} {
			if name == "canceled before that" && after > 0 {
				continue
			}
			t.Run(fmt.Sprint(name, " after ", after), func(t *testing.T) {
				withConn(t, nil, func(t *testing.T, c *connRig) {
					go func() { _, _ = io.Copy(io.Discard, c.far) }()
					ctx, late := limit(t)
					if name == "canceled before that" {
						<-ctx.Done()
					}
					began := time.Now()
					_, err := c.echo(ctx, []byte("x"))
					require.ErrorIs(t, err, ctx.Err())
					took := time.Since(began)
					require.GreaterOrEqual(t, took+late, after)
					require.LessOrEqual(t, took, after+late)
				})
			})
		}
	}
}

func TestConn_LoneCallerReadsAndHandsReadingOn(t *testing.T) {
	for name, giveUp := range map[string]bool{"when it gives up": true, "when it has its answer": false} {
		t.Run(name, func(t *testing.T) {
			withConn(t, nil, func(t *testing.T, c *connRig) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				first, second := make(chan error, 1), make(chan error, 1)
				go func() {
					_, err := c.echo(ctx, []byte("first"))
					first <- err
				}()
				one, err := c.far.in.next()
				require.NoError(t, err)
				synctest.Wait()
				c.mu.Lock()
				require.Equal(t, one.seq, c.leading.seq)
				c.mu.Unlock()
				go func() {
					_, err := c.echo(t.Context(), []byte("second"))
					second <- err
				}()
				two, err := c.far.in.next()
				require.NoError(t, err)
				if giveUp {
					cancel()
					require.ErrorIs(t, <-first, context.Canceled)
					m, err := c.far.in.next()
					require.NoError(t, err)
					require.Equal(t, header{cancelMethod, thrift.ONEWAY, one.seq, true}, m.header)
				} else {
					_, err := c.far.Write(c.far.done(one))
					require.NoError(t, err)
					require.NoError(t, <-first)
				}
				synctest.Wait()
				require.Empty(t, second)
				_, err = c.far.Write(c.far.done(two))
				require.NoError(t, err)
				require.NoError(t, <-second)
			})
		})
	}
}

func TestConn_LoneCallerThatGivesUpInMidAnswerLosesNothing(t *testing.T) {
	withConn(t, nil, func(t *testing.T, c *connRig) {
		done := make(chan error, 1)
		go func() {
			_, err := c.echo(cancelAfter(t, time.Second), []byte("an answer that comes in pieces"))
			done <- err
		}()
		m, err := c.far.in.next()
		require.NoError(t, err)
		late := c.far.done(m)
		_, err = c.far.Write(late[:20])
		require.NoError(t, err)
		require.ErrorIs(t, <-done, context.Canceled)
		go func() {
			_, _ = c.far.Write(late[20:])
			playMarked(c.far)
		}()
		c.requireEchoes(t, "next")
	})
}

// goaway is what a marked peer sends that wants no more calls.
func goaway() []byte {
	return bytesOf(FramedBinary, header{goawayMethod, thrift.ONEWAY, 0, true}, noFields{})
}

// Oneway calls are no sign of life.
func TestConn_HearsOfItsEndBetweenOnewayCalls(t *testing.T) {
	const at = 10
	withConn(t, func(f *farEnd) {
		notes := 0
		_ = f.serve(true, func(m *message) bool {
			if m.kind == thrift.ONEWAY {
				notes++
			}
			if notes == at {
				_, _ = f.Write(goaway())
			}
			return false
		})
	}, func(t *testing.T, c *connRig) {
		c.requireEchoes(t, "once")
		for range at + 5*int(tickEvery/time.Millisecond) {
			o, err := encode(t.Context(), form{FramedBinary, true}, callOf("note", nil, nil).header, &echo.EchoNoteArgs{}, generous)
			require.NoError(t, err)
			if c.call(t.Context(), "note", o, nil) != nil {
				return
			}
			time.Sleep(time.Millisecond)
		}
		require.False(t, c.usable())
	})
}

func TestConn_SilentDeadlinesRetireIt(t *testing.T) {
	withConn(t, func(f *farEnd) {
		_ = f.serve(true, func(m *message) bool { return m.size > 100 || m.method == cancelMethod })
	}, func(t *testing.T, c *connRig) {
		c.requireEchoes(t, "it was good once")
		other := make(chan error, 1)
		go func() {
			_, err := c.echo(within(t, time.Minute), make([]byte, 200))
			other <- err
		}()
		_, err := c.echo(within(t, time.Second), make([]byte, 200))
		requireCallError(t, err, false, "deadline exceeded")
		require.True(t, c.usable(), "the handler may only be slow")
		_, err = c.echo(within(t, time.Second), make([]byte, 200))
		requireCallError(t, err, false, "deadline exceeded")
		require.False(t, c.usable(), "it may be half open")
		require.Zero(t, c.ends.Load(), "another call still waits for its answer")
		require.ErrorIs(t, <-other, context.DeadlineExceeded)
		synctest.Wait()
		require.EqualValues(t, 1, c.ends.Load())
	})
}

// A oneway call that has been accepted leaves, though the connection is given up
// meanwhile.
func TestConn_OnewayCallLeavesBeforeASilentConnectionEnds(t *testing.T) {
	withConn(t, nil, func(t *testing.T, c *connRig) {
		var calls sync.WaitGroup
		defer calls.Wait()
		for i := range silentCalls {
			calls.Go(func() {
				_, err := c.echo(within(t, time.Second+time.Duration(i)), []byte("silent"))
				requireCallError(t, err, false, "deadline exceeded")
			})
			require.Equal(t, "echo", c.far.next(t).method)
		}
		o, err := encode(t.Context(), form{FramedBinary, true}, callOf("note", nil, nil).header, &echo.EchoNoteArgs{}, generous)
		require.NoError(t, err)
		require.NoError(t, c.call(t.Context(), "note", o, nil)) // nobody reads it yet
		calls.Wait()
		synctest.Wait()
		require.False(t, c.usable())
		require.Equal(t, "note", c.far.next(t).method)
		for range silentCalls {
			require.Equal(t, cancelMethod, c.far.next(t).method)
		}
		_, err = c.far.in.next()
		require.Equal(t, io.EOF, err, "then it ends")
	})
}

// halfPipe is a pipe whose far end does not notice that nothing more is sent.
type halfPipe struct{ net.Conn }

func (halfPipe) CloseWrite() error { return nil }

// A oneway call that was registered before the connection was retired, and is
// written after: it must not pass for sent.
func TestConn_OnewayCallThatComesAsTheConnectionPartsIsToldSo(t *testing.T) {
	withConn(t, nil, func(t *testing.T, c *connRig) {
		c.nc = halfPipe{c.nc}
		o, err := encode(t.Context(), form{FramedBinary, true}, callOf("note", nil, nil).header, &echo.EchoNoteArgs{}, generous)
		require.NoError(t, err)
		seq, err := c.enter(&reply{}, o, true)
		require.NoError(t, err)
		c.strays = 1 // an answer may yet come, so the connection is half closed
		c.retire()
		require.ErrorIs(t, c.w.send(o, seq, patience), errRetired)
		require.Zero(t, c.ends.Load(), "the peer is to close")
		time.Sleep(partFor)
		synctest.Wait()
		require.EqualValues(t, 1, c.ends.Load(), "but not for ever")
	})
}

func TestConn_TakesNoNewCallAfterGoawayAndClosesAfterItsLast(t *testing.T) {
	t.Run("with a call", func(t *testing.T) {
		withConn(t, nil, func(t *testing.T, c *connRig) {
			done := make(chan error, 1)
			go func() {
				_, err := c.echo(t.Context(), []byte("running"))
				done <- err
			}()
			m, err := c.far.in.next()
			require.NoError(t, err)
			_, err = c.far.Write(goaway())
			require.NoError(t, err)
			synctest.Wait()
			require.False(t, c.usable())
			require.Zero(t, c.ends.Load())
			_, err = c.far.Write(c.far.done(m))
			require.NoError(t, err)
			require.NoError(t, <-done, "its answer is not lost")
			_, err = c.far.in.next()
			require.Equal(t, io.EOF, err, "the caller closes it")
		})
	})
	t.Run("idle", func(t *testing.T) {
		withConn(t, func(f *farEnd) {
			_ = f.serve(true, func(m *message) bool {
				_, _ = f.Write(append(f.done(m), goaway()...)) // in one piece
				return true
			})
		}, func(t *testing.T, c *connRig) {
			c.requireEchoes(t, "once")
			time.Sleep(3 * tickEvery)
			synctest.Wait()
			require.EqualValues(t, 1, c.ends.Load())
		})
	})
}
