package rpc

import (
	"bytes"
	"context"

	"github.com/apache/thrift/lib/go/thrift"
)

// protocolOver is Apache's binary protocol over buf. Lengths within buf are
// checked against what is left of it.
func protocolOver(buf *bytes.Buffer, lim limits) *thrift.TBinaryProtocol {
	return thrift.NewTBinaryProtocolConf(&thrift.TMemoryBuffer{Buffer: buf}, &thrift.TConfiguration{
		MaxMessageSize:   int32(lim.bytes),
		MaxContainerSize: int32(lim.elements),
	})
}

// writeException writes the answer that every Thrift client understands.
func writeException(ctx context.Context, p thrift.TProtocol, h header, x thrift.TApplicationException) error {
	if err := p.WriteMessageBegin(ctx, h.method, thrift.EXCEPTION, h.seq); err != nil {
		return err
	}
	if err := x.Write(ctx, p); err != nil {
		return err
	}
	return p.WriteMessageEnd(ctx)
}

// keepBuffer is the room that an idle connection may keep.
const keepBuffer = 8 << 10

// shrink gives up the room that a large message took.
func shrink(in *scanner, out *bytes.Buffer) {
	if cap(in.buf) > keepBuffer {
		in.buf = nil
	}
	if out.Cap() > keepBuffer {
		*out = bytes.Buffer{}
	}
}
