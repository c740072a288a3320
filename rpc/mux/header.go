package mux

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"io"
	"sync"

	"github.com/apache/thrift/lib/go/thrift"
)

// THeader, as in Thrift's doc/specs/HeaderFormat.md: behind the length word
// stand the magic, flags, a sequence id and the length of the headers in words
// of four bytes; then the headers, and the message. Key-value headers are not
// read: nothing here asks for them.
const (
	headerMagic = 0x0fff
	headerMeta  = 10             // bytes before the headers
	plainHeader = headerMeta + 4 // with one word of headers: protocol, no transforms

	headerProtoBinary  = 0
	headerProtoCompact = 2

	transformNone = 0
	transformZlib = 1
)

// unwrap makes a message of a THeader frame.
func (r *reader) unwrap(f *frame) (*message, error) {
	size := headerMeta + 4*int(binary.BigEndian.Uint16(f.b[8:]))
	if size > len(f.b) {
		return nil, malformed("THeader headers of %d bytes in a frame of %d", size, len(f.b))
	}
	protocol, inflated, err := readHeaders(f.b[headerMeta:size])
	if err != nil {
		return nil, err
	}
	m := messages.Get().(*message)
	m.headerSeq = int32(binary.BigEndian.Uint32(f.b[4:]))
	m.size = lengthWord + len(f.b)
	m.body, m.frame = f.b[size:], f
	if inflated {
		err = r.inflate(m)
	}
	switch headErr := m.readHead(protocol); {
	case r.broken != nil: // not the message's fault
		err = r.broken
	case headErr == nil:
		err = refused(m.header, m.dialect, err)
	case err == nil:
		err = headErr
	}
	if err != nil {
		if m.frame == f {
			m.frame = nil // the caller frees it
		}
		m.free()
		return nil, err
	}
	if m.frame != f {
		putFrame(f)
	}
	return m, nil
}

// compressed tells by the beginning of a frame that the message in it is, or may
// be.
func compressed(b []byte) bool {
	if len(b) < headerMeta || binary.BigEndian.Uint16(b) != headerMagic {
		return false
	}
	size := headerMeta + 4*int(binary.BigEndian.Uint16(b[8:]))
	if size > len(b) {
		return true
	}
	_, inflated, err := readHeaders(b[headerMeta:size])
	return inflated && err == nil
}

// readHeaders reads the protocol and whether the message is compressed.
func readHeaders(b []byte) (protocol uint64, inflated bool, err error) {
	c := cursor{b: b}
	if protocol, err = c.varint(); err != nil {
		return 0, false, err
	}
	count, err := c.varint()
	for range count {
		transform, err := c.varint()
		switch {
		case err != nil:
			return 0, false, err
		case transform == transformNone:
		case transform == transformZlib && !inflated:
			inflated = true
		default:
			return 0, false, malformed("THeader transform %d; zlib is taken, once", transform)
		}
	}
	return protocol, inflated, err
}

// readHead reads the header of a message that THeader says is in protocol.
func (m *message) readHead(protocol uint64) error {
	m.dialect = HeaderBinary
	if protocol == headerProtoCompact {
		m.dialect = HeaderCompact
	} else if protocol != headerProtoBinary {
		return malformed("THeader protocol %d", protocol)
	}
	c := cursor{b: m.body}
	h, compact, err := c.header()
	if err == nil && compact != m.dialect.compact() {
		err = malformed("its protocol is not the one that THeader says")
	}
	m.header, m.start = h, c.off
	return err
}

// inflaters are readers of package zlib that are done: each takes 40 KB.
var inflaters sync.Pool

// newInflater inflates b.
func newInflater(b []byte) (io.ReadCloser, error) {
	in, ok := inflaters.Get().(io.ReadCloser)
	if !ok {
		return zlib.NewReader(bytes.NewReader(b))
	}
	return in, in.(zlib.Resetter).Reset(bytes.NewReader(b), nil)
}

// inflate puts the inflated body into a frame of its own. After an error the
// beginning is there, if anything.
func (r *reader) inflate(m *message) error {
	in, err := newInflater(m.body)
	if err != nil {
		return malformed("inflate: %v", err)
	}
	defer inflaters.Put(in)
	f, got := getFrame(min(firstStep, r.lim.Bytes)), 0
	defer func() { m.body, m.frame = f.b[:got], f }()
	for {
		n, err := in.Read(f.b[got:])
		got += n
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return malformed("inflate: %v", err)
		case got < len(f.b):
			continue
		}
		if got == r.lim.Bytes {
			return r.inflateEnd(in)
		}
		size := step(got, growth*got, r.lim.Bytes)
		if size > freeBytes && r.grow != nil {
			if r.broken = r.grow(m.size + size); r.broken != nil {
				return r.broken
			}
		}
		if size > freeBytes && len(f.b) <= freeBytes && r.turn != nil {
			done, err := r.turn()
			if r.broken = err; err != nil {
				return err
			}
			defer done()
		}
		g := getFrame(size)
		copy(g.b, f.b)
		putFrame(f)
		f = g
	}
}

// inflateEnd tells whether in ends here, where it must.
func (r *reader) inflateEnd(in io.Reader) error {
	switch n, err := io.ReadFull(in, make([]byte, 1)); {
	case n > 0:
		return tooLarge(thrift.SIZE_LIMIT, "inflated it has more than %d bytes", r.lim.Bytes)
	case !errors.Is(err, io.EOF):
		return malformed("inflate: %v", err)
	}
	return nil
}

// writeHeader fills in a THeader envelope around the message in w that has size
// bytes with it.
func writeHeader(w []byte, size int, d Dialect, seq int32) {
	binary.BigEndian.PutUint32(w, uint32(size-lengthWord))
	binary.BigEndian.PutUint16(w[4:], headerMagic)
	binary.BigEndian.PutUint16(w[6:], 0) // flags
	binary.BigEndian.PutUint32(w[8:], uint32(seq))
	binary.BigEndian.PutUint16(w[12:], 1) // words of headers
	w[14], w[15], w[16], w[17] = headerProtoBinary, 0, 0, 0
	if d.compact() {
		w[14] = headerProtoCompact
	}
}
