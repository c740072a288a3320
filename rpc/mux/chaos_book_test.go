package mux_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/apache/thrift/lib/go/thrift"
	"github.com/stretchr/testify/require"

	"spillway/gen-go/echo"
	"spillway/rpc/mux"
)

// wish is what a call asks of its handler.
type wish uint8

const (
	toAnswer  wish = iota
	toCopy         // an answer in memory of its own, not the request's
	toYield        // after others have run
	toPause        // after 0 to 15 milliseconds
	toRefuse       // a declared exception
	toFail         // an error
	toExplain      // an error in the handler's words
	toPanic
	toLinger // until the context ends
)

// shape is the method that carries a call.
type shape uint8

const (
	asItem shape = iota
	asEcho       // its data has headBytes at least
	asNote       // no answer, and no data
)

// headBytes stand before the data of an echo: number and checksum.
const headBytes = 12

// verdict is how a call ended.
type verdict uint8

const (
	unmade   verdict = iota
	answered         // as its handler wished, exceptions included
	noted            // a oneway call left
	unsent           // a CallError that says so
	broken           // any other CallError
	verdicts
)

// book knows of every call what was asked, how often its handler saw it and how
// it ended; and what should not have happened. It serves echo.Echo.
type book struct {
	slack    time.Duration // that a call may end after its deadline
	clean    bool          // no call fails before its context ends
	whole    bool          // nor does it after it has left
	seen     []atomic.Int32
	returned []atomic.Bool   // by a handler whose context had not ended
	ended    []atomic.Uint32 // the verdict on each
	lingers  atomic.Int32    // handlers that wait for their context

	mu    sync.Mutex // guards wrong
	wrong []string
}

var _ echo.Echo = (*book)(nil)

func newBook(calls int) *book {
	return &book{
		slack: 10 * time.Second,
		seen:  make([]atomic.Int32, calls), returned: make([]atomic.Bool, calls), ended: make([]atomic.Uint32, calls),
	}
}

func (b *book) blame(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.wrong) < 20 {
		b.wrong = append(b.wrong, fmt.Sprintf(format, args...))
	}
}

// number tells a call: its wish above its place in the book.
func number(w wish, id int) int64 { return int64(w)<<48 | int64(id) }

func sum(number int64, data []byte) uint32 {
	var head [8]byte
	binary.BigEndian.PutUint64(head[:], uint64(number))
	return crc32.Update(crc32.Checksum(head[:], castagnoli), castagnoli, data)
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// word is the checksum as text.
func word(number int64, data []byte) string {
	return strconv.FormatUint(uint64(sum(number, data)), 36)
}

// seal writes number and checksum before the data of an echo.
func seal(data []byte, number int64) {
	binary.BigEndian.PutUint64(data, uint64(number))
	binary.BigEndian.PutUint32(data[8:], sum(number, data[headBytes:]))
}

// open reads what seal wrote; false: the data is not as it was.
func open(data []byte) (number int64, ok bool) {
	if len(data) < headBytes {
		return 0, false
	}
	number = int64(binary.BigEndian.Uint64(data))
	return number, binary.BigEndian.Uint32(data[8:]) == sum(number, data[headBytes:])
}

// handle notes that a call has come, and does as it wishes. intact: its
// checksum was right.
func (b *book) handle(ctx context.Context, number int64, intact bool) (wish, error) {
	w, id := wish(number>>48), int(number&(1<<48-1))
	if !intact || id >= len(b.seen) {
		b.blame("a handler got call %x with other data than was sent", number)
		return w, errors.New("spoilt")
	}
	if b.seen[id].Add(1) > 1 {
		b.blame("call %d came to a handler twice", id)
	}
	var err error
	switch w {
	case toYield:
		for range id % 16 {
			runtime.Gosched()
		}
	case toPause:
		select {
		case <-time.After(time.Duration(id%16) * time.Millisecond):
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
	case toRefuse:
		err = &echo.Refused{Reason: "refused", RetryAfterMs: ^number}
	case toFail:
		err = fmt.Errorf("failed %d", number)
	case toExplain:
		err = &mux.AnswerError{Text: fmt.Sprintf("explained %d", number)}
	case toPanic:
		panic("as wished")
	case toLinger:
		b.lingers.Add(1)
		<-ctx.Done()
		b.lingers.Add(-1)
		err = context.Cause(ctx)
	}
	if ctx.Err() == nil {
		b.returned[id].Store(true)
	}
	return w, err
}

func (b *book) Item(ctx context.Context, item *echo.Item) (*echo.Item, error) {
	w, err := b.handle(ctx, item.Number, item.Name == word(item.Number, item.Data))
	if err != nil {
		return nil, err
	}
	data := item.Data
	if w == toCopy {
		data = bytes.Clone(data)
	}
	return &echo.Item{Name: word(^item.Number, data), Number: ^item.Number, Data: data}, nil
}

func (b *book) Echo(ctx context.Context, data []byte) ([]byte, error) {
	n, ok := open(data)
	w, err := b.handle(ctx, n, ok)
	if err != nil {
		return nil, err
	}
	answer := data
	if w == toCopy {
		answer = bytes.Clone(data)
	}
	binary.BigEndian.PutUint64(answer, uint64(^n))
	binary.BigEndian.PutUint32(answer[8:], sum(^n, answer[headBytes:]))
	return answer, nil
}

// After is not booked.
func (b *book) After(ctx context.Context, data []byte, ms int64) ([]byte, error) {
	select {
	case <-time.After(time.Duration(ms) * time.Millisecond):
		return data, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (b *book) Ping(context.Context) error { return nil }

func (b *book) Note(ctx context.Context, text string) error {
	first, second, _ := strings.Cut(text, " ")
	n, err := strconv.ParseInt(first, 10, 64)
	_, err2 := b.handle(ctx, n, err == nil && second == word(n, nil))
	return err2
}

// call is one call to be made. Its data is overwritten when it has ended.
type call struct {
	id    int
	wish  wish
	shape shape
	data  []byte
}

// do makes a call, and looks at all that comes of it. answer is its data, which
// stays as it is; nil: it has none.
func (b *book) do(ctx context.Context, client thrift.TClient, c call) (end verdict, answer []byte, err error) {
	n := number(c.wish, c.id)
	deadline, ok := ctx.Deadline()
	var got int64
	intact := true
	ec := echo.NewEchoClient(client)
	switch c.shape {
	case asItem:
		var item *echo.Item
		item, err = ec.Item(ctx, &echo.Item{Name: word(n, c.data), Number: n, Data: c.data})
		if err == nil {
			got, answer, intact = item.Number, item.Data, item.Name == word(item.Number, item.Data)
		}
	case asEcho:
		seal(c.data, n)
		answer, err = ec.Echo(ctx, c.data)
		if err == nil {
			got, intact = open(answer)
		}
	case asNote:
		err = ec.Note(ctx, strconv.FormatInt(n, 10)+" "+word(n, nil))
		got = ^n
	}
	if late := time.Since(deadline); ok && late > b.slack {
		b.blame("call %d ended %v after its deadline", c.id, late)
	}
	if err == nil && (got != ^n || !intact || len(answer) != len(c.data) && c.shape != asNote) {
		b.blame("call %d has the answer %x, intact: %t, %d bytes for %d", n, ^got, intact, len(answer), len(c.data))
	}
	clear(c.data)
	end = b.judge(ctx, c, err)
	if old := verdict(b.ended[c.id].Swap(uint32(end))); old != unmade && old != unsent {
		b.blame("call %d ended twice", c.id)
	}
	return end, answer, err
}

// judge tells how a call ended, and whether it may end so.
func (b *book) judge(ctx context.Context, c call, err error) verdict {
	n := number(c.wish, c.id)
	refused, isRefused := errors.AsType[*echo.Refused](err)
	told, isTold := errors.AsType[thrift.TApplicationException](err)
	failed, isFailed := errors.AsType[*mux.CallError](err)
	switch {
	case isFailed:
		if b.clean && ctx.Err() == nil {
			b.blame("call %d failed before its context ended: %v", c.id, err)
		}
		if failed.Unsent {
			return unsent
		}
		if b.whole && ctx.Err() == nil {
			b.blame("call %d was neither answered nor unsent: %v", c.id, err)
		}
		return broken
	case c.shape == asNote && err == nil:
		return noted
	}
	var right bool
	switch c.wish {
	case toRefuse:
		right = isRefused && refused.RetryAfterMs == ^n
	case toFail:
		right = isTold && strings.HasSuffix(told.Error(), fmt.Sprintf("failed %d", n))
	case toExplain:
		right = isTold && told.Error() == fmt.Sprintf("explained %d", n)
	case toPanic:
		right = isTold && strings.Contains(told.Error(), "broke; see the log")
	case toLinger:
		right = false
	default:
		right = err == nil
	}
	if !right {
		b.blame("call %d with wish %d ended with %v", c.id, c.wish, err)
	}
	return answered
}

// audit checks the book when the servers have ended: what was answered was
// handled once, what is called unsent never, all else at most once.
func (b *book) audit(t testing.TB) {
	var sums [verdicts]int
	for id := range b.seen {
		end, seen := verdict(b.ended[id].Load()), b.seen[id].Load()
		sums[end]++
		switch {
		case end == unsent && seen > 0:
			b.blame("call %d is said to be unsent, and came to a handler", id)
		case end == answered && seen != 1:
			b.blame("call %d was answered, and came to a handler %d times", id, seen)
		case end == noted && seen == 0 && (b.clean || b.whole):
			b.blame("call %d left, and came to no handler", id)
		case end == unmade && seen > 0:
			b.blame("call %d came to a handler, and never ended", id)
		}
	}
	if len(b.seen) > 10_000 {
		t.Logf("answered %d, noted %d, unsent %d, broken %d", sums[answered], sums[noted], sums[unsent], sums[broken])
	}
	require.Zero(t, b.lingers.Load(), "handlers that still wait for their context")
	b.mu.Lock()
	defer b.mu.Unlock()
	require.Empty(t, strings.Join(b.wrong, "\n"))
}

// arrived tells that every oneway call that left has come to its handler.
func (b *book) arrived() bool {
	for id := range b.ended {
		if verdict(b.ended[id].Load()) == noted && b.seen[id].Load() == 0 {
			return false
		}
	}
	return true
}

// count is how many calls ended so.
func (b *book) count(end verdict) (n int) {
	for id := range b.ended {
		if verdict(b.ended[id].Load()) == end {
			n++
		}
	}
	return n
}

// complete checks that every call was answered.
func (b *book) complete(t testing.TB) {
	for id := range b.ended {
		if end := verdict(b.ended[id].Load()); end != answered && end != noted {
			b.blame("call %d was not answered; its handler has: %t", id, b.returned[id].Load())
		}
	}
	b.audit(t)
}
