package mux

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/apache/thrift/lib/go/thrift"
)

// Limits bound one message.
type Limits struct {
	// Bytes is its size without the length word of a frame; what THeader
	// compresses is held to it before and after.
	Bytes int
	// Elements are those of all its lists, sets and maps together. A pair of a
	// map is one.
	Elements int
}

const (
	maxDepth  = 64  // structs, lists, sets and maps within each other
	maxMethod = 128 // bytes of a method's name
)

// errNotThrift tells bytes that are no message in any dialect.
var errNotThrift = errors.New("not a Thrift message")

// errTooLarge tells a message that breaks a limit.
var errTooLarge = errors.New("message too large")

// malformed is an errNotThrift that the generated code passes on with its type.
func malformed(format string, args ...any) error {
	return thrift.NewTProtocolExceptionWithType(thrift.INVALID_DATA,
		fmt.Errorf("%w: %s", errNotThrift, fmt.Sprintf(format, args...)))
}

// tooLarge is an errTooLarge that the generated code passes on with its type,
// thrift.SIZE_LIMIT or thrift.DEPTH_LIMIT.
func tooLarge(kind int, format string, args ...any) error {
	return thrift.NewTProtocolExceptionWithType(kind,
		fmt.Errorf("%w: %s", errTooLarge, fmt.Sprintf(format, args...)))
}

// cursor goes through the bytes of one message and holds it to its limits.
// What take returns is valid until the next call.
type cursor struct {
	b     []byte
	off   int
	depth int // structs and containers that are open
	left  int // elements that may still come
	lim   Limits
	more  *reader // gets more bytes of a message without a length; nil: b is all
}

// take returns the next n bytes.
func (c *cursor) take(n int) ([]byte, error) {
	if uint(n) > uint(len(c.b)-c.off) {
		if err := c.lack(n); err != nil {
			return nil, err
		}
	}
	b := c.b[c.off : c.off+n : c.off+n]
	c.off += n
	return b, nil
}

// lack gets n more bytes if the message may have them.
func (c *cursor) lack(n int) error {
	switch {
	case n < 0:
		return malformed("a length of %d", n)
	case c.more == nil:
		return malformed("it ends within a value: %d bytes are needed, %d left", n, len(c.b)-c.off)
	case n > c.lim.Bytes-c.off:
		return tooLarge(thrift.SIZE_LIMIT, "more than %d bytes", c.lim.Bytes)
	}
	return c.more.fill(c, n)
}

// room is how many bytes the message can still have.
func (c *cursor) room() int {
	if c.more == nil {
		return len(c.b) - c.off
	}
	return c.lim.Bytes - c.off
}

func (c *cursor) u32() (uint32, error) {
	b, err := c.take(4)
	if err != nil {
		return 0, err
	}
	return binary.BigEndian.Uint32(b), nil
}

// enter opens a struct or container; whoever closes it takes one off depth.
func (c *cursor) enter() error {
	if c.depth++; c.depth > maxDepth {
		return tooLarge(thrift.DEPTH_LIMIT, "nested deeper than %d", maxDepth)
	}
	return nil
}

// open enters a container of n elements of at least so many bytes each. Nobody
// need take memory for elements that cannot come.
func (c *cursor) open(n, smallest int) error {
	switch {
	case n < 0:
		return malformed("%d elements", n)
	case n > c.left:
		return tooLarge(thrift.SIZE_LIMIT, "more than %d elements", c.lim.Elements)
	case n <= c.room()/smallest:
	case c.more == nil:
		return malformed("%d elements in %d bytes", n, c.room())
	default:
		return tooLarge(thrift.SIZE_LIMIT, "%d elements in at most %d bytes", n, c.room())
	}
	c.left -= n
	return c.enter()
}
