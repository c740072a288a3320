package mux

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"runtime/debug"
	"testing"

	"github.com/apache/thrift/lib/go/thrift"
	"github.com/stretchr/testify/require"

	"spillway/gen-go/echo"
	"spillway/gen-go/spillway"
)

// wire is the bytes of o in a row.
func (o *outgoing) wire() []byte {
	var b []byte
	at := 0
	for _, s := range o.segs {
		b = append(append(b, o.w[at:s.off]...), s.ref...)
		at = s.off
	}
	return append(b, o.w[at:]...)
}

func echoCall(n int) *echo.EchoEchoArgs {
	return &echo.EchoEchoArgs{Data: bytes.Repeat([]byte{0xab}, n)}
}

func TestEncode_RefersToLargeBinaryValuesWhereItMay(t *testing.T) {
	eachDialect(t, func(t *testing.T, d Dialect) {
		for _, n := range []int{0, refBytes - 1, refBytes, 1 << 20} {
			for _, byRef := range []bool{false, true} {
				args := echoCall(n)
				o, err := encode(t.Context(), form{d, byRef}, callHeader, args, generous)
				require.NoError(t, err)
				require.Equal(t, byRef && n >= refBytes, len(o.segs) == 1)
				require.Equal(t, o.size, o.length())
				require.Equal(t, apacheWrites(t, d, true, callHeader, args), o.wire())
				if len(o.segs) == 1 {
					require.Same(t, &args.Data[0], &o.segs[0].ref[0])
				}
				o.free()
			}
		}
	})
}

func TestEncode_RefusesMoreThanItsLimit(t *testing.T) {
	eachDialect(t, func(t *testing.T, d Dialect) {
		o, err := encode(t.Context(), form{d, true}, callHeader, echoCall(100<<10), generous)
		require.NoError(t, err)
		size := o.size - min(lengthWord, d.prefix())
		wire := o.wire()
		o.free()
		for _, byRef := range []bool{false, true} {
			_, err = encode(t.Context(), form{d, byRef}, callHeader, echoCall(100<<10), Limits{Bytes: size - 1})
			require.ErrorIs(t, err, errTooLarge)
			require.ErrorContains(t, err, "at most")
		}
		o, err = encode(t.Context(), form{d, false}, callHeader, echoCall(100<<10), Limits{Bytes: size})
		require.NoError(t, err)
		o.free()
		m, err := readerOf(Limits{Bytes: size, Elements: 1}, wire).next()
		require.NoError(t, err, "what is sent is let in")
		m.free()
	})
}

// stuck cannot be written.
type stuck struct{ thrift.TStruct }

var errStuck = errors.New("stuck")

func (stuck) Write(ctx context.Context, p thrift.TProtocol) error {
	_ = p.WriteFieldBegin(ctx, "", thrift.BOOL, 1)
	return errStuck
}

// flags is a struct with a list of one bool.
type flags struct{ thrift.TStruct }

func (flags) Write(ctx context.Context, p thrift.TProtocol) error {
	return errors.Join(p.WriteStructBegin(ctx, ""), p.WriteFieldBegin(ctx, "", thrift.LIST, 1),
		p.WriteListBegin(ctx, thrift.BOOL, 1), p.WriteBool(ctx, true), p.WriteListEnd(ctx),
		p.WriteFieldEnd(ctx), p.WriteFieldStop(ctx), p.WriteStructEnd(ctx))
}

func TestCodec_KeepsNothingOfAnAnswerThatFailed(t *testing.T) {
	eachDialect(t, func(t *testing.T, d Dialect) {
		m, err := readerOf(generous, apacheWrites(t, d, true, callHeader, aTask())).next()
		require.NoError(t, err)
		c := openMessage(m, generous, false)
		require.ErrorIs(t, writeStruct(t.Context(), c.out, callHeader, stuck{}), errStuck)
		require.NoError(t, writeStruct(t.Context(), c.out, callHeader, flags{}))
		o := c.finish()
		require.Equal(t, apacheWrites(t, d, true, callHeader, flags{}), o.w)
		o.free()
		c.close()
		m.free()
	})
}

func TestEncode_KeepsNothingOfAMessageThatFailed(t *testing.T) {
	eachDialect(t, func(t *testing.T, d Dialect) {
		for range 10 {
			_, err := encode(t.Context(), form{d, false}, callHeader, stuck{}, generous)
			require.ErrorIs(t, err, errStuck)
			o, err := encode(t.Context(), form{d, false}, callHeader, aTask(), generous)
			require.NoError(t, err)
			require.Equal(t, apacheWrites(t, d, true, callHeader, aTask()), o.w)
			o.free()
		}
	})
}

func TestOutgoing_TakesAnotherSequenceID(t *testing.T) {
	for _, d := range []Dialect{FramedBinary, UnframedBinary} {
		o, err := encode(t.Context(), form{d, true}, callHeader, echoCall(1<<20), generous)
		require.NoError(t, err)
		h := callHeader
		for _, h.seq = range []int32{-5, 1 << 30} {
			o.setSeq(h.seq)
			require.Equal(t, apacheWrites(t, d, true, h, echoCall(1<<20)), o.wire())
		}
		o.free()
	}
}

func TestEncodeControl_IsAMarkedOnewayCall(t *testing.T) {
	o := encodeControl("$cancel", 41)
	defer o.free()
	m, err := readerOf(Limits{Bytes: 100}, o.w).next()
	require.NoError(t, err)
	require.Equal(t, header{"$cancel", thrift.ONEWAY, 41, true}, m.header)
	require.Equal(t, FramedBinary, m.dialect)
	require.Equal(t, o.size, m.size)
	readInto(t, m, &spillway.ComputeNodePingArgs{})
}

func TestCodec_AnswersInTheDialectOfTheCall(t *testing.T) {
	answer := replyHeader
	eachDialect(t, func(t *testing.T, d Dialect) {
		for _, marked := range []bool{false, true} {
			h := callHeader
			h.marked = marked
			o, err := encode(t.Context(), form{d, false}, h, aTask(), generous)
			require.NoError(t, err)
			m, err := readerOf(generous, o.w).next()
			require.NoError(t, err)
			c := openMessage(m, generous, true)
			require.Zero(t, c.written())
			require.Nil(t, c.finish(), "nothing was written")

			// What was written before WriteMessageBegin is dropped.
			require.NoError(t, writeStruct(t.Context(), c.out, answer, &echo.EchoEchoResult{Success: make([]byte, 1<<20)}))
			require.Greater(t, c.written(), 1<<20)
			require.ErrorIs(t, writeStruct(t.Context(), c.out, answer, stuck{}), errStuck)
			require.Less(t, c.written(), 1000)
			require.NoError(t, writeStruct(t.Context(), c.out, answer, aJob(3)))
			size := c.written()
			out := c.finish()
			c.close()
			m.free()
			require.Equal(t, size, out.size)
			require.Len(t, out.w, size)
			reply, err := readerOf(generous, out.w).next()
			require.NoError(t, err)
			require.Equal(t, d, reply.dialect)
			require.Equal(t, marked && !d.compact(), reply.marked)
			into := &spillway.ServerJobResult{}
			readInto(t, reply, into)
			require.Equal(t, aJob(3), into)
			out.free()
			o.free()
		}
	})
}

func TestWriteException_IsReadByApache(t *testing.T) {
	eachDialect(t, func(t *testing.T, d Dialect) {
		m, err := readerOf(generous, apacheWrites(t, d, true, callHeader, aTask())).next()
		require.NoError(t, err)
		c := openMessage(m, generous, false)
		require.NoError(t, writeException(t.Context(), c.out, m.header, thrift.NewTApplicationException(thrift.INTERNAL_ERROR, "broke")))
		o := c.finish()
		x := thrift.NewTApplicationException(0, "")
		h := apacheReads(t, d, o.w, x)
		require.Equal(t, header{method: "run", kind: thrift.EXCEPTION, seq: 77}, h)
		require.Equal(t, int32(thrift.INTERNAL_ERROR), x.TypeId())
		require.Equal(t, "broke", x.Error())
		c.close()
		o.free()
		m.free()
	})
}

func TestCodec_TellsWhatRefersToTheMessage(t *testing.T) {
	eachDialect(t, func(t *testing.T, d Dialect) {
		for _, n := range []int{0, aliasBytes - 1, aliasBytes} {
			m, err := readerOf(generous, apacheWrites(t, d, true, callHeader, echoCall(n))).next()
			require.NoError(t, err)
			c := openMessage(m, generous, false)
			_, _, _, err = c.in.ReadMessageBegin(t.Context())
			require.NoError(t, err)
			args := &echo.EchoEchoArgs{}
			require.NoError(t, args.Read(t.Context(), c.in))
			require.Equal(t, echoCall(n), args)
			require.Equal(t, n >= aliasBytes, c.aliased())
			clear(m.body)
			require.Equal(t, c.aliased(), !bytes.Equal(echoCall(n).Data, args.Data))
			c.close()
			m.free()
		}
	})
}

// repeat gives the same bytes for ever.
type repeat struct {
	b   []byte
	off int
}

func (r *repeat) Read(p []byte) (int, error) {
	n := copy(p, r.b[r.off:])
	r.off = (r.off + n) % len(r.b)
	return n, nil
}

// underRace tells that the race detector is on, under which pools forget.
func underRace() bool {
	info, _ := debug.ReadBuildInfo()
	for _, s := range info.Settings {
		if s.Key == "-race" {
			return s.Value == "true"
		}
	}
	return false
}

// trip encodes a call, reads it as a server does, and answers nothing.
func trip(t testing.TB, in *reader, args thrift.TStruct, into thrift.TStruct) {
	o, err := encode(t.Context(), form{FramedBinary, true}, callHeader, args, generous)
	if err != nil {
		t.Fatal(err)
	}
	o.free()
	m, err := in.next()
	if err != nil {
		t.Fatal(err)
	}
	c := openMessage(m, generous, true)
	if _, _, _, err := c.in.ReadMessageBegin(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := into.Read(t.Context(), c.in); err != nil {
		t.Fatal(err)
	}
	c.close()
	m.free()
}

func TestAllocations_AreTheFieldsOfTheStructOnly(t *testing.T) {
	if underRace() {
		t.Skip("pools forget under the race detector")
	}
	for name, row := range map[string]struct {
		args, into thrift.TStruct
		most       float64
	}{
		"ping": {&spillway.ComputeNodePingArgs{}, &spillway.ComputeNodePingArgs{}, 0},
		// Three texts, the task, the operation, its name, its map of one key and value.
		"task":   {aTask(), &spillway.ComputeNodeRunArgs{}, 10},
		"200 KB": {echoCall(200 << 10), &echo.EchoEchoArgs{}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			in := readerOf(generous, nil)
			in.r = bufio.NewReader(&repeat{b: apacheWrites(t, FramedBinary, true, callHeader, row.args)})
			got := testing.AllocsPerRun(200, func() { trip(t, in, row.args, row.into) })
			t.Logf("%v allocations", got)
			require.LessOrEqual(t, got, row.most)
		})
	}
}

func TestAllocations_NoneForWhatIsPassedOver(t *testing.T) {
	if underRace() {
		t.Skip("pools forget under the race detector")
	}
	text := (&wireWriter{}).field(kString).count(100 << 10).zeros(100<<10 + 1).b
	in := readerOf(generous, nil)
	in.r = bufio.NewReader(&repeat{b: headed(FramedBinary, text...)})
	require.Zero(t, testing.AllocsPerRun(200, func() { trip(t, in, &spillway.ComputeNodePingArgs{}, &spillway.ComputeNodePingArgs{}) }))
}

func BenchmarkTrip(b *testing.B) {
	for name, args := range map[string]thrift.TStruct{
		"ping": &spillway.ComputeNodePingArgs{}, "task": aTask(), "200KB": echoCall(200 << 10), "5MB": echoCall(5 << 20),
	} {
		b.Run(name, func(b *testing.B) {
			wire := apacheWrites(b, FramedBinary, true, callHeader, args)
			in := readerOf(generous, nil)
			in.r = bufio.NewReaderSize(&repeat{b: wire}, 8<<10)
			b.SetBytes(int64(len(wire)))
			b.ReportAllocs()
			for b.Loop() {
				switch args.(type) {
				case *spillway.ComputeNodePingArgs:
					trip(b, in, args, &spillway.ComputeNodePingArgs{})
				case *echo.EchoEchoArgs:
					trip(b, in, args, &echo.EchoEchoArgs{})
				default:
					trip(b, in, args, &spillway.ComputeNodeRunArgs{})
				}
			}
		})
	}
}
