package mux

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"

	"github.com/apache/thrift/lib/go/thrift"
)

// keepBytes is how large a message may be in an outgoing's own memory; a larger one
// is written into a frame.
const keepBytes = 64 << 10

// segment is memory of somebody else's that belongs behind the first off bytes
// of w.
type segment struct {
	off int
	ref []byte
}

// outgoing is one message as it goes over the wire. What its segments refer to
// must stay as it is until free.
type outgoing struct {
	w     []byte // grows by room alone
	frame *frame // the memory behind w; nil: it is the outgoing's own
	segs  []segment
	size  int // bytes on the wire
	seqAt int // where w has the sequence id, in the binary protocol
}

var outgoings = sync.Pool{New: func() any { return &outgoing{w: make([]byte, 0, 512)} }}

// free gives the memory back.
func (o *outgoing) free() {
	o.empty()
	if o.frame != nil {
		putFrame(o.frame)
		o.frame, o.w = nil, nil
	}
	outgoings.Put(o)
}

func (o *outgoing) empty() {
	clear(o.segs)
	o.w, o.segs = o.w[:0], o.segs[:0]
}

// setSeq gives a message in FramedBinary or UnframedBinary another sequence id.
func (o *outgoing) setSeq(seq int32) { binary.BigEndian.PutUint32(o.w[o.seqAt:], uint32(seq)) }

// length is how many bytes there are so far.
func (o *outgoing) length() int {
	n := len(o.w)
	for _, s := range o.segs {
		n += len(s.ref)
	}
	return n
}

func (o *outgoing) u32(v uint32) {
	o.room(4)
	o.w = binary.BigEndian.AppendUint32(o.w, v)
}

func (o *outgoing) str(v string) {
	o.room(lengthWord + len(v))
	o.w = append(binary.BigEndian.AppendUint32(o.w, uint32(len(v))), v...)
}

func (o *outgoing) add(b ...byte) {
	o.room(len(b))
	o.w = append(o.w, b...)
}

// room makes room for n more bytes.
func (o *outgoing) room(n int) {
	if cap(o.w)-len(o.w) < n {
		o.grow(n)
	}
}

// grow moves the message to where n more bytes fit. A large one goes to a frame, from
// frame to frame as it grows, and leaves nothing to the collector: under load that
// can be far behind. Some room is left over, for the little that follows a long value.
func (o *outgoing) grow(n int) {
	need := len(o.w) + n
	if need <= keepBytes {
		o.w = slices.Grow(o.w, n)
		return
	}
	f := getFrame(max(need+firstStep, len(o.w)+len(o.w)/2))
	w := append(f.b[:0], o.w...)
	putFrame(o.frame)
	o.frame, o.w = f, w
}

// form is how a message is written: in which dialect, and whether it refers to
// the large binary values of its body or copies them.
type form struct {
	dialect Dialect
	byRef   bool
}

// encode makes a message of body. Errors: body's, and errTooLarge with the size.
func encode(ctx context.Context, f form, h header, body thrift.TStruct, lim Limits) (*outgoing, error) {
	c := newCodec(h, f.dialect, f.byRef)
	defer c.close()
	c.bin.headerSeq = h.seq
	if err := writeStruct(ctx, c.out, h, body); err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	if size := c.written() - min(lengthWord, f.dialect.prefix()); size > lim.Bytes {
		return nil, fmt.Errorf("encode: %w: %d bytes, at most %d are sent", errTooLarge, size, lim.Bytes)
	}
	return c.finish(), nil
}

func writeStruct(ctx context.Context, p thrift.TProtocol, h header, body thrift.TStruct) error {
	if err := p.WriteMessageBegin(ctx, h.method, h.kind, h.seq); err != nil {
		return err
	}
	if err := body.Write(ctx, p); err != nil {
		return err
	}
	return p.WriteMessageEnd(ctx)
}

// writeException writes the answer to h that every Thrift client understands.
func writeException(ctx context.Context, p thrift.TProtocol, h header, x thrift.TApplicationException) error {
	h.kind = thrift.EXCEPTION
	return writeStruct(ctx, p, h, x)
}

// encodeControl makes a control message between marked peers, about call seq.
func encodeControl(method string, seq int32) *outgoing {
	c := newCodec(header{marked: true}, FramedBinary, false)
	defer c.close()
	ctx := context.Background()
	_ = c.out.WriteMessageBegin(ctx, method, thrift.ONEWAY, seq) // memory takes everything
	_ = c.out.WriteFieldStop(ctx)
	return c.finish()
}

// codec reads one message and writes the answer to it in the same dialect. in
// and out may be one and the same. A codec has one user at a time.
type codec struct {
	in  thrift.TProtocol // before ReadMessageBegin, which may be called again
	out thrift.TProtocol // WriteMessageBegin drops what was written before
	bin binaryProtocol   // its tape is the compact protocol's too
}

var codecs = sync.Pool{New: func() any {
	c := new(codec)
	c.bin.TBinaryProtocol = thrift.NewTBinaryProtocolConf(memory{&c.bin.tape}, nil)
	return c
}}

// openMessage makes the codec for m, which must stay until the codec is closed.
func openMessage(m *message, lim Limits, byRef bool) *codec {
	c := newCodec(m.header, m.dialect, byRef)
	c.bin.cursor = cursor{b: m.body, lim: lim}
	c.bin.start, c.bin.headerSeq = m.start, m.headerSeq
	return c
}

func newCodec(h header, d Dialect, byRef bool) *codec {
	c := codecs.Get().(*codec)
	c.bin.byRef = byRef
	c.speak(h, d)
	return c
}

// speak sets the protocols for a message with header h.
func (c *codec) speak(h header, d Dialect) {
	t := &c.bin.tape
	t.h, t.dialect = h, d
	if d.compact() {
		c.in, c.out = &compactReader{t: t}, &compactWriter{t: t}
	} else {
		c.in, c.out = &c.bin, &c.bin
	}
}

// aliased tells that a value that was read refers to the message's memory.
func (c *codec) aliased() bool { return c.bin.aliased }

// written is how many bytes of an answer there are so far, with its envelope.
func (c *codec) written() int {
	if c.bin.o == nil {
		return 0
	}
	return c.bin.o.length()
}

// finish takes out what was written, in its envelope; nil: nothing was.
func (c *codec) finish() *outgoing {
	t := &c.bin.tape
	o := t.o
	if o == nil {
		return nil
	}
	t.o = nil
	o.size = o.length()
	switch t.dialect.prefix() {
	case lengthWord:
		binary.BigEndian.PutUint32(o.w, uint32(o.size-lengthWord))
	case lengthWord + plainHeader:
		writeHeader(o.w, o.size, t.dialect, t.headerSeq)
	}
	return o
}

// close gives the codec back, and what was written and not taken out. The
// message stays.
func (c *codec) close() {
	if c.bin.o != nil {
		c.bin.o.free()
	}
	c.bin.tape = tape{}
	codecs.Put(c)
}
