package mux_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/thrift/lib/go/thrift"
	"github.com/stretchr/testify/require"

	"spillway/gen-go/echo"
	"spillway/rpc/mux"
)

// caller is a client of any language.
type caller interface {
	echo.Echo
	// Nothing calls a method that no server has.
	Nothing(ctx context.Context) error
}

// goCaller is the generated client over our transport or the library's.
type goCaller struct{ *echo.EchoClient }

func over(c thrift.TClient) caller { return goCaller{echo.NewEchoClient(c)} }

func (c goCaller) Nothing(ctx context.Context) error {
	_, err := c.Client_().Call(ctx, "nothing", &echo.EchoPingArgs{}, &echo.EchoPingResult{})
	return err
}

// handler does what the server in testdata/echo.py does, and says what it sees in
// the same words.
type handler struct {
	seen   chan string
	opened chan struct{}
	open   func()
}

func newHandler() *handler {
	opened := make(chan struct{})
	return &handler{
		seen:   make(chan string, 1000),
		opened: opened,
		open:   sync.OnceFunc(func() { close(opened) }),
	}
}

func (h *handler) Ping(context.Context) error { return nil }

func judge(given string) error {
	switch given {
	case "refuse":
		return &echo.Refused{Reason: "not tödäy", RetryAfterMs: 1500}
	case "fail":
		return errors.New("no disk")
	case "explain":
		return &mux.AnswerError{Text: "the disk is full"}
	}
	return nil
}

func (h *handler) Echo(_ context.Context, data []byte) ([]byte, error) {
	return data, judge(string(data))
}

func (h *handler) Item(_ context.Context, item *echo.Item) (*echo.Item, error) {
	return item, judge(item.Name)
}

func (h *handler) After(ctx context.Context, data []byte, ms int64) ([]byte, error) {
	h.seen <- fmt.Sprint("after ", ms)
	late := time.After(time.Duration(ms) * time.Millisecond)
	if ms < 0 {
		late = nil // only when somebody notes open
	}
	select {
	case <-late:
	case <-h.opened:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	return data, nil
}

func (h *handler) Note(_ context.Context, text string) error {
	h.seen <- "note " + text
	if text == "open" {
		h.open()
	}
	return nil
}

// await waits until the server has seen what is wanted.
func await(t *testing.T, seen <-chan string, want string) {
	ctx := soon(t)
	for {
		select {
		case got := <-seen:
			if got == want {
				return
			}
		case <-ctx.Done():
			require.FailNow(t, "the server does not see "+want)
		}
	}
}

// soon bounds a step that would otherwise hang.
func soon(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// random makes n bytes that no compression makes small.
func random(n int) []byte {
	data := make([]byte, n)
	rng := rand.NewChaCha8([32]byte{1})
	_, _ = rng.Read(data)
	return data
}

// exercise makes every kind of call, and then the next one on the same caller.
func exercise(t *testing.T, c caller, seen <-chan string) {
	ctx := soon(t)
	weight := -2.5
	full := &echo.Item{
		Name: "päth/ж.jpg", Number: -1 << 60, Data: random(10_000),
		Labels: map[string]string{"a": "1", "ü": ""}, Notes: []string{"", "two"}, Weight: &weight, Flag: true,
	}
	bare := &echo.Item{Data: []byte{}, Labels: map[string]string{}, Notes: []string{}}
	big := random(200_000)
	for _, row := range []struct {
		name string
		call func(t *testing.T)
	}{
		{"ping", func(t *testing.T) { require.NoError(t, c.Ping(ctx)) }},
		{"200 KB come back", func(t *testing.T) {
			got, err := c.Echo(ctx, big)
			require.NoError(t, err)
			require.True(t, bytes.Equal(big, got))
		}},
		{"nothing comes back", func(t *testing.T) {
			got, err := c.Echo(ctx, []byte{})
			require.NoError(t, err)
			require.Empty(t, got)
		}},
		{"every field of a struct comes back", func(t *testing.T) {
			for _, item := range []*echo.Item{full, bare} {
				got, err := c.Item(ctx, item)
				require.NoError(t, err)
				require.Equal(t, item, got)
			}
		}},
		{"a typed exception has its fields", func(t *testing.T) {
			_, err := c.Echo(ctx, []byte("refuse"))
			require.Equal(t, &echo.Refused{Reason: "not tödäy", RetryAfterMs: 1500}, err)
			_, err = c.Item(ctx, &echo.Item{Name: "refuse"})
			require.Equal(t, &echo.Refused{Reason: "not tödäy", RetryAfterMs: 1500}, err)
		}},
		{"any other error is an internal one", func(t *testing.T) {
			_, err := c.Echo(ctx, []byte("fail"))
			requireException(t, err, thrift.INTERNAL_ERROR, "Internal error")
		}},
		{"an unknown method is named", func(t *testing.T) {
			requireException(t, c.Nothing(ctx), thrift.UNKNOWN_METHOD, "nothing")
		}},
		{"a oneway call arrives", func(t *testing.T) {
			require.NoError(t, c.Note(ctx, "hé"))
			require.NoError(t, c.Ping(ctx))
			await(t, seen, "note hé")
		}},
		{"1000 calls have their own answers", func(t *testing.T) {
			for i := range 1000 {
				requireEcho(t, c, fmt.Sprint("call ", i))
			}
		}},
	} {
		require.True(t, t.Run(row.name, func(t *testing.T) {
			row.call(t)
			requireEcho(t, c, row.name)
		}), "the rest would wait in vain")
	}
}

func requireEcho(t *testing.T, c caller, text string) {
	got, err := c.Echo(soon(t), []byte(text))
	require.NoError(t, err)
	require.Equal(t, text, string(got))
}

func requireException(t *testing.T, err error, kind int32, text string) {
	x, ok := errors.AsType[thrift.TApplicationException](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, kind, x.TypeId())
	require.ErrorContains(t, x, text)
}

// ended is the error of a call in another goroutine.
func ended(t *testing.T, done <-chan error) error {
	select {
	case err := <-done:
		return err
	case <-soon(t).Done():
		require.FailNow(t, "the call does not end")
	}
	return nil
}

// overtake shows that quick calls are answered while a slow one runs.
func overtake(t *testing.T, slow, quick caller, seen <-chan string) {
	ctx := soon(t)
	done := make(chan error, 1)
	go func() {
		data, err := slow.After(ctx, []byte("slow"), -1)
		if string(data) != "slow" {
			err = fmt.Errorf("the slow call has %q: %w", data, err)
		}
		done <- err
	}()
	await(t, seen, "after -1")
	for i := range 20 {
		requireEcho(t, quick, fmt.Sprint("quick ", i))
	}
	require.Empty(t, done, "it waits for a note")
	require.NoError(t, quick.Note(ctx, "open"))
	require.NoError(t, ended(t, done))
}

// giveUp cancels a running call, and lets the deadline of another go by.
func giveUp(t *testing.T, c func() caller, seen <-chan string, ms int64) {
	ctx, cancel := context.WithCancel(soon(t))
	done := make(chan error, 1)
	go func() {
		_, err := c().After(ctx, []byte("cancelled"), ms)
		done <- err
	}()
	await(t, seen, fmt.Sprint("after ", ms))
	cancel()
	require.ErrorIs(t, ended(t, done), context.Canceled)
	requireEcho(t, c(), "after a cancelled call")

	ctx, cancel = context.WithTimeout(soon(t), 50*time.Millisecond)
	defer cancel()
	go func() {
		_, err := c().After(ctx, []byte("late"), ms)
		done <- err
	}()
	require.ErrorIs(t, ended(t, done), context.DeadlineExceeded)
	requireEcho(t, c(), "after a late call")
}

// crowd is n callers at once, each of which must get its own answers.
func crowd(t *testing.T, n int, c func() caller) {
	ctx := soon(t)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			for k := range 4 {
				want := strings.Repeat(fmt.Sprintf("caller %d call %d;", i, k), 1+500*(k%2))
				got, err := c().Echo(ctx, []byte(want))
				if err != nil || string(got) != want {
					t.Errorf("caller %d call %d: %d bytes, %v", i, k, len(got), err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// startServer serves h until the test ends.
func startServer(t *testing.T, h *handler) (addr string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := mux.NewServer(mux.ServerConfig{}, echo.NewEchoProcessor(h), slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }()
	t.Cleanup(func() {
		h.open()
		cancel()
		require.NoError(t, <-done)
	})
	return l.Addr().String()
}

// startPool makes a pool that is closed at the end of the test.
func startPool(t *testing.T, addr string, d mux.Dialect) *mux.Pool {
	p := mux.NewPool(mux.PoolConfig{
		Dial: func(ctx context.Context) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", addr)
		},
		DialTimeout: 20 * time.Second,
		Dialect:     d,
	})
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	return p
}

// stockWire is what the library's own ends speak.
type stockWire struct {
	name      string
	dialect   mux.Dialect
	transport thrift.TTransportFactory
	protocol  thrift.TProtocolFactory
}

func stockWires() []stockWire {
	buffered := thrift.NewTBufferedTransportFactory(8 << 10)
	framed := thrift.NewTFramedTransportFactoryConf(thrift.NewTTransportFactory(), nil)
	binary := func(strict bool) thrift.TProtocolFactory {
		return thrift.NewTBinaryProtocolFactoryConf(&thrift.TConfiguration{TBinaryStrictRead: &strict, TBinaryStrictWrite: &strict})
	}
	compact := thrift.NewTCompactProtocolFactoryConf(nil)
	header := func(id thrift.THeaderProtocolID, transforms ...thrift.THeaderTransformID) thrift.TProtocolFactory {
		return thrift.NewTHeaderProtocolFactoryConf(&thrift.TConfiguration{THeaderProtocolID: &id, THeaderTransforms: transforms})
	}
	return []stockWire{
		{"buffered binary", mux.UnframedBinary, buffered, binary(true)},
		{"buffered binary, not strict", mux.UnframedBinary, buffered, binary(false)},
		{"buffered compact", mux.UnframedCompact, buffered, compact},
		{"framed binary", mux.FramedBinary, framed, binary(true)},
		{"framed binary, not strict", mux.FramedBinary, framed, binary(false)},
		{"framed compact", mux.FramedCompact, framed, compact},
		{"header binary", mux.HeaderBinary, buffered, header(thrift.THeaderProtocolBinary)},
		{"header compact", mux.HeaderCompact, buffered, header(thrift.THeaderProtocolCompact)},
		{"header binary zlib", mux.HeaderBinary, buffered, header(thrift.THeaderProtocolBinary, thrift.TransformZlib)},
		{"header compact zlib", mux.HeaderCompact, buffered, header(thrift.THeaderProtocolCompact, thrift.TransformZlib)},
	}
}

// connectStock opens a connection for the library's clients.
func connectStock(t *testing.T, addr string) thrift.TTransport {
	socket := thrift.NewTSocketConf(addr, &thrift.TConfiguration{ConnectTimeout: 20 * time.Second, SocketTimeout: 20 * time.Second})
	require.NoError(t, socket.Open())
	t.Cleanup(func() { socket.Close() })
	return socket
}

// speak is the library's client on an open connection.
func (w stockWire) speak(t *testing.T, socket thrift.TTransport) caller {
	trans, err := w.transport.GetTransport(socket)
	require.NoError(t, err)
	wire := w.protocol.GetProtocol(trans)
	return over(thrift.NewTStandardClient(wire, wire))
}

// serve is the library's server, which runs until the test ends. It must be started
// before its clients, since it waits for them at its end.
func (w stockWire) serve(t *testing.T, h *handler) (addr string) {
	// Serve turns a ticker of the generated code off, for the library's server too.
	// That must not happen while such a server runs.
	require.NoError(t, mux.NewServer(mux.ServerConfig{}, nil, slog.New(slog.DiscardHandler)).Serve(soon(t)))
	socket, err := thrift.NewTServerSocket("127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, socket.Listen())
	s := thrift.NewTSimpleServer4(echo.NewEchoProcessor(h), socket, w.transport, w.protocol)
	done := make(chan error, 1)
	go func() { done <- s.Serve() }()
	t.Cleanup(func() {
		h.open()
		require.NoError(t, s.Stop())
		require.NoError(t, <-done)
	})
	return socket.Addr().String()
}

func TestServer_AnswersTheLibrarysClients(t *testing.T) {
	for _, wire := range stockWires() {
		t.Run(wire.name, func(t *testing.T) {
			h := newHandler()
			addr := startServer(t, h)
			c := wire.speak(t, connectStock(t, addr))
			exercise(t, c, h.seen)
			_, err := c.Echo(soon(t), []byte("explain"))
			requireException(t, err, thrift.INTERNAL_ERROR, "the disk is full")
			overtake(t, wire.speak(t, connectStock(t, addr)), c, h.seen)
		})
	}
}

func TestServer_TellsTheDialectOfEachMessage(t *testing.T) {
	socket := connectStock(t, startServer(t, newHandler()))
	for range 2 {
		for _, wire := range stockWires() {
			requireEcho(t, wire.speak(t, socket), wire.name)
		}
	}
}

func TestServer_TakesHeadersOfTheLibrarysClient(t *testing.T) {
	i := slices.IndexFunc(stockWires(), func(w stockWire) bool { return w.dialect == mux.HeaderBinary })
	c := stockWires()[i].speak(t, connectStock(t, startServer(t, newHandler())))
	ctx := thrift.SetWriteHeaderList(thrift.SetHeader(soon(t), "caller", "stock"), []string{"caller"})
	for range 2 {
		got, err := c.Echo(ctx, []byte("x"))
		require.NoError(t, err)
		require.Equal(t, "x", string(got))
	}
}

func TestPool_CallsTheLibrarysServers(t *testing.T) {
	for _, wire := range stockWires() {
		for name, dialect := range map[string]mux.Dialect{"told": wire.dialect, "found out": 0} {
			t.Run(wire.name+", "+name, func(t *testing.T) {
				h := newHandler()
				p := startPool(t, wire.serve(t, h), dialect)
				c := func() caller { return over(p) }
				exercise(t, c(), h.seen)
				require.True(t, p.Solo())
				giveUp(t, c, h.seen, 60_000)
				crowd(t, 64, c)
				overtake(t, c(), c(), h.seen)
			})
		}
	}
}

func TestPool_CallsItsOwnServer(t *testing.T) {
	for d := mux.Dialect(0); d <= mux.HeaderCompact; d++ {
		t.Run(d.String(), func(t *testing.T) {
			h := newHandler()
			p := startPool(t, startServer(t, h), d)
			c := func() caller { return over(p) }
			exercise(t, c(), h.seen)
			_, err := c().Echo(soon(t), []byte("explain"))
			requireException(t, err, thrift.INTERNAL_ERROR, "the disk is full")
			giveUp(t, c, h.seen, 60_000)
			crowd(t, 64, c)
			overtake(t, c(), c(), h.seen)
			// The compact protocol has no room for the mark.
			require.Equal(t, d == mux.UnframedCompact || d == mux.FramedCompact || d == mux.HeaderCompact, p.Solo())
			if !p.Solo() {
				require.LessOrEqual(t, p.Stats().Dials, int64(3), "one small lane and two of bulk carried all")
			}
		})
	}
}
