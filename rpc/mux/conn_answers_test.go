package mux

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/apache/thrift/lib/go/thrift"
	"github.com/stretchr/testify/require"

	"spillway/gen-go/echo"
)

func TestConn_StrangeMessageEndsEveryCall(t *testing.T) {
	h := header{"echo", thrift.REPLY, 1, true}
	data := &echo.EchoEchoResult{Success: []byte("x")}
	for name, row := range map[string]struct {
		sent   []byte
		closes bool
		says   string
	}{
		"a call":         {call("echo", 1, &echo.EchoEchoArgs{}), false, `message type 1 of "echo" is no answer`},
		"another method": {bytesOf(FramedBinary, header{"after", thrift.REPLY, 1, true}, data), false, `it is for "after"`},
		"garbage":        {[]byte("\xde\xad\xbe\xef\x01\x02\x03\x04"), false, "not a Thrift message"},
		"a huge frame":   {[]byte{0x7f, 0xff, 0xff, 0xff, 0x80, 1, 0, 2}, false, "at most 16777216 are taken"},
		"its end":        {nil, true, "closed before the answer"},
		"half an answer": {bytesOf(FramedBinary, h, data)[:20], true, "unexpected EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			withConn(t, nil, func(t *testing.T, c *connRig) {
				var wg sync.WaitGroup
				for range 3 {
					wg.Go(func() {
						_, err := c.echo(t.Context(), []byte("x"))
						var failed *CallError
						if !errors.As(err, &failed) || failed.Unsent {
							t.Errorf("%v", err)
						}
					})
					_, err := c.far.in.next()
					require.NoError(t, err)
				}
				if row.sent != nil {
					_, _ = c.far.Write(row.sent)
				}
				if row.closes {
					c.far.Close()
				}
				wg.Wait()
				require.False(t, c.usable())
				require.ErrorContains(t, c.err, row.says)
			})
		})
	}
}

// headedReply is an answer to echo with seq 1 that has these bytes for a result.
func headedReply(result ...byte) []byte {
	body := append([]byte{0x80, 1, mark, 2, 0, 0, 0, 4, 'e', 'c', 'h', 'o', 0, 0, 0, 1}, result...)
	return parcel(FramedBinary, body)
}

func TestConn_AnswerThatCannotBeReadCostsNoOtherCall(t *testing.T) {
	withConn(t, func(f *farEnd) {
		_ = f.serve(true, func(m *message) bool {
			if m.seq == 1 {
				_, _ = f.Write(headedReply(12, 0, 1)) // a struct where bytes belong, cut off
			}
			return m.seq == 1
		})
	}, func(t *testing.T, c *connRig) {
		_, err := c.echo(t.Context(), []byte("x"))
		requireCallError(t, err, false, "decode answer")
		c.requireEchoes(t, "the same connection")
	})
}

func TestConn_AnswerThatNobodyAskedFor(t *testing.T) {
	stray := bytesOf(FramedBinary, header{"echo", thrift.REPLY, 4711, true}, &echo.EchoEchoResult{})
	t.Run("of a marked peer is dropped, once for each call that was given up", func(t *testing.T) {
		const given = 3
		withConn(t, func(f *farEnd) {
			calls := 0
			_ = f.serve(true, func(m *message) bool {
				if m.method == cancelMethod {
					return true
				}
				calls++
				if calls > given {
					_, _ = f.Write(stray)
				}
				return calls <= given
			})
		}, func(t *testing.T, c *connRig) {
			for range given {
				_, err := c.echo(cancelAfter(t, time.Second), nil)
				require.ErrorIs(t, err, context.Canceled)
			}
			for range given {
				c.requireEchoes(t, "mine")
			}
			_, err := c.echo(t.Context(), nil)
			require.ErrorContains(t, err, "it is for call 4711, which nobody made")
		})
	})
	t.Run("of any other is the end", func(t *testing.T) {
		withConn(t, nil, func(t *testing.T, c *connRig) {
			c.marked = false
			done := make(chan error, 1)
			go func() {
				_, err := c.echo(t.Context(), nil)
				done <- err
			}()
			_, err := c.far.in.next()
			require.NoError(t, err)
			stray[6] = 0 // the mark
			_, _ = c.far.Write(stray)
			requireCallError(t, <-done, false, "it is for call 4711, which nobody made")
		})
	})
}

func TestConn_SequenceIdsGoRoundAndPassOverThoseInUse(t *testing.T) {
	withConn(t, playMarked, func(t *testing.T, c *connRig) {
		inUse := &reply{done: make(chan struct{}, 1)}
		c.seq = 1<<31 - 2
		c.waiting[-1<<31] = inUse
		for range 3 {
			c.requireEchoes(t, "x")
		}
		require.Equal(t, int32(-1<<31+2), c.seq)
		c.seq = -2
		c.requireEchoes(t, "x")
		c.requireEchoes(t, "x")
		require.Equal(t, int32(1), c.seq, "0 is nobody's")
	})
}

func TestConn_ExceptionIsAnAnswer(t *testing.T) {
	withConn(t, func(f *farEnd) {
		_ = f.serve(true, func(m *message) bool {
			x := thrift.NewTApplicationException(thrift.INTERNAL_ERROR, "no disk")
			_, _ = f.Write(bytesOf(FramedBinary, header{m.method, thrift.EXCEPTION, m.seq, true}, x))
			return true
		})
	}, func(t *testing.T, c *connRig) {
		for range 2 {
			_, err := c.echo(t.Context(), nil)
			requireTold(t, err, thrift.INTERNAL_ERROR, "no disk")
		}
		require.True(t, c.usable())
	})
}
