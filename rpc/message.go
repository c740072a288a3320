package rpc

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/apache/thrift/lib/go/thrift"
)

// limits bound one message that comes in.
type limits struct {
	bytes    int // of the whole message
	elements int // of all its lists, sets and maps together
}

// What is let in. Requests are small; a list of jobs with their failures is not.
var (
	requestLimits      = limits{bytes: 1 << 20, elements: 1 << 14}
	nodeReplyLimits    = limits{bytes: 16 << 20, elements: 1 << 17}
	serviceReplyLimits = limits{bytes: 64 << 20, elements: 1 << 22}
)

const (
	maxDepth  = 32  // of structs and containers within each other
	maxMethod = 128 // bytes of a method's name
	readStep  = 32 << 10
)

// errNotThrift tells bytes that are no message of the unframed binary protocol.
var errNotThrift = errors.New("not a message of Thrift's unframed binary protocol")

// errTooLarge tells a message that breaks a limit.
var errTooLarge = errors.New("message too large")

// header is the beginning of a message.
type header struct {
	method string
	kind   thrift.TMessageType
	seq    int32
}

// scanner reads messages from r, each whole into buf, and checks their form
// without knowing their fields.
type scanner struct {
	r        *bufio.Reader
	lim      limits
	buf      []byte // the message so far
	elements int
}

// begin reads the header of the next message. The first byte may take for
// ever; io.EOF tells that there was none.
func (s *scanner) begin() (header, error) {
	s.buf, s.elements = s.buf[:0], 0
	first, err := s.u32()
	if err != nil {
		return header{}, err
	}
	if int32(first) < 0 {
		return s.strictHeader(first)
	}
	h := header{}
	if h.method, err = s.method(first); err != nil {
		return h, err
	}
	kind, err := s.take(1)
	if err != nil {
		return h, err
	}
	h.kind = thrift.TMessageType(int8(kind[0]))
	return h, s.seq(&h)
}

func (s *scanner) strictHeader(first uint32) (header, error) {
	if first&thrift.VERSION_MASK != thrift.VERSION_1 {
		return header{}, errNotThrift
	}
	h := header{kind: thrift.TMessageType(first & 0xff)}
	size, err := s.u32()
	if err != nil {
		return h, err
	}
	if h.method, err = s.method(size); err != nil {
		return h, err
	}
	return h, s.seq(&h)
}

// method reads a name. A framed message is told apart here, by its second word.
func (s *scanner) method(size uint32) (string, error) {
	if size > maxMethod {
		return "", errNotThrift
	}
	name, err := s.take(int(size))
	if err != nil {
		return "", err
	}
	for _, c := range name {
		if c <= ' ' || c > '~' {
			return "", errNotThrift
		}
	}
	return string(name), nil
}

func (s *scanner) seq(h *header) error {
	seq, err := s.u32()
	h.seq = int32(seq)
	return err
}

// body reads the struct that follows the header.
func (s *scanner) body() error { return s.value(thrift.STRUCT, 0) }

func (s *scanner) value(t thrift.TType, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("%w: nested deeper than %d", errTooLarge, maxDepth)
	}
	if size := fixedSize(t); size > 0 {
		_, err := s.take(size)
		return err
	}
	switch t {
	case thrift.STRING:
		size, err := s.u32()
		if err != nil {
			return err
		}
		_, err = s.take(int(size))
		return err
	case thrift.STRUCT:
		return s.fields(depth)
	case thrift.LIST, thrift.SET:
		return s.container(1, depth)
	case thrift.MAP:
		return s.container(2, depth)
	}
	return fmt.Errorf("%w: type %d", errNotThrift, t)
}

func (s *scanner) fields(depth int) error {
	for {
		t, err := s.take(1)
		if err != nil {
			return err
		}
		kind := thrift.TType(t[0])
		if kind == thrift.STOP {
			return nil
		}
		if _, err := s.take(2); err != nil {
			return err
		}
		if err := s.value(kind, depth+1); err != nil {
			return err
		}
	}
}

// container reads a list or set (one type) or a map (two).
func (s *scanner) container(types, depth int) error {
	head, err := s.take(types + 4)
	if err != nil {
		return err
	}
	kinds := [2]thrift.TType{thrift.TType(head[0]), thrift.TType(head[types-1])}
	count := int(binary.BigEndian.Uint32(head[types:]))
	if s.elements += count; s.elements > s.lim.elements {
		return fmt.Errorf("%w: more than %d elements", errTooLarge, s.lim.elements)
	}
	for range count {
		for _, kind := range kinds[:types] {
			if err := s.value(kind, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// fixedSize is the size of a value of type t, 0 where it varies.
func fixedSize(t thrift.TType) int {
	switch t {
	case thrift.BOOL, thrift.BYTE:
		return 1
	case thrift.I16:
		return 2
	case thrift.I32:
		return 4
	case thrift.I64, thrift.DOUBLE:
		return 8
	case thrift.UUID:
		return 16
	}
	return 0
}

func (s *scanner) u32() (uint32, error) {
	b, err := s.take(4)
	if err != nil {
		return 0, err
	}
	return binary.BigEndian.Uint32(b), nil
}

// take reads n more bytes of the message. Its room grows as they arrive.
func (s *scanner) take(n int) ([]byte, error) {
	from := len(s.buf)
	if n < 0 || n > s.lim.bytes-from {
		return nil, fmt.Errorf("%w: more than %d bytes", errTooLarge, s.lim.bytes)
	}
	for end := from + n; len(s.buf) < end; {
		step := min(end-len(s.buf), readStep)
		s.buf = slices.Grow(s.buf, step)
		got, err := io.ReadFull(s.r, s.buf[len(s.buf):len(s.buf)+step])
		s.buf = s.buf[:len(s.buf)+got]
		if err == io.EOF && len(s.buf) > 0 {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return nil, err
		}
	}
	return s.buf[from:], nil
}
