package mux

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"testing"
	"testing/iotest"

	"github.com/apache/thrift/lib/go/thrift"
	"github.com/stretchr/testify/require"

	"spillway/gen-go/echo"
	"spillway/gen-go/spillway"
)

// stutter gives a few bytes, then a passed deadline, by turns.
type stutter struct {
	b    []byte
	step int
	stop bool
}

func (s *stutter) Read(p []byte) (int, error) {
	if s.stop = !s.stop; s.stop {
		return 0, os.ErrDeadlineExceeded
	}
	if len(s.b) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), s.step)], s.b)
	s.b = s.b[n:]
	return n, nil
}

func TestReader_GoesOnWithAFrameAfterADeadline(t *testing.T) {
	for _, d := range []Dialect{FramedBinary, FramedCompact, HeaderBinary, HeaderCompact} {
		for _, step := range []int{1, 1000} {
			wire := apacheWrites(t, d, true, replyHeader, aJob(400))
			in := reader{r: bufio.NewReader(&stutter{b: append(bytes.Clone(wire), wire...), step: step}), lim: generous}
			whole, stops := 0, 0
			for {
				require.False(t, in.partial(), "nothing is taken between messages")
				m, err := in.next()
				for errors.Is(err, os.ErrDeadlineExceeded) {
					stops++
					require.Equal(t, in.partial(), in.frame != nil)
					m, err = in.next()
				}
				if errors.Is(err, io.EOF) {
					break
				}
				require.NoError(t, err)
				into := &spillway.ServerJobResult{}
				readInto(t, m, into)
				require.Equal(t, aJob(400), into)
				whole++
			}
			require.Equal(t, 2, whole)
			require.Greater(t, stops, 2*len(wire)/max(step, 4096))
		}
	}
}

func TestReader_EndsWithoutALengthAfterADeadline(t *testing.T) {
	wire := apacheWrites(t, UnframedBinary, true, callHeader, aTask())
	in := reader{r: bufio.NewReader(&stutter{b: wire, step: len(wire) - 1}), lim: generous}
	_, err := in.next()
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.False(t, in.partial())
	_, err = in.next() // its first bytes have come
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	_, err = in.next()
	require.ErrorIs(t, err, os.ErrDeadlineExceeded, "the rest is never taken for a message")
	require.False(t, in.partial())
}

func TestReader_TruncatedAnywhereIsAnUnexpectedEnd(t *testing.T) {
	eachDialect(t, func(t *testing.T, d Dialect) {
		wire := apacheWrites(t, d, true, callHeader, aTask())
		for n := range wire {
			m, err := readerOf(generous, wire[:n]).next()
			require.Nil(t, m)
			want := io.ErrUnexpectedEOF
			if n == 0 {
				want = io.EOF
			}
			require.Equal(t, want, err, "after %d bytes", n)
		}
		_, err := readerOf(generous, wire).next()
		require.NoError(t, err)
	})
}

func TestReader_TruncatedWithinItsFrameIsRefused(t *testing.T) {
	eachDialect(t, func(t *testing.T, d Dialect) {
		wire := apacheWrites(t, d, true, callHeader, aTask())
		for n := d.prefix(); n < len(wire) && n > 0; n++ {
			cut := bytes.Clone(wire[:n])
			binary.BigEndian.PutUint32(cut, uint32(n-lengthWord))
			err := receiveAll(t, generous, cut)
			require.Error(t, err, "after %d bytes", n)
			if n > d.prefix() {
				require.ErrorIs(t, err, errNotThrift, "after %d bytes", n)
			}
		}
	})
}

// receiveAll reads one message and passes over its struct, as the generated code
// does with fields that it does not know.
func receiveAll(t testing.TB, lim Limits, wire []byte) error {
	m, err := readerOf(lim, wire).next()
	if err != nil {
		return err
	}
	defer m.free()
	c := openMessage(m, lim, false)
	defer c.close()
	_, _, _, err = c.in.ReadMessageBegin(t.Context())
	require.NoError(t, err)
	return c.in.Skip(t.Context(), thrift.STRUCT)
}

// arrivals counts what has been read.
type arrivals struct {
	r io.Reader
	n int
}

func (a *arrivals) Read(p []byte) (int, error) {
	n, err := a.r.Read(p)
	a.n += n
	return n, err
}

func TestReader_MemoryFollowsTheBytesThatCame(t *testing.T) {
	eachDialect(t, func(t *testing.T, d Dialect) {
		wire := apacheWrites(t, d, true, replyHeader, &echo.EchoEchoResult{Success: make([]byte, 15<<20)})
		for _, sent := range []int{30, 4 << 10, 40 << 10, 300 << 10, 3 << 20} {
			in := readerOf(generous, nil)
			seen := &arrivals{r: &stutter{b: wire[:sent], step: 1000 + sent%4096*256, stop: true}}
			in.r = bufio.NewReaderSize(seen, 8<<10)
			most := 0
			in.grow = func(total int) error {
				require.GreaterOrEqual(t, seen.n, freeBytes)
				most = total
				return nil
			}
			for seen.n < sent {
				_, err := in.next()
				require.ErrorIs(t, err, os.ErrDeadlineExceeded)
				if in.frame == nil {
					return // without a length a message is not read on
				}
				require.LessOrEqual(t, cap(in.frame.b), max(nextStep, growth*seen.n))
				require.Equal(t, cap(in.frame.b) > freeBytes, most > 0)
			}
			if most > 0 {
				require.Equal(t, len(wire)-lengthWord, most)
			}
			in.free()
		}
	})
}

func TestReader_AsksBeforeALargeMessageTakesMemory(t *testing.T) {
	eachDialect(t, func(t *testing.T, d Dialect) {
		for _, size := range []int{200 << 10, 1 << 20, 10 << 20} {
			wire := apacheWrites(t, d, true, replyHeader, &echo.EchoEchoResult{Success: make([]byte, size)})
			in := readerOf(generous, wire)
			var asked []int
			in.grow = func(total int) error {
				asked = append(asked, total)
				return nil
			}
			m, err := in.next()
			require.NoError(t, err)
			switch {
			case size < freeBytes:
				require.Empty(t, asked)
			case d.prefix() > 0:
				require.Equal(t, []int{len(wire) - lengthWord}, asked)
			default:
				require.IsIncreasing(t, append([]int{0}, asked...))
				require.GreaterOrEqual(t, asked[len(asked)-1], len(wire))
				require.LessOrEqual(t, asked[len(asked)-1], 2*len(wire))
			}
			m.free()

			full := errors.New("no room")
			in = readerOf(generous, wire)
			in.grow = func(int) error { return full }
			m, err = in.next()
			if size < freeBytes {
				require.NoError(t, err)
				m.free()
				continue
			}
			require.Equal(t, full, err)
			in.free()
		}
	})
}

// What has come whole once may come again at once; one byte more is a new promise.
// Either way the server is asked before.
func TestReader_TrustsALengthThatWasKeptBefore(t *testing.T) {
	const size = 1 << 20
	wire := apacheWrites(t, FramedBinary, true, replyHeader, &echo.EchoEchoResult{Success: make([]byte, size)})
	longer := apacheWrites(t, FramedBinary, true, replyHeader, &echo.EchoEchoResult{Success: make([]byte, size+1)})
	for name, row := range map[string]struct {
		before, then []byte
		trusted      bool
	}{
		"the same":   {wire, wire, true},
		"less":       {longer, wire, true},
		"one more":   {wire, longer, false},
		"at first":   {nil, wire, false},
		"after half": {wire[:len(wire)/2], wire, false},
	} {
		t.Run(name, func(t *testing.T) {
			room := errors.New("no room")
			in := readerOf(generous, row.before)
			m, err := in.next()
			if err == nil {
				m.free()
			}
			whole := in.whole
			in = readerOf(generous, row.then[:40<<10])
			in.whole, in.grow = whole, func(total int) error {
				require.Equal(t, len(row.then)-lengthWord, total)
				require.Less(t, cap(in.frame.b), total, "asked before the memory is taken")
				return nil
			}
			_, err = in.next()
			require.ErrorIs(t, err, io.ErrUnexpectedEOF)
			require.Equal(t, row.trusted, cap(in.frame.b) > freeBytes)
			in.free()

			in = readerOf(generous, row.then[:40<<10])
			in.whole, in.grow = whole, func(int) error { return room }
			_, err = in.next()
			if row.trusted {
				require.Equal(t, room, err)
			}
			require.LessOrEqual(t, cap(in.frame.b), freeBytes)
			in.free()
		})
	}
}

func TestReader_RefusesAFrameByItsLengthAndTellsWhoSentIt(t *testing.T) {
	lim := Limits{Bytes: 1 << 20, Elements: 10}
	for _, d := range []Dialect{FramedBinary, FramedCompact} {
		for _, size := range []uint32{1<<20 + 1, 1 << 31, 1<<32 - 1} {
			wire := headed(d, 0)
			binary.BigEndian.PutUint32(wire, size)
			_, err := readerOf(lim, wire).next()
			require.ErrorIs(t, err, errTooLarge)
			refused, ok := errors.AsType[*refusedError](err)
			require.True(t, ok)
			require.Equal(t, d, refused.dialect)
			require.Equal(t, header{"m", thrift.CALL, 7, false}, refused.header)
			require.ErrorContains(t, err, "at most 1048576 are taken")

			_, err = readerOf(lim, wire[:lengthWord+3]).next()
			require.ErrorIs(t, err, errTooLarge, "the header has not come: that is not waited for")
			_, ok = errors.AsType[*refusedError](err)
			require.False(t, ok)
		}
	}
	wire := headed(HeaderBinary, 0)
	binary.BigEndian.PutUint32(wire, 1<<31)
	_, err := readerOf(lim, wire).next()
	require.ErrorIs(t, err, errTooLarge)
}

func TestReader_KeepsTheConnectionsOwnError(t *testing.T) {
	reset := errors.New("connection reset")
	eachDialect(t, func(t *testing.T, d Dialect) {
		wire := apacheWrites(t, d, true, callHeader, aTask())
		for _, n := range []int{0, 3, 20, len(wire) - 1} {
			in := readerOf(generous, nil)
			in.r = bufio.NewReader(io.MultiReader(bytes.NewReader(wire[:n]), iotest.ErrReader(reset)))
			_, err := in.next()
			require.Equal(t, reset, err)
			in.free()
		}
	})
}
