package isolate

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/gob"
	"errors"
	"fmt"
	"io"

	"spillway/job"
)

// maxFrame bounds one message between parent and child.
const maxFrame = 16 << 20

// hello is the first message of a child: it is ready for tasks.
type hello struct{ PID int }

// answer is what a child says to one request.
type answer[Rep any] struct {
	Rep Rep
	Err *failure
}

// failure is a job.Error on the wire.
type failure struct{ Code, Op, Message, Hint string }

// fail turns err into what crosses the pipe; nil stays nil.
func fail(err error) *failure {
	e := job.AsError(err)
	if e == nil {
		return nil
	}
	f := &failure{Code: string(e.Code), Op: e.Op, Hint: e.Hint}
	if e.Err != nil {
		f.Message = e.Err.Error()
	}
	return f
}

// err is the job.Error that fail was given; nil stays nil.
func (f *failure) err() error {
	if f == nil {
		return nil
	}
	return job.E(job.Code(f.Code), f.Op, errors.New(f.Message), f.Hint)
}

// frameWriter sends messages, each with its length before it in one write. It
// keeps one gob encoder, which describes each type only once.
type frameWriter struct {
	w   io.Writer
	buf bytes.Buffer
	enc *gob.Encoder
}

func newFrameWriter(w io.Writer) *frameWriter {
	f := &frameWriter{w: w}
	f.enc = gob.NewEncoder(&f.buf)
	return f
}

// encode readies v, which send sends.
func (f *frameWriter) encode(v any) error {
	f.buf.Reset()
	f.buf.Write(make([]byte, 4))
	if err := f.enc.Encode(v); err != nil {
		return fmt.Errorf("encode message: %w", err)
	}
	size := f.buf.Len() - 4
	if size > maxFrame {
		return fmt.Errorf("a message of %s is over the limit of %s", Size(int64(size)), Size(maxFrame))
	}
	binary.BigEndian.PutUint32(f.buf.Bytes(), uint32(size))
	return nil
}

// send writes what encode readied.
func (f *frameWriter) send() error {
	_, err := f.w.Write(f.buf.Bytes())
	return err
}

// frameReader receives messages. A read that is interrupted, by a deadline on
// the pipe, is taken up again by the next receive without losing a byte.
type frameReader struct {
	r    *bufio.Reader
	head [4]byte
	body []byte // room for one frame
	have int    // bytes of head and body that have arrived
	msg  bytes.Reader
	dec  *gob.Decoder
}

func newFrameReader(r io.Reader) *frameReader {
	f := &frameReader{r: bufio.NewReader(r)}
	f.dec = gob.NewDecoder(&f.msg)
	return f
}

// errGarbled is wrapped by errors of receive that say that the peer speaks
// something else, as opposed to errors of reading.
var errGarbled = errors.New("garbled message")

// receive waits for one message and decodes it into v.
func (f *frameReader) receive(v any) error {
	if err := f.fill(f.head[:], 0); err != nil {
		return err
	}
	size := int(binary.BigEndian.Uint32(f.head[:]))
	if size > maxFrame {
		return fmt.Errorf("%w: it claims %s, more than %s", errGarbled, Size(int64(size)), Size(maxFrame))
	}
	if cap(f.body) < size {
		f.body = make([]byte, size)
	}
	f.body = f.body[:size]
	if err := f.fill(f.body, len(f.head)); err != nil {
		return err
	}
	f.have = 0
	f.msg.Reset(f.body)
	if err := f.dec.Decode(v); err != nil {
		return fmt.Errorf("%w: %w", errGarbled, err)
	}
	if f.msg.Len() > 0 {
		return fmt.Errorf("%w: %d bytes too many", errGarbled, f.msg.Len())
	}
	return nil
}

// fill reads until part, which begins at offset of the frame, is whole.
func (f *frameReader) fill(part []byte, offset int) error {
	for f.have < offset+len(part) {
		n, err := f.r.Read(part[f.have-offset:])
		f.have += n
		if err != nil && f.have < offset+len(part) {
			return err
		}
	}
	return nil
}
