package mux

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/apache/thrift/lib/go/thrift"
	"github.com/stretchr/testify/require"

	"spillway/gen-go/spillway"
)

// readerOf is a reader of these bytes.
func readerOf(lim Limits, wire []byte) *reader {
	return &reader{r: bufio.NewReaderSize(bytes.NewReader(wire), 8<<10), lim: lim}
}

// readInto decodes m and frees it.
func readInto(t testing.TB, m *message, into thrift.TStruct) {
	c := openMessage(m, generous, false)
	defer c.close()
	method, kind, seq, err := c.in.ReadMessageBegin(t.Context())
	require.NoError(t, err)
	require.Equal(t, header{method: method, kind: kind, seq: seq}, header{method: m.method, kind: m.kind, seq: m.seq})
	require.NoError(t, into.Read(t.Context(), c.in))
	require.NoError(t, c.in.ReadMessageEnd(t.Context()))
	if !c.aliased() {
		m.free()
	}
}

func TestReader_ReadsWhatApacheWrites(t *testing.T) {
	for name, s := range samples() {
		t.Run(name, func(t *testing.T) {
			eachDialect(t, func(t *testing.T, d Dialect) {
				wire := apacheWrites(t, d, true, s.h, s.body)
				in := readerOf(generous, append(bytes.Clone(wire), wire...))
				for range 2 {
					m, err := in.next()
					require.NoError(t, err)
					require.Equal(t, s.h, m.header)
					require.Equal(t, d, m.dialect)
					require.Equal(t, len(wire), m.size)
					into := s.empty()
					readInto(t, m, into)
					require.Equal(t, s.body, into)
				}
				_, err := in.next()
				require.Equal(t, io.EOF, err)
			})
		})
	}
}

func TestEncode_WritesWhatApacheReads(t *testing.T) {
	for name, s := range samples() {
		t.Run(name, func(t *testing.T) {
			eachDialect(t, func(t *testing.T, d Dialect) {
				for _, marked := range []bool{false, true} {
					h := s.h
					h.marked = marked
					o, err := encode(t.Context(), form{d, true}, h, s.body, generous)
					require.NoError(t, err)
					defer o.free()
					require.Len(t, o.w, o.size)
					into := s.empty()
					require.Equal(t, s.h, apacheReads(t, d, o.w, into), "the mark is nothing to Apache")
					require.Equal(t, s.body, into)
				}
			})
		})
	}
}

func TestReader_TellsTheDialectOfEachMessageOnAStream(t *testing.T) {
	var wire []byte
	for range 3 {
		for _, d := range dialects {
			wire = append(wire, apacheWrites(t, d, true, callHeader, aTask())...)
		}
	}
	in := readerOf(generous, wire)
	in.r = bufio.NewReader(iotest.OneByteReader(bytes.NewReader(wire)))
	for i := range 3 * len(dialects) {
		m, err := in.next()
		require.NoError(t, err)
		require.Equal(t, dialects[i%len(dialects)], m.dialect)
		into := &spillway.ComputeNodeRunArgs{}
		readInto(t, m, into)
		require.Equal(t, aTask(), into)
	}
}

func TestReader_TakesBinaryWithoutAVersionAndAnswersWithOne(t *testing.T) {
	for _, d := range []Dialect{UnframedBinary, FramedBinary} {
		t.Run(d.String(), func(t *testing.T) {
			wire := apacheWrites(t, d, false, callHeader, aTask())
			m, err := readerOf(generous, wire).next()
			require.NoError(t, err)
			require.Equal(t, callHeader, m.header)
			require.Equal(t, d, m.dialect)
			c := openMessage(m, generous, false)
			defer c.close()
			require.NoError(t, writeStruct(t.Context(), c.out, replyHeader, aJob(1)))
			o := c.finish()
			defer o.free()
			require.Equal(t, apacheWrites(t, d, true, replyHeader, aJob(1)), o.w)
			into := &spillway.ComputeNodeRunArgs{}
			readInto(t, m, into)
			require.Equal(t, aTask(), into)
		})
	}
}

func TestReader_SeesTheMark(t *testing.T) {
	for _, d := range []Dialect{UnframedBinary, FramedBinary} {
		for _, marked := range []bool{false, true} {
			o, err := encode(t.Context(), form{d, false}, header{"ping", thrift.CALL, 1, marked}, &spillway.ComputeNodePingArgs{}, generous)
			require.NoError(t, err)
			m, err := readerOf(generous, o.w).next()
			require.NoError(t, err)
			require.Equal(t, marked, m.marked)
			o.free()
			m.free()
		}
	}
}

func TestReader_TellsWhoIsNoThriftPeer(t *testing.T) {
	tls := "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
	for name, row := range map[string]struct{ sent, says string }{
		"HTTP request":      {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "an HTTP request"},
		"short HTTP":        {"GET ", "an HTTP request"},
		"HTTP answer":       {"HTTP/1.1 400 Bad Request\r\n\r\n", "an HTTP answer"},
		"TLS":               {tls, "a TLS handshake; this port speaks plain Thrift"},
		"TLS alert":         {"\x15\x03\x01\x00\x02\x02\x46", "the peer speaks TLS"},
		"SSH":               {"SSH-2.0-OpenSSH_9.2\r\n", "an SSH greeting"},
		"random":            {"\xde\xad\xbe\xef\x01\x02\x03\x04\x05", "de ad be ef"},
		"text":              {"hello there\n", "it begins with"},
		"empty frame":       {"\x00\x00\x00\x00\x00\x00", "it begins with"},
		"long name":         {"\x00\x00\x00\x81" + strings.Repeat("n", 200), "it begins with"},
		"long binary name":  {"\x80\x01\x00\x01\x00\x00\x00\x81" + strings.Repeat("n", 200), "a method name of 129 bytes"},
		"long compact name": {"\x82\x21\x00\x81\x01" + strings.Repeat("n", 200), "a method name of 129 bytes"},
		"binary name":       {"\x80\x01\x00\x01\x00\x00\x00\x02a\x01\x00\x00\x00\x01\x00", "method name"},
		"kind":              {"\x80\x01\x00\x05\x00\x00\x00\x01a\x00\x00\x00\x01\x00", "message type 5"},
		"compact kind":      {"\x82\xa1\x00\x01a\x00", "message type 5"},
		"compact version":   {"\x82\x22\x00\x01a\x00", "it begins with 82 22"},
		"long number":       {"\x82\x21" + string(bytes.Repeat([]byte{0xff}, 11)), "number of more than 10 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			in := readerOf(Limits{Bytes: 1 << 20, Elements: 10}, []byte(row.sent))
			m, err := in.next()
			require.Nil(t, m)
			require.ErrorIs(t, err, errNotThrift)
			require.ErrorContains(t, err, row.says)
			_, again := in.next()
			require.ErrorIs(t, again, errNotThrift, "it stays so")
		})
	}
}

func TestIntern_RemembersNamesAndForgetsSome(t *testing.T) {
	for i := range 10 * nameSets {
		name := fmt.Sprintf("method-%d", i)
		require.Equal(t, name, intern([]byte(name)))
	}
	name := []byte("run")
	intern(name)
	require.Zero(t, testing.AllocsPerRun(100, func() { intern(name) }))
}

func TestDialect_HasAName(t *testing.T) {
	require.Equal(t, "unframed binary", UnframedBinary.String())
	require.Equal(t, "THeader compact", HeaderCompact.String())
	require.Equal(t, "unknown dialect", Dialect(99).String())
}
