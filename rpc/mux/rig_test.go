package mux

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/apache/thrift/lib/go/thrift"
	"github.com/stretchr/testify/require"

	"spillway/gen-go/echo"
)

// fakeEcho is an echo.Echo made of functions; nil ones answer at once with what
// they were given.
type fakeEcho struct {
	echo  func(ctx context.Context, data []byte) ([]byte, error)
	item  func(ctx context.Context, item *echo.Item) (*echo.Item, error)
	after func(ctx context.Context, data []byte, ms int64) ([]byte, error)
	note  func(ctx context.Context, text string) error
}

var _ echo.Echo = fakeEcho{}

func (e fakeEcho) Ping(context.Context) error { return nil }

func (e fakeEcho) Echo(ctx context.Context, data []byte) ([]byte, error) {
	if e.echo == nil {
		return data, nil
	}
	return e.echo(ctx, data)
}

func (e fakeEcho) Item(ctx context.Context, item *echo.Item) (*echo.Item, error) {
	if e.item == nil {
		return item, nil
	}
	return e.item(ctx, item)
}

// After takes its time, unless the caller leaves.
func (e fakeEcho) After(ctx context.Context, data []byte, ms int64) ([]byte, error) {
	if e.after != nil {
		return e.after(ctx, data, ms)
	}
	select {
	case <-time.After(time.Duration(ms) * time.Millisecond):
		return data, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (e fakeEcho) Note(ctx context.Context, text string) error {
	if e.note == nil {
		return nil
	}
	return e.note(ctx, text)
}

// holdUntilGone is a handler that waits for its context to end and tells why.
func holdUntilGone(causes chan<- error) func(context.Context, []byte, int64) ([]byte, error) {
	return func(ctx context.Context, _ []byte, _ int64) ([]byte, error) {
		<-ctx.Done()
		causes <- context.Cause(ctx)
		return nil, ctx.Err()
	}
}

// logText is a log that a test can read.
type logText struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logText) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logText) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// pipes listens for in-memory connections.
type pipes struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
	fails atomic.Int32                // how often Accept fails
	err   error                       // with this
	wrap  func(far net.Conn) net.Conn // what the server sees; nil: the pipe itself
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), done: make(chan struct{})} }

func (l *pipes) Accept() (net.Conn, error) {
	if l.fails.Add(-1) >= 0 {
		return nil, l.err
	}
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipes) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

func (l *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipes", Net: "unix"} }

func (l *pipes) dial(ctx context.Context) (net.Conn, error) {
	near, far := net.Pipe()
	if l.wrap != nil {
		far = l.wrap(far)
	}
	select {
	case l.conns <- far:
		return near, nil
	case <-l.done:
		return nil, errors.New("connection refused")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// rig is a server that a test calls.
type rig struct {
	*pipes
	log    *logText
	server *Server
	stop   func() // waits until the server has ended; may be called again
}

// startRig serves h behind pipes until stop.
func startRig(t *testing.T, cfg ServerConfig, h echo.Echo) *rig {
	r := &rig{pipes: newPipes(), log: &logText{}}
	r.server = NewServer(cfg, echo.NewEchoProcessor(h), slog.New(slog.NewTextHandler(r.log, nil)))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.server.Serve(ctx, r.pipes) }()
	r.stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(t, <-done)
	})
	return r
}

// inBubble runs a test against a server, on a clock of its own.
func inBubble(t *testing.T, cfg ServerConfig, h echo.Echo, test func(t *testing.T, r *rig)) {
	synctest.Test(t, func(t *testing.T) {
		r := startRig(t, cfg, h)
		defer r.stop()
		test(t, r)
	})
}

// pool makes a pool that calls the server and is closed at the end of the test.
func (r *rig) pool(t *testing.T, cfg PoolConfig) *Pool {
	if cfg.Dial == nil {
		cfg.Dial = r.dial
	}
	p := NewPool(cfg)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	return p
}

// raw makes a connection that is closed at the end of the test.
func (r *rig) raw(t *testing.T) *farEnd {
	nc, err := r.dial(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { nc.Close() })
	return newFarEnd(nc)
}

// client is a generated client, which serves one goroutine.
func client(p *Pool) *echo.EchoClient { return echo.NewEchoClient(p) }

// farEnd is one end of a connection made by hand.
type farEnd struct {
	net.Conn
	in   reader
	sent chan struct{} // closed when all is sent; nil: nothing was
}

func newFarEnd(nc net.Conn) *farEnd {
	return &farEnd{Conn: nc, in: reader{r: bufio.NewReaderSize(nc, readBuffer), lim: generous}}
}

// bytesOf is a message in d.
func bytesOf(d Dialect, h header, body thrift.TStruct) []byte {
	o, err := encode(context.Background(), form{d, false}, h, body, Limits{Bytes: 1 << 30, Elements: 1 << 30})
	if err != nil {
		panic(err) // it is the test's own
	}
	defer o.free()
	return bytes.Clone(o.w)
}

// call is a marked call in a frame.
func call(method string, seq int32, args thrift.TStruct) []byte {
	return bytesOf(FramedBinary, header{method, thrift.CALL, seq, true}, args)
}

// answer is the answer to m in its dialect, with the mark if m has it.
func answer(m *message, result thrift.TStruct) []byte {
	h := m.header
	h.kind = thrift.REPLY
	return bytesOf(m.dialect, h, result)
}

// serve answers pings and echoes until the connection ends; what other does not
// answer with true is answered by it.
func (f *farEnd) serve(marked bool, other func(m *message) bool) error {
	for {
		m, err := f.in.next()
		if err != nil {
			return err
		}
		m.marked = m.marked && marked
		if other != nil && other(m) || m.kind == thrift.ONEWAY {
			continue
		}
		if _, err := f.Write(f.done(m)); err != nil {
			return err
		}
	}
}

// done is the answer to a ping, or to an echo or after: what it was given.
func (f *farEnd) done(m *message) []byte {
	if m.method == "ping" {
		return answer(m, &echo.EchoPingResult{})
	}
	codec := openMessage(m, generous, false)
	defer codec.close()
	_, _, _, _ = codec.in.ReadMessageBegin(context.Background()) // it has been read
	args := &echo.EchoEchoArgs{}
	if err := args.Read(context.Background(), codec.in); err != nil {
		panic(err) // it is the test's own
	}
	return answer(m, &echo.EchoEchoResult{Success: args.Data})
}

// byHand is a Dial to a server made by hand: one function a connection.
func byHand(serve func(n int, f *farEnd)) func(context.Context) (net.Conn, error) {
	var n atomic.Int32
	return func(context.Context) (net.Conn, error) {
		near, far := net.Pipe()
		go func() {
			defer far.Close()
			serve(int(n.Add(1)), newFarEnd(far))
		}()
		return near, nil
	}
}

// slowReader is a connection from which so many bytes a second can be read.
type slowReader struct {
	net.Conn
	rate int
}

func (c slowReader) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b[:min(len(b), 64<<10)])
	time.Sleep(time.Duration(n) * time.Second / time.Duration(c.rate))
	return n, err
}

// gauge counts what goes on at once.
type gauge struct {
	mu        sync.Mutex
	now, most int
}

func (g *gauge) add(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.now += n
	g.most = max(g.most, g.now)
}

func (g *gauge) read() (now, most int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.now, g.most
}

// requireCallError checks that err is a *CallError that is unsent or not, and
// says something.
func requireCallError(t testing.TB, err error, unsent bool, says string) {
	t.Helper()
	var failed *CallError
	require.ErrorAs(t, err, &failed)
	require.Equal(t, unsent, failed.Unsent, "%v", err)
	require.ErrorContains(t, err, says)
}

// requireTold checks that err is an exception that the peer sent.
func requireTold(t testing.TB, err error, kind int32, says string) {
	t.Helper()
	x, ok := errors.AsType[thrift.TApplicationException](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, kind, x.TypeId())
	require.ErrorContains(t, x, says)
}

// drain reads until the connection ends.
func (f *farEnd) drain() { _, _ = io.Copy(io.Discard, f.Conn) }

// send writes b in the background, since a pipe holds nothing, after what was
// sent before.
func (f *farEnd) send(b []byte) {
	before, done := f.sent, make(chan struct{})
	f.sent = done
	go func() {
		defer close(done)
		if before != nil {
			<-before
		}
		_, _ = f.Write(b)
	}()
}

// next reads a message.
func (f *farEnd) next(t testing.TB) *message {
	t.Helper()
	m, err := f.in.next()
	require.NoError(t, err)
	return m
}

// data is what the answer to an echo in m holds.
func data(t testing.TB, m *message) string {
	t.Helper()
	require.Equal(t, thrift.REPLY, m.kind)
	codec := openMessage(m, generous, false)
	defer codec.close()
	_, _, _, _ = codec.in.ReadMessageBegin(context.Background()) // it has been read
	result := &echo.EchoEchoResult{}
	require.NoError(t, result.Read(context.Background(), codec.in))
	return string(bytes.Clone(result.Success))
}

// told is the exception in m.
func told(t testing.TB, m *message) error {
	t.Helper()
	require.Equal(t, thrift.EXCEPTION, m.kind)
	codec := openMessage(m, generous, false)
	defer codec.close()
	_, _, _, _ = codec.in.ReadMessageBegin(context.Background()) // it has been read
	x := thrift.NewTApplicationException(0, "")
	require.NoError(t, x.Read(context.Background(), codec.in))
	return x
}

// pause waits in a bubble, where it takes no time.
func pause(d time.Duration) { time.Sleep(d) }
