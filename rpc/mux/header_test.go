package mux

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/apache/thrift/lib/go/thrift"
	"github.com/stretchr/testify/require"

	"spillway/gen-go/echo"
	"spillway/gen-go/spillway"
)

// squeezed is a message in THeader as the library compresses it, n times over.
func squeezed(t testing.TB, n int, h header, body thrift.TStruct) []byte {
	buf := thrift.NewTMemoryBuffer()
	p := thrift.NewTHeaderProtocolConf(buf, &thrift.TConfiguration{})
	for range n {
		require.NoError(t, p.Transport().(*thrift.THeaderTransport).AddTransform(thrift.TransformZlib))
	}
	p.SetWriteHeader("trace", "12345")
	require.NoError(t, writeStruct(t.Context(), p, h, body))
	return buf.Bytes()
}

func TestHeader_InflatesWhatApacheCompresses(t *testing.T) {
	for _, failures := range []int{0, 10, 6000} {
		wire := squeezed(t, 1, replyHeader, aJob(failures))
		in := readerOf(generous, append(bytes.Clone(wire), wire...))
		for range 2 {
			m, err := in.next()
			require.NoError(t, err)
			require.Equal(t, HeaderBinary, m.dialect)
			require.Equal(t, replyHeader, m.header)
			require.Equal(t, len(wire), m.size)
			into := &spillway.ServerJobResult{}
			readInto(t, m, into)
			require.Len(t, into.Success.Failures, failures)
		}
	}
}

func TestHeader_AnswersCarryTheCallersProtocolAndSequenceID(t *testing.T) {
	for _, d := range []Dialect{HeaderBinary, HeaderCompact} {
		call := headed(d, 0)
		call[11] = 99 // THeader's sequence id, beside the message's own
		m, err := readerOf(generous, call).next()
		require.NoError(t, err)
		require.Equal(t, int32(99), m.headerSeq)
		require.Equal(t, int32(7), m.seq)
		c := openMessage(m, generous, false)
		require.NoError(t, writeStruct(t.Context(), c.out, header{"m", thrift.REPLY, 7, false}, &spillway.ComputeNodePingResult{}))
		o := c.finish()
		c.close()
		m.free()

		buf := thrift.NewTMemoryBuffer()
		buf.Write(o.w)
		p := thrift.NewTHeaderProtocolConf(buf, nil)
		_, _, seq, err := p.ReadMessageBegin(t.Context())
		require.NoError(t, err)
		require.Equal(t, int32(7), seq)
		trans := p.Transport().(*thrift.THeaderTransport)
		require.Equal(t, int32(99), trans.SequenceID)
		require.Equal(t, d == HeaderCompact, trans.Protocol() == thrift.THeaderProtocolCompact)
		o.free()
	}
}

// ping is a bare binary call of m.
var ping = headed(UnframedBinary, 0)

func TestHeader_RefusesWhatItCannotTake(t *testing.T) {
	packed := deflated(t, ping)
	for name, row := range map[string]struct {
		wire []byte
		says string // "": taken
	}{
		"plain":              {theader([]byte{0, 0}, ping), ""},
		"no transform, said": {theader([]byte{0, 2, 0, 0}, ping), ""},
		"padding":            {theader(make([]byte, 100), ping), ""},
		"key-values":         {theader([]byte{0, 0, 1, 1, 1, 'k', 1, 'v'}, ping), ""},
		"zlib":               {theader([]byte{0, 1, 1}, packed), ""},
		"zlib among none":    {theader([]byte{0, 3, 0, 1, 0}, packed), ""},
		"zlib twice":         {theader([]byte{0, 2, 1, 1}, deflated(t, packed)), "THeader transform 1; zlib is taken, once"},
		"snappy":             {theader([]byte{0, 1, 3}, ping), "THeader transform 3"},
		"many transforms":    {theader([]byte{0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}, ping), "it ends within a value"},
		"JSON":               {theader([]byte{1, 0}, ping), "THeader protocol 1"},
		"another protocol":   {theader([]byte{2, 0}, ping), "its protocol is not the one"},
		"no headers":         {theader(nil, ping), "it ends within a value"},
		"no payload":         {theader([]byte{0, 0}, nil), "it ends within a value"},
		"no zlib":            {theader([]byte{0, 1, 1}, ping), "inflate: zlib: invalid header"},
		"cut zlib":           {theader([]byte{0, 1, 1}, packed[:len(packed)-5]), "inflate: unexpected EOF"},
		"wrong zlib":         {theader([]byte{0, 1, 1}, append(packed[:len(packed)-1:len(packed)], 1)), "inflate: zlib: invalid checksum"},
		"long headers":       {parcel(FramedBinary, []byte{0x0f, 0xff, 0, 0, 0, 0, 0, 1, 0xff, 0xff, 0, 0, 0, 0}), "headers of 262150 bytes in a frame of 14"},
		"short":              {parcel(FramedBinary, []byte{0x0f, 0xff, 0, 0, 0}), "a method name of 268369920 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := readerOf(generous, row.wire).next()
			if row.says == "" {
				require.NoError(t, err)
				require.Equal(t, header{"m", thrift.CALL, 7, false}, m.header)
				m.free()
				return
			}
			require.ErrorIs(t, err, errNotThrift)
			require.ErrorContains(t, err, row.says)
		})
	}
}

func TestHeader_ABombIsRefusedAtItsLimit(t *testing.T) {
	lim := Limits{Bytes: 1 << 20, Elements: 10}
	head := len(headed(UnframedBinary)) + 7 // with a field and the length of its text
	for name, row := range map[string]struct {
		size int
		err  error
	}{
		"fits":            {lim.Bytes, nil},
		"one byte more":   {lim.Bytes + 1, errTooLarge},
		"a thousand to 1": {1 << 24, errTooLarge},
		"within a frame":  {1000, nil},
	} {
		t.Run(name, func(t *testing.T) {
			text := (&wireWriter{}).field(kString).count(uint32(row.size - head - 1)).b
			wire := theader([]byte{0, 1, 1}, bomb(t, headed(UnframedBinary, text...), row.size))
			in := readerOf(lim, wire)
			asked := 0
			in.grow = func(total int) error {
				require.Greater(t, total, asked)
				asked = total
				return nil
			}
			m, err := in.next()
			require.LessOrEqual(t, asked, lim.Bytes+len(wire))
			if row.err == nil {
				require.NoError(t, err)
				require.Len(t, m.body, row.size)
				m.free()
				return
			}
			require.ErrorIs(t, err, row.err)
			requireCaller(t, err, HeaderBinary)
		})
	}
}

// bomb is compressed text of size bytes, zeros behind its head.
func bomb(t testing.TB, head []byte, size int) []byte {
	return deflated(t, append(head, make([]byte, size-len(head))...))
}

func TestHeader_AsksBeforeItInflates(t *testing.T) {
	full := errors.New("no room")
	wire := squeezed(t, 1, replyHeader, &echo.EchoEchoResult{Success: make([]byte, 10<<20)})
	require.Less(t, len(wire), freeBytes)
	in := readerOf(generous, wire)
	in.grow = func(int) error { return full }
	_, err := in.next()
	require.Equal(t, full, err)
	_, err = in.next()
	require.Equal(t, full, err)
}

func TestHeader_WaitsForItsTurnToInflateMuch(t *testing.T) {
	busy := errors.New("busy")
	for name, row := range map[string]struct{ size, turns int }{
		"small": {40 << 10, 0}, "large": {10 << 20, 1},
	} {
		t.Run(name, func(t *testing.T) {
			wire := squeezed(t, 1, replyHeader, &echo.EchoEchoResult{Success: make([]byte, row.size)})
			in := readerOf(generous, append(bytes.Clone(wire), wire...))
			turns, ends := 0, 0
			in.turn = func() (func(), error) {
				turns++
				return func() { ends++ }, nil
			}
			m, err := in.next()
			require.NoError(t, err)
			m.free()
			require.Equal(t, row.turns, turns)
			require.Equal(t, row.turns, ends)
			in.turn = func() (func(), error) { return nil, busy }
			m, err = in.next()
			if row.turns == 0 {
				require.NoError(t, err)
				m.free()
			} else {
				require.Equal(t, busy, err)
			}
		})
	}
}

func TestReader_TellsWhatAMessageCanComeTo(t *testing.T) {
	noise := make([]byte, 1<<20)
	_, err := rand.NewChaCha8([32]byte{1}).Read(noise)
	require.NoError(t, err)
	body := &echo.EchoEchoResult{Success: noise}
	most := func(wire []byte) (seen []int) {
		in := readerOf(generous, wire)
		in.grow = func(total int) error {
			seen = append(seen, in.most(total))
			return nil
		}
		m, err := in.next()
		require.NoError(t, err)
		m.free()
		return seen
	}
	for _, d := range []Dialect{FramedBinary, FramedCompact, HeaderBinary} {
		wire := apacheWrites(t, d, true, replyHeader, body)
		require.Equal(t, []int{len(wire) - lengthWord}, most(wire))
	}
	for _, n := range most(apacheWrites(t, UnframedCompact, true, replyHeader, body)) {
		require.Equal(t, generous.Bytes, n)
	}
	wire := squeezed(t, 1, replyHeader, body)
	seen := most(wire)
	require.Greater(t, len(seen), 1)
	for _, n := range seen {
		require.Equal(t, len(wire)-lengthWord+generous.Bytes, n)
	}
}
