package rpc

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/apache/thrift/lib/go/thrift"
	"github.com/stretchr/testify/require"

	"spillway/gen-go/spillway"
	"spillway/job"
)

// frame is a call as it looks on the wire.
func frame(t testing.TB, method string, args thrift.TStruct) []byte {
	var buf bytes.Buffer
	p := protocolOver(&buf, nodeReplyLimits)
	ctx := context.Background()
	require.NoError(t, p.WriteMessageBegin(ctx, method, thrift.CALL, 1))
	require.NoError(t, args.Write(ctx, p))
	return buf.Bytes()
}

func pingFrame(t testing.TB) []byte { return frame(t, "ping", &spillway.ComputeNodePingArgs{}) }

// overPipe runs a test in a bubble: a node behind an in-memory listener.
func overPipe(t *testing.T, cfg ServerConfig, n Node, log *slog.Logger, test func(t *testing.T, l *pipeListener, stop func())) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipeListener()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- cfg.ServeNode(ctx, l, n, log) }()
		stop := sync.OnceFunc(func() {
			cancel()
			require.NoError(t, <-done)
		})
		defer stop()
		test(t, l, stop)
	})
}

func pipeConn(t *testing.T, l *pipeListener) *NodeConn {
	n := NewNodeConn("node", NodeConnConfig{Dial: l.dial})
	t.Cleanup(func() { n.Close() })
	return n
}

func TestServer_PanicCostsOneCallAndLogsItsStack(t *testing.T) {
	log := &logBuffer{}
	bad := true
	node := fakeNode{execute: func(context.Context, job.Task) (job.Result, error) {
		if bad {
			panic("boom")
		}
		return job.Result{Node: "n"}, nil
	}}
	overPipe(t, ServerConfig{}, node, slog.New(slog.NewTextHandler(log, nil)), func(t *testing.T, l *pipeListener, _ func()) {
		n := pipeConn(t, l)
		defer n.Close()
		_, err := n.Execute(t.Context(), aTask)
		require.Equal(t, job.Internal, job.CodeOf(err))
		require.ErrorContains(t, err, "run broke")
		bad = false
		_, err = n.Execute(t.Context(), aTask)
		require.NoError(t, err)
	})
	require.Contains(t, log.String(), "boom")
	require.Contains(t, log.String(), "server_test.go")
}

func TestServer_CallerGoneEndsTheHandlersContext(t *testing.T) {
	began, cause := make(chan struct{}), make(chan error, 1)
	node := fakeNode{execute: func(ctx context.Context, _ job.Task) (job.Result, error) {
		close(began)
		<-ctx.Done()
		cause <- context.Cause(ctx)
		return job.Result{}, ctx.Err()
	}}
	addr, _ := startNode(t, ServerConfig{}, node, quietLog())
	nc, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	_, err = nc.Write(frame(t, "execute", &spillway.ComputeNodeExecuteArgs{BasePath: "/d", FileName: "a.jpg"}))
	require.NoError(t, err)
	<-began
	nc.Close()
	require.ErrorIs(t, <-cause, errCallerGone)
}

func TestServer_CallsSentAheadWaitTheirTurn(t *testing.T) {
	const calls = 5
	running := make(chan struct{}, 1)
	node := fakeNode{execute: func(ctx context.Context, _ job.Task) (job.Result, error) {
		select {
		case running <- struct{}{}:
		default:
			return job.Result{}, errors.New("two at once")
		}
		time.Sleep(10 * time.Millisecond) // long enough to be watched
		<-running
		return job.Result{}, ctx.Err()
	}}
	overPipe(t, ServerConfig{}, node, quietLog(), func(t *testing.T, l *pipeListener, _ func()) {
		nc, err := l.dial(t.Context())
		require.NoError(t, err)
		defer nc.Close()
		call := frame(t, "execute", &spillway.ComputeNodeExecuteArgs{})
		go nc.Write(bytes.Repeat(call, calls))
		in := scanner{r: newReader(nc), lim: nodeReplyLimits}
		for range calls {
			h, err := in.begin()
			require.NoError(t, err)
			require.Equal(t, thrift.REPLY, h.kind)
			require.NoError(t, in.body())
			require.Contains(t, string(in.buf), "Success")
		}
	})
}

func TestServer_RunsFarLongerThanItsTimeouts(t *testing.T) {
	node := fakeNode{execute: func(ctx context.Context, _ job.Task) (job.Result, error) {
		time.Sleep(3 * time.Hour)
		return job.Result{Node: "n"}, ctx.Err()
	}}
	overPipe(t, ServerConfig{}, node, quietLog(), func(t *testing.T, l *pipeListener, _ func()) {
		n := pipeConn(t, l)
		defer n.Close()
		_, err := n.Execute(t.Context(), aTask)
		require.NoError(t, err)
	})
}

func TestServer_ClosesIdleAndSlowConnections(t *testing.T) {
	for name, row := range map[string]struct {
		sends int
		after time.Duration
	}{
		"idle":                 {0, 10 * time.Minute},
		"stopped in mid-call":  {9, 30 * time.Second},
		"one byte and no more": {1, 30 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			overPipe(t, ServerConfig{}, fakeNode{}, quietLog(), func(t *testing.T, l *pipeListener, _ func()) {
				nc, err := l.dial(t.Context())
				require.NoError(t, err)
				defer nc.Close()
				began := time.Now()
				_, err = nc.Write(pingFrame(t)[:row.sends])
				require.NoError(t, err)
				_, err = io.ReadAll(nc)
				require.NoError(t, err)
				require.Equal(t, row.after, time.Since(began))
			})
		})
	}
}

func TestServer_SlowReaderIsDropped(t *testing.T) {
	overPipe(t, ServerConfig{}, fakeNode{}, quietLog(), func(t *testing.T, l *pipeListener, stop func()) {
		nc, err := l.dial(t.Context())
		require.NoError(t, err)
		defer nc.Close()
		_, err = nc.Write(pingFrame(t))
		require.NoError(t, err)
		time.Sleep(21 * time.Second) // and never reads the answer
		_, err = nc.Write(pingFrame(t))
		require.ErrorIs(t, err, io.ErrClosedPipe)
	})
}

func TestServer_StopsWithIdleCallersAtOnce(t *testing.T) {
	overPipe(t, ServerConfig{}, fakeNode{}, quietLog(), func(t *testing.T, l *pipeListener, stop func()) {
		n := pipeConn(t, l)
		defer n.Close()
		_, err := n.Probe(t.Context())
		require.NoError(t, err)
		began := time.Now()
		stop()
		require.Zero(t, time.Since(began))
	})
}

func TestServer_LetsRunningCallsFinishWithinTheGrace(t *testing.T) {
	for name, row := range map[string]struct {
		needs, takes time.Duration
		code         job.Code
	}{
		"short call": {3 * time.Second, 3 * time.Second, ""},
		"long call":  {time.Hour, 5 * time.Second, job.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			node := fakeNode{execute: func(ctx context.Context, _ job.Task) (job.Result, error) {
				select {
				case <-time.After(row.needs):
					return job.Result{}, nil
				case <-ctx.Done():
					return job.Result{}, ctx.Err()
				}
			}}
			overPipe(t, ServerConfig{}, node, quietLog(), func(t *testing.T, l *pipeListener, stop func()) {
				n := pipeConn(t, l)
				defer n.Close()
				answered := make(chan error, 1)
				go func() {
					_, err := n.Execute(t.Context(), aTask)
					answered <- err
				}()
				synctest.Wait()
				began := time.Now()
				stop()
				require.Equal(t, row.takes, time.Since(began))
				err := <-answered
				if row.code == "" {
					require.NoError(t, err)
				} else {
					require.Equal(t, row.code, job.CodeOf(err))
				}
			})
		})
	}
}

// failingListener is out of descriptors for a while.
type failingListener struct {
	*pipeListener
	left int
}

func (l *failingListener) Accept() (net.Conn, error) {
	if l.left--; l.left >= 0 {
		return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
	}
	return l.pipeListener.Accept()
}

func TestServer_OutOfDescriptorsIsWaitedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &failingListener{newPipeListener(), 20}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- ServeNode(ctx, l, fakeNode{}, quietLog()) }()
		n := NewNodeConn("node", NodeConnConfig{DialTimeout: time.Hour, Dial: l.dial})
		defer n.Close()
		_, err := n.Execute(t.Context(), aTask)
		require.NoError(t, err)
		cancel()
		require.NoError(t, <-done)
	})
}

func TestServer_LostListenerIsAnError(t *testing.T) {
	l := newPipeListener()
	l.Close()
	err := ServeNode(t.Context(), l, fakeNode{}, quietLog())
	require.Equal(t, job.Unavailable, job.CodeOf(err))
}

func TestServer_RefusesMoreConnectionsThanItsLimit(t *testing.T) {
	log := &logBuffer{}
	overPipe(t, ServerConfig{MaxConns: 2}, fakeNode{}, slog.New(slog.NewTextHandler(log, nil)), func(t *testing.T, l *pipeListener, _ func()) {
		var conns []net.Conn
		for range 3 {
			nc, err := l.dial(t.Context())
			require.NoError(t, err)
			defer nc.Close()
			conns = append(conns, nc)
		}
		_, err := conns[2].Read(make([]byte, 1))
		require.ErrorIs(t, err, io.EOF)
		conns[0].Close()
		synctest.Wait()
		n := pipeConn(t, l)
		defer n.Close()
		_, err = n.Probe(t.Context())
		require.NoError(t, err)
	})
	require.Contains(t, log.String(), "too many are open")
}

// lengths is a call whose first argument promises more than comes.
func lengths(kind thrift.TType, head ...byte) []byte {
	out := []byte{0x80, 1, 0, 1, 0, 0, 0, 3, 'r', 'u', 'n', 0, 0, 0, 1, byte(kind), 0, 1}
	return append(out, head...)
}

func hostileCalls(t testing.TB) map[string][]byte {
	ping := pingFrame(t)
	deep := lengths(thrift.STRUCT, bytes.Repeat([]byte{byte(thrift.STRUCT), 0, 1}, 1<<18)...)
	return map[string][]byte{
		"random":             {0xff, 0x13, 0x37, 0x99, 1, 2, 3, 4, 5, 6, 7, 8},
		"HTTP":               []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
		"framed":             append(binary.BigEndian.AppendUint32(nil, uint32(len(ping))), ping...),
		"truncated":          ping[:len(ping)-1],
		"2 GB string":        lengths(thrift.STRING, 0x7f, 0xff, 0xff, 0xff),
		"negative string":    lengths(thrift.STRING, 0xff, 0xff, 0xff, 0xff),
		"10 M map":           lengths(thrift.MAP, 11, 11, 0, 0x98, 0x96, 0x80),
		"10 M list":          lengths(thrift.LIST, 12, 0, 0x98, 0x96, 0x80),
		"deep":               deep,
		"unknown type":       lengths(thrift.TType(99), 0, 0, 0, 0),
		"a reply, no call":   append([]byte{0x80, 1, 0, 2}, ping[4:]...),
		"long name":          {0x80, 1, 0, 1, 0, 1, 0, 0},
		"long name, no vers": {0, 1, 0, 0, 0, 0, 0, 0},
	}
}

func TestServer_SurvivesHostileBytes(t *testing.T) {
	addr, _ := startNode(t, ServerConfig{}, fakeNode{}, quietLog())
	good := connect(t, addr, NodeConnConfig{})
	for name, sent := range hostileCalls(t) {
		t.Run(name, func(t *testing.T) {
			nc, err := net.Dial("tcp", addr)
			require.NoError(t, err)
			defer nc.Close()
			nc.Write(sent) // may break off: the server need not read it all
			nc.(*net.TCPConn).CloseWrite()
			io.Copy(io.Discard, nc) // the server closes
			_, err = good.Execute(soon(t), aTask)
			require.NoError(t, err)
		})
	}
}

func TestServer_MemoryGrowsOnlyWithBytesReceived(t *testing.T) {
	addr, _ := startNode(t, ServerConfig{}, fakeNode{}, quietLog())
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for name, sent := range hostileCalls(t) {
		if name == "deep" {
			continue // 768 KB that are really sent
		}
		for range 20 {
			nc, err := net.Dial("tcp", addr)
			require.NoError(t, err)
			defer nc.Close() // all stay open together
			_, err = nc.Write(sent)
			require.NoError(t, err)
		}
	}
	_, err := connect(t, addr, NodeConnConfig{}).Probe(soon(t))
	require.NoError(t, err)
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(32<<20))
}

func TestServer_SaysWhichLimitACallBreaks(t *testing.T) {
	addr, _ := startNode(t, ServerConfig{}, fakeNode{}, quietLog())
	n := connect(t, addr, NodeConnConfig{})
	huge := aTask
	huge.Name = strings.Repeat("x", requestLimits.bytes)
	_, err := n.Execute(soon(t), huge)
	require.Error(t, err)
	require.Contains(t, []job.Code{job.Internal, job.Unavailable}, job.CodeOf(err)) // the close may overtake the answer
	_, err = n.Execute(soon(t), aTask)
	require.NoError(t, err)
}

func TestServer_HoldsTwoThousandIdleConnections(t *testing.T) {
	const conns = 2000
	addr, _ := startNode(t, ServerConfig{}, fakeNode{}, quietLog())
	for range conns {
		nc, err := net.Dial("tcp", addr)
		require.NoError(t, err)
		defer nc.Close()
	}
	_, err := connect(t, addr, NodeConnConfig{}).Execute(soon(t), aTask)
	require.NoError(t, err)
}

func TestServer_UnknownMethodKeepsTheConnection(t *testing.T) {
	overPipe(t, ServerConfig{}, fakeNode{}, quietLog(), func(t *testing.T, l *pipeListener, _ func()) {
		nc, err := l.dial(t.Context())
		require.NoError(t, err)
		defer nc.Close()
		c := newClientConn(nc, nodeReplyLimits)
		_, err = c.Call(t.Context(), "no_such", &spillway.ComputeNodePingArgs{}, &spillway.ComputeNodePingResult{})
		require.True(t, unknownMethod(err), "%v", err)
		_, err = c.Call(t.Context(), "ping", &spillway.ComputeNodePingArgs{}, &spillway.ComputeNodePingResult{})
		require.NoError(t, err)
	})
}

func TestServer_AnswersCallsWithoutAVersion(t *testing.T) {
	addr, _ := startNode(t, ServerConfig{}, fakeNode{}, quietLog())
	nc, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	defer nc.Close()
	_, err = nc.Write([]byte{0, 0, 0, 4, 'p', 'i', 'n', 'g', 1, 0, 0, 0, 7, 0})
	require.NoError(t, err)
	in := scanner{r: newReader(nc), lim: nodeReplyLimits}
	h, err := in.begin()
	require.NoError(t, err)
	require.Equal(t, header{method: "ping", kind: thrift.REPLY, seq: 7}, h)
}

func FuzzServer_NeverPanics(f *testing.F) {
	for _, sent := range hostileCalls(f) {
		if len(sent) < 1<<10 {
			f.Add(sent)
		}
	}
	f.Add(pingFrame(f))
	f.Add(frame(f, "run", &spillway.ComputeNodeRunArgs{Task: taskToWire(context.Background(), aTask, time.Now())}))
	f.Add(frame(f, "execute", &spillway.ComputeNodeExecuteArgs{BasePath: "/d", FileName: "a"}))
	f.Fuzz(func(t *testing.T, sent []byte) {
		log := &logBuffer{}
		s := &server{
			cfg: ServerConfig{}.withDefaults(), log: slog.New(slog.NewTextHandler(log, nil)),
			processor: spillway.NewComputeNodeProcessor(&nodeHandler{node: fakeNode{}, running: map[*attempt]struct{}{}}),
		}
		near, far := net.Pipe()
		go func() {
			near.Write(sent)
			near.Close()
		}()
		go io.Copy(io.Discard, near)
		newServerConn(s, far).run(t.Context())
		far.Close()
		require.NotContains(t, log.String(), "panicked")
	})
}
