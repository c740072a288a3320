package mux

import (
	"context"
	"encoding/binary"
	"math"

	"github.com/apache/thrift/lib/go/thrift"
)

// refBytes is the size from which on binary values are written without a copy,
// where that is allowed.
const refBytes = 32 << 10

// binaryProtocol is the binary protocol over one message in memory, to read one
// and to write another. Every limit is kept before the generated code takes
// memory.
type binaryProtocol struct {
	// Only for ReadByte and WriteByte: vet keeps these names for io's interfaces.
	*thrift.TBinaryProtocol
	tape
}

var _ thrift.TProtocol = (*binaryProtocol)(nil)

func (p *binaryProtocol) Flush(context.Context) error { return nil }

func (p *binaryProtocol) Transport() thrift.TTransport { return memory{&p.tape} }

// ReadMessageBegin returns the header that the reader has read.
func (p *binaryProtocol) ReadMessageBegin(context.Context) (string, thrift.TMessageType, int32, error) {
	p.rewind()
	return p.h.method, p.h.kind, p.h.seq, nil
}

func (p *binaryProtocol) ReadStructBegin(context.Context) (string, error) { return "", p.enter() }

func (p *binaryProtocol) ReadFieldBegin(context.Context) (_ string, t thrift.TType, id int16, err error) {
	b, err := p.take(1)
	if err != nil || b[0] == thrift.STOP {
		return "", thrift.STOP, 0, err
	}
	t = thrift.TType(b[0])
	if b, err = p.take(2); err == nil {
		id = int16(binary.BigEndian.Uint16(b))
	}
	return "", t, id, err
}

func (p *binaryProtocol) ReadMapBegin(context.Context) (key, value thrift.TType, n int, err error) {
	b, err := p.take(6)
	if err != nil {
		return thrift.STOP, thrift.STOP, 0, err
	}
	key, value, n = thrift.TType(b[0]), thrift.TType(b[1]), int(int32(binary.BigEndian.Uint32(b[2:])))
	return key, value, n, p.open(n, smallest(key)+smallest(value))
}

func (p *binaryProtocol) ReadListBegin(context.Context) (t thrift.TType, n int, err error) {
	b, err := p.take(5)
	if err != nil {
		return thrift.STOP, 0, err
	}
	t, n = thrift.TType(b[0]), int(int32(binary.BigEndian.Uint32(b[1:])))
	return t, n, p.open(n, smallest(t))
}

func (p *binaryProtocol) ReadSetBegin(ctx context.Context) (thrift.TType, int, error) {
	return p.ReadListBegin(ctx)
}

// smallest is the least number of bytes that a value of type t takes, as the
// library reckons it.
func smallest(t thrift.TType) int {
	switch t {
	case thrift.I16:
		return 2
	case thrift.I32, thrift.STRING, thrift.LIST, thrift.SET, thrift.MAP:
		return 4
	case thrift.I64, thrift.DOUBLE:
		return 8
	case thrift.UUID:
		return 16
	}
	return 1
}

func (p *binaryProtocol) ReadStructEnd(context.Context) error  { p.depth--; return nil }
func (p *binaryProtocol) ReadMapEnd(context.Context) error     { p.depth--; return nil }
func (p *binaryProtocol) ReadListEnd(context.Context) error    { p.depth--; return nil }
func (p *binaryProtocol) ReadSetEnd(context.Context) error     { p.depth--; return nil }
func (p *binaryProtocol) ReadFieldEnd(context.Context) error   { return nil }
func (p *binaryProtocol) ReadMessageEnd(context.Context) error { return nil }

func (p *binaryProtocol) ReadBool(context.Context) (bool, error) {
	b, err := p.take(1)
	return err == nil && b[0] == 1, err
}

func (p *binaryProtocol) ReadI16(context.Context) (int16, error) {
	b, err := p.take(2)
	if err != nil {
		return 0, err
	}
	return int16(binary.BigEndian.Uint16(b)), nil
}

func (p *binaryProtocol) ReadI32(context.Context) (int32, error) {
	v, err := p.u32()
	return int32(v), err
}

func (p *binaryProtocol) ReadI64(context.Context) (int64, error) {
	b, err := p.take(8)
	if err != nil {
		return 0, err
	}
	return int64(binary.BigEndian.Uint64(b)), nil
}

func (p *binaryProtocol) ReadDouble(ctx context.Context) (float64, error) {
	v, err := p.ReadI64(ctx)
	return math.Float64frombits(uint64(v)), err
}

func (p *binaryProtocol) ReadString(context.Context) (string, error) {
	n, err := p.u32()
	return p.str(int32(n), err)
}

func (p *binaryProtocol) ReadBinary(context.Context) ([]byte, error) {
	n, err := p.u32()
	return p.bytes(int32(n), err)
}

func (p *binaryProtocol) ReadUUID(context.Context) (u thrift.Tuuid, err error) {
	b, err := p.take(len(u))
	copy(u[:], b)
	return u, err
}

func (p *binaryProtocol) Skip(ctx context.Context, t thrift.TType) error { return p.pass(ctx, p, t) }

// WriteMessageBegin drops what was written before.
func (p *binaryProtocol) WriteMessageBegin(_ context.Context, name string, kind thrift.TMessageType, seq int32) error {
	p.begin()
	word := strictWord | uint32(byte(kind))
	if p.h.marked {
		word |= mark << 8
	}
	p.o.u32(word)
	p.o.str(name)
	p.o.seqAt = len(p.o.w)
	p.o.u32(uint32(seq))
	return nil
}

func (p *binaryProtocol) WriteFieldBegin(_ context.Context, _ string, t thrift.TType, id int16) error {
	p.o.add(byte(t), byte(uint16(id)>>8), byte(id))
	return nil
}

func (p *binaryProtocol) WriteMapBegin(_ context.Context, key, value thrift.TType, n int) error {
	p.o.add(byte(key), byte(value))
	p.o.u32(uint32(n))
	return nil
}

func (p *binaryProtocol) WriteListBegin(_ context.Context, t thrift.TType, n int) error {
	p.o.add(byte(t))
	p.o.u32(uint32(n))
	return nil
}

func (p *binaryProtocol) WriteSetBegin(ctx context.Context, t thrift.TType, n int) error {
	return p.WriteListBegin(ctx, t, n)
}

func (p *binaryProtocol) WriteFieldStop(ctx context.Context) error { return p.WriteBool(ctx, false) }

func (p *binaryProtocol) WriteMessageEnd(context.Context) error { return nil }
func (p *binaryProtocol) WriteStructEnd(context.Context) error  { return nil }
func (p *binaryProtocol) WriteFieldEnd(context.Context) error   { return nil }
func (p *binaryProtocol) WriteMapEnd(context.Context) error     { return nil }
func (p *binaryProtocol) WriteListEnd(context.Context) error    { return nil }
func (p *binaryProtocol) WriteSetEnd(context.Context) error     { return nil }

func (p *binaryProtocol) WriteStructBegin(context.Context, string) error {
	p.enlarge(0)
	return nil
}

func (p *binaryProtocol) WriteBool(_ context.Context, v bool) error {
	var b byte
	if v {
		b = 1
	}
	p.o.add(b)
	return nil
}

func (p *binaryProtocol) WriteI16(_ context.Context, v int16) error {
	p.o.room(2)
	p.o.w = binary.BigEndian.AppendUint16(p.o.w, uint16(v))
	return nil
}

func (p *binaryProtocol) WriteI32(_ context.Context, v int32) error {
	p.o.u32(uint32(v))
	return nil
}

func (p *binaryProtocol) WriteI64(_ context.Context, v int64) error {
	p.o.room(8)
	p.o.w = binary.BigEndian.AppendUint64(p.o.w, uint64(v))
	return nil
}

func (p *binaryProtocol) WriteDouble(ctx context.Context, v float64) error {
	return p.WriteI64(ctx, int64(math.Float64bits(v)))
}

func (p *binaryProtocol) WriteString(_ context.Context, v string) error {
	p.enlarge(len(v))
	p.o.str(v)
	return nil
}

// WriteBinary writes large values by reference where that is allowed.
func (p *binaryProtocol) WriteBinary(_ context.Context, v []byte) error {
	p.o.u32(uint32(len(v)))
	if p.byRef && len(v) >= refBytes {
		p.o.segs = append(p.o.segs, segment{len(p.o.w), v})
		return nil
	}
	p.enlarge(len(v))
	p.o.add(v...)
	return nil
}

func (p *binaryProtocol) WriteUUID(_ context.Context, v thrift.Tuuid) error {
	p.o.add(v[:]...)
	return nil
}
