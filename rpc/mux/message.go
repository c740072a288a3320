package mux

import (
	"encoding/binary"
	"sync"
	"sync/atomic"

	"github.com/apache/thrift/lib/go/thrift"
)

// mark in the unused byte of the strict binary header announces a peer that
// answers many calls at once.
const mark = 0x4d

const (
	lengthWord  = 4          // before a frame
	strictWord  = 0x80010000 // first word of the strict binary header
	strictMask  = 0xffff0000
	compactID   = 0x82
	compactVer  = 1
	compactMask = 0x1f // the version in the second byte of the compact header
	kindShift   = 5    // the type above it
)

// header is the beginning of a message. marked: the peer set the mark.
type header struct {
	method string
	kind   thrift.TMessageType
	seq    int32
	marked bool
}

// message is one whole message as it came, in any dialect.
type message struct {
	header
	dialect   Dialect
	body      []byte // the bare Thrift message, its header included
	start     int    // of the struct in body, behind the header
	headerSeq int32  // THeader's own sequence id
	size      int    // bytes on the wire
	frame     *frame // the memory behind body
	held      int64  // what it counts in the server's budget
	gated     bool   // its answer has a place in the connection's gate
}

var messages = sync.Pool{New: func() any { return new(message) }}

// free gives the message and its memory back; nothing may refer to body
// afterwards.
func (m *message) free() {
	putFrame(m.frame)
	*m = message{}
	messages.Put(m)
}

// header reads the header of a message in either protocol.
func (c *cursor) header() (h header, compact bool, err error) {
	b, err := c.take(4) // no header is shorter
	if err != nil {
		return h, false, err
	}
	word := binary.BigEndian.Uint32(b)
	switch {
	case isCompact(b):
		compact = true
		c.off -= 2
		h, err = c.compactHeader(b[1])
	case word&strictMask == strictWord:
		h, err = c.strictHeader(word)
	default:
		h, err = c.looseHeader(word)
	}
	if err == nil && (h.kind < thrift.CALL || h.kind > thrift.ONEWAY) {
		err = malformed("message type %d", h.kind)
	}
	return h, compact, err
}

func (c *cursor) strictHeader(word uint32) (h header, err error) {
	h.kind = thrift.TMessageType(word & 0xff)
	h.marked = byte(word>>8) == mark
	n, err := c.u32()
	if err != nil {
		return h, err
	}
	if h.method, err = c.method(n); err != nil {
		return h, err
	}
	seq, err := c.u32()
	h.seq = int32(seq)
	return h, err
}

// looseHeader reads a binary header without a version word; n is the length of
// the name.
func (c *cursor) looseHeader(n uint32) (h header, err error) {
	if h.method, err = c.method(n); err != nil {
		return h, err
	}
	kind, err := c.take(1)
	if err != nil {
		return h, err
	}
	h.kind = thrift.TMessageType(kind[0])
	seq, err := c.u32()
	h.seq = int32(seq)
	return h, err
}

// method reads a name of n bytes.
func (c *cursor) method(n uint32) (string, error) {
	if n > maxMethod {
		return "", malformed("a method name of %d bytes, at most %d are taken", n, maxMethod)
	}
	name, err := c.take(int(n))
	if err != nil {
		return "", err
	}
	for _, b := range name {
		if !printable(b) {
			return "", malformed("method name %q", name)
		}
	}
	return intern(name), nil
}

func printable(b byte) bool { return b > ' ' && b <= '~' }

// isCompact tells the start of a message in the compact protocol.
func isCompact(b []byte) bool { return b[0] == compactID && b[1]&compactMask == compactVer }

// nameSets times two names are remembered.
const nameSets = 512

// names are method names that came lately. Strange ones displace others for a
// while only.
var names [nameSets][2]atomic.Pointer[string]

// intern is string(name), without new memory for names that came lately.
func intern(name []byte) string {
	hash := uint32(2166136261) // FNV-1a
	for _, b := range name {
		hash = (hash ^ uint32(b)) * 16777619
	}
	set := &names[hash%nameSets]
	newest := set[0].Load()
	if newest != nil && *newest == string(name) {
		return *newest
	}
	if older := set[1].Load(); older != nil && *older == string(name) {
		return *older
	}
	s := string(name)
	set[1].Store(newest)
	set[0].Store(&s)
	return s
}
