package mux

import (
	"context"

	"github.com/apache/thrift/lib/go/thrift"
)

// aliasBytes is the size from which on binary values are read without a copy.
const aliasBytes = 4 << 10

// tape is what the protocols of one call read from and write to.
type tape struct {
	cursor
	h         header // of the message that is read; its mark is written too
	start     int    // of the struct behind it
	passing   bool   // over a value that nobody wants
	aliased   bool   // a value that was read refers to the message's memory
	dialect   Dialect
	headerSeq int32     // THeader's sequence id to write
	byRef     bool      // large binary values are written by reference
	o         *outgoing // what is written; nil: nothing is
	gate      *gate     // for what is written; may be nil
	gated     bool      // it was entered
}

// rewind goes to the beginning of the struct.
func (t *tape) rewind() { t.off, t.depth, t.left = t.start, 0, t.lim.Elements }

// str returns the next n bytes as text, unless nobody wants it. err is passed on.
func (t *tape) str(n int32, err error) (string, error) {
	if err != nil {
		return "", err
	}
	b, err := t.take(int(n))
	if t.passing {
		return "", err
	}
	return string(b), err
}

// bytes returns the next n bytes. A value of aliasBytes or more is no copy: it is
// valid as long as the message is. err is passed on.
func (t *tape) bytes(n int32, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	b, err := t.take(int(n))
	if err == nil && len(b) < aliasBytes {
		return append(make([]byte, 0, len(b)), b...), nil
	}
	t.aliased = t.aliased || err == nil
	return b, err
}

// pass skips a value of p's, which reads from t, without memory for its texts.
func (t *tape) pass(ctx context.Context, p thrift.TProtocol, kind thrift.TType) error {
	t.passing = true
	err := thrift.Skip(ctx, p, kind, maxDepth+2) // the tape's depth decides
	t.passing = false
	return err
}

// begin starts a message to be written, behind room for its envelope.
func (t *tape) begin() {
	if t.o == nil {
		t.o = outgoings.Get().(*outgoing)
	}
	t.o.empty()
	var room [lengthWord + plainHeader]byte
	t.o.add(room[:t.dialect.prefix()]...)
}

// memory is a tape as the library's protocols want it.
type memory struct{ t *tape }

var _ thrift.TRichTransport = memory{}

// Read fills all of p or none.
func (m memory) Read(p []byte) (int, error) {
	b, err := m.t.take(len(p))
	return copy(p, b), err
}

func (m memory) ReadByte() (byte, error) {
	b, err := m.t.take(1)
	if err != nil {
		return 0, err
	}
	return b[0], nil
}

func (m memory) Write(p []byte) (int, error) {
	m.t.enlarge(len(p))
	m.t.o.add(p...)
	return len(p), nil
}

func (m memory) WriteString(s string) (int, error) {
	m.t.enlarge(len(s))
	m.t.o.room(len(s))
	m.t.o.w = append(m.t.o.w, s...)
	return len(s), nil
}

func (m memory) WriteByte(b byte) error {
	m.t.o.add(b)
	return nil
}

func (m memory) RemainingBytes() uint64      { return thrift.UnknownRemainingBytes } // the tape checks
func (m memory) Flush(context.Context) error { return nil }
func (m memory) Open() error                 { return nil }
func (m memory) Close() error                { return nil }
func (m memory) IsOpen() bool                { return true }
