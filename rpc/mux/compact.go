package mux

import (
	"context"
	"encoding/binary"
	"math"

	"github.com/apache/thrift/lib/go/thrift"
)

const varintBytes = 10 // at most

// compactHeader reads what follows on the first two bytes of a header.
func (c *cursor) compactHeader(second byte) (h header, err error) {
	h.kind = thrift.TMessageType(second >> kindShift)
	seq, err := c.varint()
	if err != nil {
		return h, err
	}
	h.seq = int32(seq)
	n, err := c.varint()
	if err != nil {
		return h, err
	}
	h.method, err = c.method(uint32(n))
	return h, err
}

func (c *cursor) varint() (v uint64, err error) {
	for i := range varintBytes {
		b, err := c.take(1)
		if err != nil {
			return 0, err
		}
		v |= uint64(b[0]&0x7f) << (7 * i)
		if b[0] < 0x80 {
			return v, nil
		}
	}
	return 0, malformed("a number of more than %d bytes", varintBytes)
}

// compactReader is Apache's compact protocol over one message in memory, held
// to the same limits as the binary one.
type compactReader struct {
	*thrift.TCompactProtocol
	t *tape
}

// newCompact is Apache's protocol with nothing read or written yet. Its own limits
// are out of the way: they count each container by itself.
func newCompact(t *tape) *thrift.TCompactProtocol {
	return thrift.NewTCompactProtocolConf(memory{t}, &thrift.TConfiguration{MaxMessageSize: math.MaxInt32})
}

// ReadMessageBegin returns the header that the reader has read, and begins anew.
func (p *compactReader) ReadMessageBegin(context.Context) (string, thrift.TMessageType, int32, error) {
	p.t.rewind()
	p.TCompactProtocol = newCompact(p.t)
	return p.t.h.method, p.t.h.kind, p.t.h.seq, nil
}

func (p *compactReader) ReadStructBegin(ctx context.Context) (string, error) {
	if err := p.t.enter(); err != nil {
		return "", err
	}
	return p.TCompactProtocol.ReadStructBegin(ctx)
}

func (p *compactReader) ReadStructEnd(ctx context.Context) error {
	p.t.depth--
	return p.TCompactProtocol.ReadStructEnd(ctx)
}

func (p *compactReader) ReadMapBegin(ctx context.Context) (key, value thrift.TType, n int, err error) {
	key, value, n, err = p.TCompactProtocol.ReadMapBegin(ctx)
	if err == nil {
		err = p.t.open(n, smallestCompact(key)+smallestCompact(value))
	}
	return key, value, n, err
}

func (p *compactReader) ReadListBegin(ctx context.Context) (t thrift.TType, n int, err error) {
	t, n, err = p.TCompactProtocol.ReadListBegin(ctx)
	if err == nil {
		err = p.t.open(n, smallestCompact(t))
	}
	return t, n, err
}

func (p *compactReader) ReadSetBegin(ctx context.Context) (thrift.TType, int, error) {
	return p.ReadListBegin(ctx)
}

// smallestCompact is the least number of bytes that a value of type t takes.
func smallestCompact(t thrift.TType) int {
	switch t {
	case thrift.DOUBLE:
		return 8
	case thrift.UUID:
		return 16
	}
	return 1
}

func (p *compactReader) ReadMapEnd(context.Context) error  { p.t.depth--; return nil }
func (p *compactReader) ReadListEnd(context.Context) error { p.t.depth--; return nil }
func (p *compactReader) ReadSetEnd(context.Context) error  { p.t.depth--; return nil }

func (p *compactReader) ReadString(context.Context) (string, error) {
	n, err := p.t.varint()
	return p.t.str(int32(n), err)
}

func (p *compactReader) ReadBinary(context.Context) ([]byte, error) {
	n, err := p.t.varint()
	return p.t.bytes(int32(n), err)
}

func (p *compactReader) Skip(ctx context.Context, t thrift.TType) error { return p.t.pass(ctx, p, t) }

// compactWriter is Apache's compact protocol writing to memory.
type compactWriter struct {
	*thrift.TCompactProtocol
	t *tape
}

// WriteMessageBegin drops what was written before.
func (p *compactWriter) WriteMessageBegin(ctx context.Context, name string, kind thrift.TMessageType, seq int32) error {
	p.t.begin()
	p.TCompactProtocol = newCompact(p.t)
	return p.TCompactProtocol.WriteMessageBegin(ctx, name, kind, seq)
}

func (p *compactWriter) WriteBinary(ctx context.Context, v []byte) error {
	if !p.t.byRef || len(v) < refBytes {
		return p.TCompactProtocol.WriteBinary(ctx, v)
	}
	p.t.o.room(varintBytes)
	p.t.o.w = binary.AppendUvarint(p.t.o.w, uint64(len(v)))
	p.t.o.segs = append(p.t.o.segs, segment{len(p.t.o.w), v})
	return nil
}
