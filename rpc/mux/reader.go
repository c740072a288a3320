package mux

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/apache/thrift/lib/go/thrift"
)

// growth is the factor by which memory runs ahead of the bytes that came.
const growth = 8

// reader reads whole messages of any dialect from r. Its memory grows with the
// bytes that came, not with those that a length promises, unless as many have
// followed such a length before.
type reader struct {
	r   *bufio.Reader // of at least 256 bytes
	lim Limits
	// grow is asked before one message takes more than 64 KiB; its error ends
	// next. A frame asks once, with its whole size; a message without a length,
	// or one that is inflated, with each new size. nil: always granted.
	grow func(total int) error
	// turn is asked before a message is inflated to more than 64 KiB, for what
	// to call afterwards, so that bombs do not take all processors and much memory
	// at once. nil: always granted.
	turn func() (done func(), err error)

	frame   *frame // of the message that has begun; nil: none has
	got     int    // bytes in it
	want    int    // the frame's size as announced; 0: it has no length
	granted bool   // grow was asked
	whole   int    // the size of the largest frame that came whole
	broken  error  // after it the next message cannot be found
}

// refusedError tells of a message that was not taken, though its header was
// read, so that it can be answered. The connection is of no use afterwards.
type refusedError struct {
	header
	dialect Dialect
	err     error
}

func (e *refusedError) Error() string { return fmt.Sprintf("read %q: %v", e.method, e.err) }

func (e *refusedError) Unwrap() error { return e.err }

// partial tells that the first bytes of a frame have been taken from r. What
// still lies in r's buffer does not count.
func (r *reader) partial() bool { return r.frame != nil }

// free gives back the memory of a message that will not be completed.
func (r *reader) free() {
	putFrame(r.frame)
	r.frame = nil
}

// next reads one message. Errors: io.EOF when there is none; else
// io.ErrUnexpectedEOF, errNotThrift, errTooLarge (in a *refusedError where the
// caller is known), grow's and r's. After os.ErrDeadlineExceeded a framed
// message can be read on; after any other error nothing can.
func (r *reader) next() (*message, error) {
	if r.broken != nil {
		return nil, r.broken
	}
	if r.frame == nil {
		framed, err := r.begin()
		if err != nil {
			return nil, err
		}
		if !framed {
			m, err := r.unframed()
			r.broken = err
			return m, err
		}
	}
	if err := r.receive(r.want); err != nil {
		return nil, err
	}
	f := r.frame
	r.frame = nil
	r.whole = max(r.whole, r.want)
	m, err := r.framed(f)
	if err != nil {
		putFrame(f)
		r.broken = err
	}
	return m, err
}

// begin tells by the first bytes whether a frame comes, and takes its length.
func (r *reader) begin() (framed bool, err error) {
	b, err := r.peek(lengthWord)
	if err != nil {
		return false, err
	}
	word := binary.BigEndian.Uint32(b)
	if word&strictMask == strictWord || isCompact(b) {
		return false, nil
	}
	if int64(word) > int64(r.lim.Bytes) {
		return false, r.refuse(word)
	}
	if b, err = r.peek(lengthWord + 1); err != nil {
		return false, err
	}
	switch {
	case word > 0 && startsBody(b[lengthWord]):
		r.want, r.got, r.granted = int(word), 0, false
		r.frame = getFrame(min(r.want, nextStep, max(firstStep, growth*r.r.Buffered())))
		_, err = r.r.Discard(lengthWord)
		return true, err
	case word > 0 && word <= maxMethod && printable(b[lengthWord]):
		return false, nil // the length of a name
	}
	return false, foreign(b)
}

// peek returns the next n bytes without taking them.
func (r *reader) peek(n int) ([]byte, error) {
	b, err := r.r.Peek(n)
	if err == io.EOF && len(b) > 0 {
		err = io.ErrUnexpectedEOF
	}
	return b, err
}

// startsBody tells the first byte of a message in a frame: strict binary,
// compact, THeader, or binary without a version.
func startsBody(b byte) bool {
	return b == strictWord>>24 || b == compactID || b == headerMagic>>8 || b == 0
}

// refuse is the error for a first word that is no length that is taken. Who sent
// it is told where that has come already.
func (r *reader) refuse(length uint32) error {
	b, err := r.r.Peek(min(r.r.Buffered(), lengthWord+maxMethod+32))
	if err != nil {
		return err
	}
	if foreigner(b) != "" || len(b) > lengthWord && !startsBody(b[lengthWord]) {
		return foreign(b)
	}
	err = tooLarge(thrift.SIZE_LIMIT, "a frame of %d bytes, at most %d are taken", length, r.lim.Bytes)
	c := cursor{b: b[lengthWord:]}
	h, compact, unknown := c.header()
	switch {
	case unknown != nil:
		return err
	case compact:
		return &refusedError{h, FramedCompact, err}
	}
	return &refusedError{h, FramedBinary, err}
}

// receive reads until need bytes of the message are there.
func (r *reader) receive(need int) error {
	for r.got < need {
		if r.got == len(r.frame.b) {
			if err := r.enlarge(need); err != nil {
				return err
			}
		}
		n, err := io.ReadFull(r.r, r.frame.b[r.got:min(need, len(r.frame.b))])
		r.got += n
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// enlarge makes the next step of memory, towards need bytes.
func (r *reader) enlarge(need int) error {
	size, ask := step(len(r.frame.b), need, r.lim.Bytes), 0
	switch {
	case r.want == 0:
	case r.want <= r.whole: // this peer has kept such a promise before
		size = r.want
	default:
		size = min(size, r.want)
	}
	switch {
	case size <= freeBytes:
	case r.want == 0:
		ask = size
	case !r.granted:
		ask = r.want
	}
	if ask > 0 && r.grow != nil {
		if err := r.grow(ask); err != nil {
			return err
		}
		r.granted = true
	}
	f := getFrame(size)
	copy(f.b, r.frame.b[:r.got])
	putFrame(r.frame)
	r.frame = f
	return nil
}

// most is what the message that now asks for total can come to, inflated and not.
func (r *reader) most(total int) int {
	switch {
	case r.want == 0:
		return r.lim.Bytes
	case r.frame == nil || compressed(r.frame.b[:r.got]):
		return r.want + r.lim.Bytes
	}
	return total
}

// step is the size that follows on size, on the way to need bytes of at most
// limit. Large steps are taken only towards bytes that are known to come.
func step(size, need, limit int) int {
	next := growth * size
	if size < freeBytes {
		next = min(next, freeBytes)
	} else {
		next = max(2*size, min(need, next))
	}
	return min(next, limit)
}

// fill makes n bytes behind c.off available.
func (r *reader) fill(c *cursor, n int) error {
	r.broken = r.receive(c.off + n)
	c.b = r.frame.b[:r.got]
	return r.broken
}

// unframed reads a message that has no length by passing over its fields.
func (r *reader) unframed() (*message, error) {
	r.frame, r.got, r.want = getFrame(min(firstStep, r.lim.Bytes)), 0, 0
	defer r.free()
	c := codecs.Get().(*codec)
	defer c.close()
	t := &c.bin.tape
	t.cursor = cursor{lim: r.lim, left: r.lim.Elements, more: r}
	h, compact, err := t.header()
	d, start := UnframedBinary, t.off
	if compact {
		d = UnframedCompact
	}
	if err == nil {
		t.start = start
		c.speak(h, d)
		err = refused(h, d, passStruct(c.in))
	}
	switch {
	case r.broken != nil: // not the message's fault
		return nil, r.broken
	case err != nil:
		return nil, err
	}
	m := messages.Get().(*message)
	m.header, m.dialect, m.start, m.size = h, d, start, t.off
	m.body, m.frame = r.frame.b[:t.off], r.frame
	r.frame = nil
	return m, nil
}

// passStruct passes over the whole struct of a message.
func passStruct(p thrift.TProtocol) error {
	ctx := context.Background() // the protocols over memory do not look at it
	if _, _, _, err := p.ReadMessageBegin(ctx); err != nil {
		return err
	}
	return p.Skip(ctx, thrift.STRUCT)
}

// refused adds the caller to an error of a message's form or size.
func refused(h header, d Dialect, err error) error {
	switch {
	case err == nil:
		return nil
	case !errors.Is(err, errNotThrift) && !errors.Is(err, errTooLarge): // one of the library's
		err = malformed("%v", err)
	}
	return &refusedError{h, d, err}
}

// framed makes a message of a whole frame.
func (r *reader) framed(f *frame) (*message, error) {
	if len(f.b) >= headerMeta && binary.BigEndian.Uint16(f.b) == headerMagic {
		return r.unwrap(f)
	}
	c := cursor{b: f.b}
	h, compact, err := c.header()
	if err != nil {
		return nil, err
	}
	m := messages.Get().(*message)
	m.header, m.dialect, m.start, m.size = h, FramedBinary, c.off, lengthWord+len(f.b)
	if compact {
		m.dialect = FramedCompact
	}
	m.body, m.frame = f.b, f
	return m, nil
}
