package mux

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/apache/thrift/lib/go/thrift"
	"github.com/stretchr/testify/require"

	"spillway/gen-go/echo"
)

// echoCallOf is a call of echo.
func echoCallOf(d Dialect, seq int32, marked bool, data string) []byte {
	return bytesOf(d, header{"echo", thrift.CALL, seq, marked}, &echo.EchoEchoArgs{Data: []byte(data)})
}

// afterCall is a marked call of after.
func afterCall(seq int32, ms int64) []byte {
	return call("after", seq, &echo.EchoAfterArgs{Data: []byte{}, Ms: ms})
}

func TestServer_AnswersUnmarkedCallsOneByOneInTheirOrder(t *testing.T) {
	for _, d := range dialects {
		t.Run(d.String(), func(t *testing.T) {
			var running gauge
			h := fakeEcho{echo: func(_ context.Context, data []byte) ([]byte, error) {
				running.add(1)
				defer running.add(-1)
				pause(time.Duration(10-len(data)) * time.Second)
				return data, nil
			}}
			inBubble(t, ServerConfig{}, h, func(t *testing.T, r *rig) {
				f := r.raw(t)
				var ahead []byte
				for i := range int32(9) {
					ahead = append(ahead, echoCallOf(d, i, false, strings.Repeat("x", int(i)))...)
				}
				f.send(ahead)
				for i := range 9 {
					m := f.next(t)
					require.Equal(t, d, m.dialect)
					require.False(t, m.marked)
					require.Len(t, data(t, m), i)
					require.Contains(t, []int32{int32(i), 0}, m.seq)
				}
				_, most := running.read()
				require.Equal(t, 1, most)
			})
		})
	}
}

func TestServer_BoundsTheCallsOfAConnection(t *testing.T) {
	var running gauge
	h := fakeEcho{after: func(_ context.Context, data []byte, ms int64) ([]byte, error) {
		running.add(1)
		defer running.add(-1)
		pause(time.Duration(ms) * time.Millisecond)
		return data, nil
	}}
	inBubble(t, ServerConfig{MaxCalls: 3}, h, func(t *testing.T, r *rig) {
		f, began := r.raw(t), time.Now()
		for i := range int32(12) {
			f.send(afterCall(i, 1000))
		}
		seen := map[int32]bool{}
		for range 12 {
			m := f.next(t)
			require.True(t, m.marked)
			seen[m.seq] = true
		}
		require.Len(t, seen, 12)
		require.Equal(t, 4*time.Second, time.Since(began))
		_, most := running.read()
		require.Equal(t, 3, most)
	})
}

func TestServer_CallerThatGoesEndsItsCalls(t *testing.T) {
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
				pause(time.Hour)
				require.Empty(t, causes)
				f.Close()
				require.ErrorIs(t, <-causes, ErrCallerGone)
			})
		})
	}
}

func TestServer_CancelEndsThatCallOnlyAndIsNotAnswered(t *testing.T) {
	var causes chan error
	h := fakeEcho{}
	h.after = func(ctx context.Context, data []byte, ms int64) ([]byte, error) {
		if ms < 0 {
			return holdUntilGone(causes)(ctx, data, ms)
		}
		return fakeEcho{}.After(ctx, data, ms)
	}
	inBubble(t, ServerConfig{}, h, func(t *testing.T, r *rig) {
		causes = make(chan error, 1)
		cancel := func(seq int32) []byte {
			return bytesOf(FramedBinary, header{cancelMethod, thrift.ONEWAY, seq, true}, noFields{})
		}
		f := r.raw(t)
		f.send(bytes.Join([][]byte{afterCall(1, -1), afterCall(2, 2000), cancel(99), cancel(1), afterCall(3, 1000), cancel(98)}, nil))
		require.ErrorIs(t, <-causes, ErrCallerGone)
		require.EqualValues(t, 3, f.next(t).seq)
		require.EqualValues(t, 2, f.next(t).seq)
		f.send(cancel(2)) // too late
		f.send(call("ping", 4, noFields{}))
		require.EqualValues(t, 4, f.next(t).seq)
	})
}

func TestServer_PanicCostsOneCallAndLogsItsStack(t *testing.T) {
	h := fakeEcho{echo: func(_ context.Context, data []byte) ([]byte, error) {
		if string(data) == "bad" {
			panic("boom")
		}
		return data, nil
	}}
	inBubble(t, ServerConfig{}, h, func(t *testing.T, r *rig) {
		p := r.pool(t, PoolConfig{})
		for range 40 { // also once its reader runs quick calls
			_, err := client(p).Echo(t.Context(), []byte("bad"))
			requireTold(t, err, thrift.INTERNAL_ERROR, "echo broke; see the log at pipe")
			requireEchoes(t, p, "good")
		}
		require.EqualValues(t, 1, p.Stats().Dials)
		require.Contains(t, r.log.String(), "err=boom")
		require.Contains(t, r.log.String(), "server_test.go")
		require.Contains(t, r.log.String(), "method=echo")
	})
}

func TestServer_OddAnswersAreExceptions(t *testing.T) {
	h := fakeEcho{echo: func(_ context.Context, what []byte) ([]byte, error) {
		switch string(what) {
		case "large":
			return make([]byte, 1000), nil
		case "explain":
			return nil, &AnswerError{Text: "the disk is full"}
		case "wrapped":
			return nil, fmt.Errorf("step: %w", &AnswerError{Text: "the disk is full"})
		case "abandon":
			return nil, thrift.ErrAbandonRequest
		}
		return nil, errors.New("no disk")
	}}
	inBubble(t, ServerConfig{Replies: Limits{Bytes: 1000}}, h, func(t *testing.T, r *rig) {
		p := r.pool(t, PoolConfig{})
		for what, says := range map[string]string{
			"large":   "the answer to echo has 1028 bytes; ask for less",
			"explain": "the disk is full",
			"wrapped": "the disk is full",
			"abandon": "echo gave no answer",
			"fail":    "Internal error processing echo: no disk",
		} {
			_, err := client(p).Echo(t.Context(), []byte(what))
			requireTold(t, err, thrift.INTERNAL_ERROR, says)
		}
		_, err := p.Call(t.Context(), "nothing", noFields{}, noFields{})
		requireTold(t, err, thrift.UNKNOWN_METHOD, "nothing")
		require.NoError(t, client(p).Ping(t.Context()))
		require.EqualValues(t, 1, p.Stats().Dials, "none costs the connection")
	})
}

func TestServer_NeverAnswersOnewayCalls(t *testing.T) {
	h := fakeEcho{note: func(_ context.Context, text string) error {
		switch text {
		case "fail":
			return errors.New("no disk")
		case "panic":
			panic("boom")
		}
		return nil
	}}
	inBubble(t, ServerConfig{}, h, func(t *testing.T, r *rig) {
		for _, d := range dialects {
			f := r.raw(t)
			for _, note := range []string{"fine", "fail", "panic"} {
				f.send(bytesOf(d, header{"note", thrift.ONEWAY, 1, false}, &echo.EchoNoteArgs{Text: note}))
				f.send(bytesOf(d, header{"nothing", thrift.ONEWAY, 2, false}, noFields{}))
				f.send(bytesOf(d, header{"ping", thrift.CALL, 3, false}, noFields{}))
				require.Equal(t, "ping", f.next(t).method)
			}
		}
	})
}

func TestServer_SaysWhyItRefusesACall(t *testing.T) {
	lim := Limits{Bytes: 100_000, Elements: 100}
	manyNotes := &echo.EchoItemArgs{Item: &echo.Item{Data: []byte{}, Notes: make([]string, 101)}}
	for name, row := range map[string]struct {
		sent []byte
		says string
	}{
		"a large frame":         {echoCallOf(FramedBinary, 7, true, strings.Repeat("x", 100_000)), "a frame of 100024 bytes, at most 100000 are taken"},
		"a large compact frame": {echoCallOf(FramedCompact, 7, false, strings.Repeat("x", 100_000)), "at most 100000 are taken"},
		"without a frame":       {echoCallOf(UnframedBinary, 7, false, strings.Repeat("x", 100_000)), "more than 100000 bytes"},
		"many elements":         {bytesOf(UnframedCompact, header{"item", thrift.CALL, 7, false}, manyNotes), "more than 100 elements"},
		"nested too deep":       {headed(UnframedBinary, bytes.Repeat([]byte{byte(thrift.STRUCT), 0, 1}, 100)...), "nested deeper than 64"},
		"an unknown type":       {headed(UnframedBinary, 99, 0, 1, 0), "Unknown data type 99"},
		"a negative length":     {headed(UnframedBinary, byte(thrift.STRING), 0, 1, 0xff, 0xff, 0xff, 0xff), "a length of -1"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, ServerConfig{Requests: lim}, fakeEcho{}, func(t *testing.T, r *rig) {
				f := r.raw(t)
				f.send(row.sent)
				m := f.next(t)
				require.EqualValues(t, 7, m.seq)
				requireTold(t, told(t, m), thrift.PROTOCOL_ERROR, row.says)
				_, err := f.in.next()
				require.Equal(t, io.EOF, err)
				require.Contains(t, r.log.String(), row.says)
			})
		})
	}
}

func TestServer_DropsWhoeverMakesNoCall(t *testing.T) {
	for name, row := range map[string]struct{ sent, says string }{
		"HTTP":      {"GET / HTTP/1.1\r\n\r\n", "an HTTP request"},
		"random":    {"\xde\xad\xbe\xef\x01\x02\x03\x04", "not a Thrift message"},
		"an answer": {string(bytesOf(FramedBinary, header{"ping", thrift.REPLY, 1, true}, noFields{})), "message type 2 of \\\"ping\\\" is no call"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, ServerConfig{}, fakeEcho{}, func(t *testing.T, r *rig) {
				f := r.raw(t)
				f.send([]byte(row.sent))
				_, err := f.in.next()
				require.Equal(t, io.EOF, err)
				require.Contains(t, r.log.String(), row.says)
				requireEchoes(t, r.pool(t, PoolConfig{}), "others are served")
			})
		})
	}
}

func TestServer_ArgumentsMayBeTheAnswer(t *testing.T) {
	overLoopback(t, fakeEcho{}, func(p *Pool) {
		var wg sync.WaitGroup
		for caller := range 16 {
			wg.Go(func() {
				for i, size := range []int{100, aliasBytes, 5000, refBytes, 100_000, 300_000, 100_000, 5000, 100} {
					want := bytes.Repeat([]byte{byte(caller), byte(i)}, size/2)
					got, err := client(p).Echo(context.Background(), want)
					if err != nil || !bytes.Equal(want, got) {
						t.Errorf("caller %d, %d bytes: %v", caller, size, err)
					}
					clear(got) // it is the caller's
				}
			})
		}
		wg.Wait()
	})
}

func TestServer_LargeRequestsWaitForRoomAndKeepNoSmallOneWaiting(t *testing.T) {
	const size = 900_000
	for name, row := range map[string]struct{ hold, limit time.Duration }{
		"until there is room": {10 * time.Second, time.Minute},
		"or give up":          {time.Hour, 31 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			var running gauge
			h := fakeEcho{echo: func(_ context.Context, data []byte) ([]byte, error) {
				if len(data) == size {
					running.add(1)
					defer running.add(-1)
					pause(row.hold)
				}
				return data[:1], nil
			}}
			inBubble(t, ServerConfig{Requests: Limits{Bytes: 1 << 20}, MaxBytes: 3 << 20}, h, func(t *testing.T, r *rig) {
				began := time.Now()
				var done atomic.Int32
				var wg sync.WaitGroup
				for range 9 {
					p := r.pool(t, PoolConfig{}) // a connection of its own
					wg.Go(func() {
						if _, err := client(p).Echo(t.Context(), make([]byte, size)); err == nil {
							done.Add(1)
						}
					})
				}
				pause(time.Second)
				small := r.pool(t, PoolConfig{})
				for range 100 {
					_, err := client(small).Echo(t.Context(), []byte("x"))
					require.NoError(t, err)
				}
				require.Equal(t, time.Second, time.Since(began))
				now, _ := running.read()
				require.Equal(t, 3, now)
				wg.Wait()
				_, most := running.read()
				require.Equal(t, 3, most)
				if row.hold < row.limit {
					require.EqualValues(t, 9, done.Load())
					require.Equal(t, 3*row.hold, time.Since(began))
				} else {
					require.EqualValues(t, 3, done.Load())
					require.Contains(t, r.log.String(), "too many large requests at once")
				}
			})
		})
	}
}

func TestServer_SmallRequestsHaveABudgetToo(t *testing.T) {
	const budget = 512 << 10
	var running gauge
	h := fakeEcho{after: func(_ context.Context, data []byte, ms int64) ([]byte, error) {
		running.add(1)
		defer running.add(-1)
		pause(time.Duration(ms) * time.Millisecond)
		return data, nil
	}}
	inBubble(t, ServerConfig{Requests: Limits{Bytes: 64 << 10}, MaxBytes: budget}, h, func(t *testing.T, r *rig) {
		p, began := r.pool(t, PoolConfig{}), time.Now()
		var wg sync.WaitGroup
		for range 3 * budget / callWeight {
			wg.Go(func() {
				if _, err := client(p).After(t.Context(), nil, 1000); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		require.Equal(t, 3*time.Second, time.Since(began))
		_, most := running.read()
		require.Equal(t, budget/callWeight, most)
	})
	inBubble(t, ServerConfig{Requests: Limits{Bytes: 1000}, MaxBytes: 1}, h, func(t *testing.T, r *rig) {
		p := r.pool(t, PoolConfig{})
		_, err := client(p).After(within(t, time.Minute), make([]byte, 900), 0)
		require.NoError(t, err, "the largest request fits into the smallest budget")
	})
}
