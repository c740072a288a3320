package mux

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"testing"
	"testing/iotest"

	"github.com/apache/thrift/lib/go/thrift"
	"github.com/stretchr/testify/require"

	"spillway/gen-go/spillway"
)

// seeds are real messages of every dialect, and some that break rules.
func seeds(f *testing.F) (all [][]byte) {
	for _, d := range dialects {
		for _, s := range samples() {
			if wire := apacheWrites(f, d, true, s.h, s.body); len(wire) < 8<<10 {
				all = append(all, wire)
			}
		}
		w := &wireWriter{compact: d.compact()}
		all = append(all, headed(d, w.structs(5).b...), headed(d, w.lists(5).b...))
		w = &wireWriter{compact: d.compact()}
		all = append(all, headed(d, w.field(kMap).pairs(kString, kStruct, 3).zeros(40).b...))
	}
	return append(all,
		apacheWrites(f, UnframedBinary, false, callHeader, aTask()),
		apacheWrites(f, FramedBinary, false, callHeader, aTask()),
		squeezed(f, 1, replyHeader, aJob(20)),
		encodeControl("$cancel", 3).w,
		[]byte("GET / HTTP/1.1\r\n\r\n"), []byte("\x16\x03\x01\x02\x00\x01\x00"),
	)
}

// bare is the library's protocol over a bare message.
func bare(compact bool, body []byte) (thrift.TProtocol, *thrift.TMemoryBuffer) {
	buf := thrift.NewTMemoryBuffer()
	buf.Write(body)
	if compact {
		return thrift.NewTCompactProtocolConf(buf, nil), buf
	}
	return thrift.NewTBinaryProtocolConf(buf, nil), buf
}

// FuzzReader: whatever bytes come, a stream of messages or an error comes out of
// them, the same in whatever pieces they arrive; memory stays within bounds; and
// Apache's protocols make the same of each message that is taken.
func FuzzReader(f *testing.F) {
	for _, wire := range seeds(f) {
		f.Add(wire)
		f.Add(append(bytes.Clone(wire), wire...))
		f.Add(wire[:len(wire)/2])
	}
	lim := Limits{Bytes: 1 << 20, Elements: 1000}
	f.Fuzz(func(t *testing.T, sent []byte) {
		whole := readerOf(lim, sent)
		pieces := readerOf(lim, nil)
		pieces.r = bufio.NewReader(iotest.OneByteReader(bytes.NewReader(sent)))
		for used := 0; ; {
			m, err := whole.next()
			same, sameErr := pieces.next()
			require.Equal(t, err == nil, sameErr == nil)
			if err != nil {
				requireKnown(t, err)
				requireKnown(t, sameErr)
				require.False(t, whole.partial() && !errors.Is(err, io.ErrUnexpectedEOF))
				return
			}
			require.Equal(t, m.header, same.header)
			require.Equal(t, m.dialect, same.dialect)
			require.Equal(t, m.body, same.body)
			used += m.size
			require.LessOrEqual(t, used, len(sent))
			require.LessOrEqual(t, len(m.body), lim.Bytes)
			if m.dialect.prefix() < lengthWord+plainHeader { // what is inflated grows
				require.LessOrEqual(t, cap(m.body), growth*len(sent)+nextStep)
			}
			requireAsApache(t, m, lim)
			m.free()
			same.free()
		}
	})
}

func requireKnown(t *testing.T, err error) {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, errNotThrift) || errors.Is(err, errTooLarge) {
		require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
		return
	}
	t.Fatalf("unknown error %v", err)
}

// requireAsApache: both read the same header, pass over the same bytes, and
// decode the same answer.
func requireAsApache(t *testing.T, m *message, lim Limits) {
	ctx := t.Context()
	c := openMessage(m, lim, false)
	defer c.close()
	_, _, _, err := c.in.ReadMessageBegin(ctx)
	require.NoError(t, err)
	theirs, buf := bare(m.dialect.compact(), m.body)
	method, kind, seq, err := theirs.ReadMessageBegin(ctx)
	require.NoError(t, err)
	require.Equal(t, header{method, kind, seq, m.marked}, m.header)

	err = c.in.Skip(ctx, thrift.STRUCT)
	theirErr := theirs.Skip(ctx, thrift.STRUCT)
	switch {
	case err == nil:
		require.NoError(t, theirErr)
		require.Equal(t, uint64(len(m.body)-c.bin.off), buf.RemainingBytes())
	case !errors.Is(err, errTooLarge):
		require.Error(t, theirErr)
	}
	if m.dialect.prefix() == 0 {
		require.NoError(t, err, "it was passed over before")
		require.Zero(t, buf.RemainingBytes())
	}
	_, _, _, err = c.in.ReadMessageBegin(ctx)
	require.NoError(t, err)
	theirs, _ = bare(m.dialect.compact(), m.body)
	_, _, _, err = theirs.ReadMessageBegin(ctx)
	require.NoError(t, err)
	requireSameAnswer(t, c.in, theirs)
}

// requireSameAnswer reads the answer with the most kinds of fields from both.
func requireSameAnswer(t *testing.T, ours, theirs thrift.TProtocol) {
	mine, other := &spillway.ServerNodesResult{}, &spillway.ServerNodesResult{}
	err := mine.Read(t.Context(), ours)
	otherErr := other.Read(t.Context(), theirs)
	if errors.Is(err, errTooLarge) {
		return // they take more
	}
	require.Equal(t, otherErr == nil, err == nil, "%v and %v", otherErr, err)
	if err != nil {
		return
	}
	// Not a number does not equal itself, so the bytes are compared.
	o, err := encode(t.Context(), form{FramedBinary, false}, replyHeader, mine, generous)
	require.NoError(t, err)
	defer o.free()
	require.Equal(t, apacheWrites(t, FramedBinary, true, replyHeader, other), o.w)
}

// FuzzBinary_Decode: the binary protocol over memory makes of any struct what
// Apache's makes of it, or refuses it.
func FuzzBinary_Decode(f *testing.F) {
	for _, s := range samples() {
		wire := apacheWrites(f, UnframedBinary, true, s.h, s.body)
		if m, err := readerOf(generous, wire).next(); err == nil && len(wire) < 8<<10 {
			f.Add(bytes.Clone(m.body[m.start:]))
		}
	}
	f.Add((&wireWriter{}).structs(70).b)
	f.Add((&wireWriter{}).lists(70).b)
	// A list that says sets and has structs: the generated code does not look.
	f.Add([]byte{thrift.LIST, 0, 0, thrift.SET, 0, 0, 0, 1, 0, 0, 0, 0})
	// A node whose bool is neither 0 nor 1.
	f.Add([]byte{thrift.LIST, 0, 0, thrift.STRUCT, 0, 0, 0, 1, thrift.BOOL, 0, 6, 2, 0, 0})
	f.Fuzz(func(t *testing.T, body []byte) {
		m := &message{header: replyHeader, dialect: FramedBinary, body: body}
		c := openMessage(m, Limits{Bytes: 1 << 20, Elements: 1000}, false)
		defer c.close()
		_, _, _, err := c.in.ReadMessageBegin(t.Context())
		require.NoError(t, err)
		theirs, _ := bare(false, body)
		requireSameAnswer(t, c.in, theirs)
	})
}
