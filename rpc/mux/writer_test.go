package mux

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// writerRig is a writer and the far end of its connection.
type writerRig struct {
	writer
	near, far net.Conn
	ends      atomic.Int32 // calls of broken
	unsent    []int32      // of the first
}

// withWriter runs a test in a bubble.
func withWriter(t *testing.T, timeout time.Duration, test func(t *testing.T, w *writerRig)) {
	synctest.Test(t, func(t *testing.T) {
		w := &writerRig{}
		w.near, w.far = net.Pipe()
		defer func() {
			w.near.Close()
			w.far.Close()
			time.Sleep(time.Minute) // all ends by itself
		}()
		w.init(w.near, timeout, true)
		w.broken = func(err error, unsent []int32) {
			if w.ends.Add(1) == 1 {
				w.unsent = unsent
			}
			w.near.Close()
		}
		test(t, w)
	})
}

// text makes a message of any bytes, which refers to refs behind them.
func text(s string, refs ...[]byte) *outgoing {
	o := outgoings.Get().(*outgoing)
	o.w = append(o.w, s...)
	for _, ref := range refs {
		o.segs = append(o.segs, segment{len(s), ref})
	}
	o.size = o.length()
	return o
}

// receive reads n bytes from the far end.
func (w *writerRig) receive(t *testing.T, n int) string {
	b := make([]byte, n)
	_, err := io.ReadFull(w.far, b)
	require.NoError(t, err)
	return string(b)
}

// countedWrites counts the writes to a connection.
type countedWrites struct {
	net.Conn
	n atomic.Int32
}

func (c *countedWrites) Write(b []byte) (int, error) {
	c.n.Add(1)
	return c.Conn.Write(b)
}

func TestWriter_OneWritesForAllWhoSendMeanwhile(t *testing.T) {
	withWriter(t, time.Minute, func(t *testing.T, w *writerRig) {
		counted := &countedWrites{Conn: w.near}
		w.nc = counted
		require.NoError(t, w.send(text("first;"), 1, patience)) // a goroutine has it
		want := "first;"
		for i := range 1000 {
			s := fmt.Sprintf("message %d;", i)
			want += s
			require.NoError(t, w.send(text(s), int32(i), patience))
		}
		require.Equal(t, want, w.receive(t, len(want)))
		require.LessOrEqual(t, counted.n.Load(), int32(3))
	})
}

func TestWriter_SlowPeerHoldsASenderForItsPatienceOnly(t *testing.T) {
	withWriter(t, time.Minute, func(t *testing.T, w *writerRig) {
		began := time.Now()
		require.NoError(t, w.send(text("slow"), 1, patience))
		require.Equal(t, patience, time.Since(began))
		require.NoError(t, w.send(text("next"), 2, patience))
		_ = w.send(text("last"), 3, 0)
		require.Equal(t, patience, time.Since(began), "they need not wait at all")
		require.Equal(t, "slownextlast", w.receive(t, 12))
	})
}

func TestWriter_SpeaksInTheOrderOfSending(t *testing.T) {
	withWriter(t, time.Minute, func(t *testing.T, w *writerRig) {
		rng := rand.New(rand.NewPCG(1, 2))
		large := bytes.Repeat([]byte("0123456789abcdef"), 20<<10)
		var want bytes.Buffer
		var sent []chan struct{}
		_ = w.send(text(""), 0, 0)
		for i := range 300 {
			s := fmt.Sprintf("message %d;", i)
			var refs [][]byte
			switch rng.IntN(4) {
			case 0:
				s += string(large[:rng.IntN(3*copyBytes)])
			case 1:
				refs = [][]byte{large[:rng.IntN(len(large))], large[:100]}
			}
			want.WriteString(s)
			for _, ref := range refs {
				want.Write(ref)
			}
			done, err := w.lend(text(s, refs...), int32(i), patience)
			require.NoError(t, err)
			sent = append(sent, done)
		}
		got := w.receive(t, want.Len())
		require.Equal(t, want.String(), got)
		for _, done := range sent {
			<-done
		}
		require.True(t, w.await(0))
		require.EqualValues(t, want.Len(), w.bytes.Load())
	})
}

func TestWriter_DropsAPeerThatDoesNotReadInTime(t *testing.T) {
	withWriter(t, 20*time.Second, func(t *testing.T, w *writerRig) {
		began := time.Now()
		require.NoError(t, w.send(text("taken in part"), 1, patience))
		require.NoError(t, w.send(text("never begun"), 2, patience))
		require.NoError(t, w.send(text("nor this"), 3, patience))
		require.Equal(t, "tak", w.receive(t, 3))
		require.False(t, w.await(0))
		require.LessOrEqual(t, time.Since(began), 20*time.Second+patience)
		require.EqualError(t, w.send(text("late"), 4, patience), "the peer does not read")
		synctest.Wait()
		require.EqualValues(t, 1, w.ends.Load())
		require.Equal(t, []int32{2, 3}, w.unsent)
	})
}

// brokenAfter is a connection that takes so many bytes.
type brokenAfter struct {
	net.Conn
	left int
}

func (c *brokenAfter) Write(b []byte) (int, error) {
	n := min(len(b), c.left)
	c.left -= n
	if n < len(b) {
		return n, errors.New("broken pipe")
	}
	return n, nil
}

func TestWriter_TellsOfWhichCallsNothingLeft(t *testing.T) {
	for name, row := range map[string]struct {
		takes  int
		unsent []int32
	}{
		"nothing":                    {0, []int32{1, 2, 3}},
		"one byte of the first":      {1, []int32{2, 3}},
		"the first":                  {5, []int32{2, 3}},
		"one byte of the second":     {6, []int32{3}},
		"all but a byte of the last": {5 + 40_006 + 4, nil},
	} {
		t.Run(name, func(t *testing.T) {
			withWriter(t, time.Minute, func(t *testing.T, w *writerRig) {
				w.nc = &brokenAfter{Conn: w.near, left: row.takes}
				w.busy = true // until all three wait
				for i, o := range []*outgoing{text("first"), text("second", make([]byte, 40_000)), text("third")} {
					require.NoError(t, w.send(o, int32(i+1), patience))
				}
				w.drain(true)
				require.ElementsMatch(t, row.unsent, w.unsent)
				require.ErrorContains(t, w.send(text("late"), 4, patience), "broken pipe")
			})
		})
	}
}

func TestWriter_TakesBackOnlyWhatStillWaits(t *testing.T) {
	withWriter(t, time.Minute, func(t *testing.T, w *writerRig) {
		require.NoError(t, w.send(text("first;"), 1, patience))
		for i := range int32(4) {
			require.NoError(t, w.send(text(fmt.Sprint("message ", i, ";")), 10+i, patience))
		}
		require.False(t, w.recall(1), "it is being written")
		require.True(t, w.recall(11))
		require.False(t, w.recall(11))
		require.False(t, w.recall(99))
		require.Equal(t, "first;message 0;message 2;message 3;", w.receive(t, 36))
		require.True(t, w.await(0))
		require.False(t, w.recall(12), "it has left")
	})
}

func TestWriter_GivesLentMemoryBackInMidWrite(t *testing.T) {
	withWriter(t, time.Minute, func(t *testing.T, w *writerRig) {
		lent := bytes.Repeat([]byte("lent"), 256<<10)
		want := "before" + string(lent) + "between" + string(lent) + "after"
		done, err := w.lend(text("before", lent), 1, patience)
		require.NoError(t, err)
		other, err := w.lend(text("between", lent), 2, patience)
		require.NoError(t, err)
		_ = w.send(text("after"), 3, 0)
		got := w.receive(t, 300_000)
		require.Empty(t, done, "the peer has not taken it all")

		began := time.Now()
		w.reclaim(done)
		require.Zero(t, time.Since(began))
		require.True(t, w.recall(2), "it was not begun")
		<-other
		clear(lent) // it is the caller's again
		want = want[:6+len(lent)] + "after"
		got += w.receive(t, len(want)-len(got))
		require.Equal(t, want, got, "the far end gets what was sent")
	})
}

func TestWriter_ReclaimsWhoeverWritesAndAsOftenAsAsked(t *testing.T) {
	withWriter(t, time.Minute, func(t *testing.T, w *writerRig) {
		received := make(chan int64)
		go func() {
			n, _ := io.Copy(io.Discard, slowReader{w.far, 100 << 20})
			received <- n
		}()
		var wg sync.WaitGroup
		var size atomic.Int64
		for i := range int32(16) {
			wg.Go(func() {
				rng := rand.New(rand.NewPCG(3, uint64(i)))
				lent := make([]byte, 100_000)
				for k := range int32(50) {
					o := text("x", lent)
					bytes := int64(o.size)
					seq := i<<16 | k
					done, err := w.lend(o, seq, patience)
					if err != nil {
						t.Error(err)
						return
					}
					time.Sleep(time.Duration(rng.IntN(2_000_000)))
					if w.recall(seq) {
						bytes = 0
					} else {
						w.reclaim(done)
					}
					<-done
					lent[rng.IntN(len(lent))]++ // the race detector looks on
					size.Add(bytes)
				}
			})
		}
		wg.Wait()
		require.True(t, w.await(0))
		w.near.Close()
		require.Equal(t, size.Load(), <-received)
		require.Zero(t, w.ends.Load())
	})
}

func TestWriter_ABatchHasABoundedSize(t *testing.T) {
	withWriter(t, time.Second, func(t *testing.T, w *writerRig) {
		go io.Copy(io.Discard, slowReader{w.far, 2 * batchBytes}) // a batch in half the timeout
		for i := range int32(160) {
			require.NoError(t, w.send(text(string(make([]byte, batchBytes/16))), i, patience))
		}
		require.True(t, w.await(0), "it takes five seconds, but no batch more than one")
	})
}

func TestWriter_CloseFreesWhatWaits(t *testing.T) {
	withWriter(t, time.Minute, func(t *testing.T, w *writerRig) {
		require.NoError(t, w.send(text("being written"), 1, patience))
		w.receive(t, 1)
		done, err := w.lend(text("waits", make([]byte, 100)), 2, patience)
		require.NoError(t, err)
		require.Equal(t, []int32{2}, w.close(errGivenUp))
		<-done
		require.ErrorIs(t, w.send(text("late"), 3, patience), errGivenUp)
		require.False(t, w.await(0))
		w.near.Close()
		synctest.Wait()
		require.EqualValues(t, 1, w.ends.Load())
		require.Empty(t, w.unsent, "they were told already")
	})
}
