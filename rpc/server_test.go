package rpc

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/apache/thrift/lib/go/thrift"
	"github.com/stretchr/testify/require"

	"spillway/gen-go/spillway"
	"spillway/job"
	"spillway/rpc/mux"
)

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
	_, err = nc.Write(callBytes(t, "execute", &spillway.ComputeNodeExecuteArgs{BasePath: "/d", FileName: "a.jpg"}))
	require.NoError(t, err)
	<-began
	nc.Close()
	require.ErrorIs(t, <-cause, mux.ErrCallerGone)
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

func TestServer_StopsWithIdleCallersAtOnce(t *testing.T) {
	overPipe(t, ServerConfig{}, fakeNode{}, quietLog(), func(t *testing.T, l *pipeListener, stop func()) {
		n := pipeConn(t, l)
		defer n.Close()
		_, err := n.Probe(t.Context())
		require.NoError(t, err)
		time.Sleep(time.Second) // until it listens for the end of the connection
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

func TestServer_LostListenerIsAnError(t *testing.T) {
	l := newPipeListener()
	l.Close()
	err := ServeNode(t.Context(), l, fakeNode{}, quietLog())
	require.Equal(t, job.Unavailable, job.CodeOf(err))
}

func TestServer_WrongConfigurationIsSaid(t *testing.T) {
	for name, c := range map[string]ServerConfig{
		"MaxConns": {MaxConns: -1}, "MaxCalls": {MaxCalls: -1}, "MaxBytes": {MaxBytes: -1}, "timeout": {Grace: -1},
	} {
		t.Run(name, func(t *testing.T) {
			l := newPipeListener()
			err := c.ServeNode(t.Context(), l, fakeNode{}, quietLog())
			require.Equal(t, job.InvalidArgument, job.CodeOf(err))
			require.ErrorContains(t, err, name)
		})
	}
}

func TestServer_SaysWhichLimitACallBreaks(t *testing.T) {
	addr, _ := startNode(t, ServerConfig{}, fakeNode{}, quietLog())
	n := connect(t, addr, NodeConnConfig{})
	huge := aTask
	huge.Name = strings.Repeat("x", requestLimits.Bytes)
	_, err := n.Execute(soon(t), huge)
	require.ErrorIs(t, err, job.ErrNotSent, "it is seen here already")
	require.ErrorContains(t, err, "at most 1048576 are sent")
	_, err = n.Execute(soon(t), aTask)
	require.NoError(t, err)

	nc, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	defer nc.Close()
	_, err = libraryClient(nc).Call(soon(t), "execute",
		&spillway.ComputeNodeExecuteArgs{FileName: huge.Name}, &spillway.ComputeNodeExecuteResult{})
	x, ok := errors.AsType[thrift.TApplicationException](err)
	require.True(t, ok, "%v", err)
	require.ErrorContains(t, x, "more than 1048576 bytes")
}

func TestServer_AnswerBeyondWhatTheCallerTakesIsAnError(t *testing.T) {
	node := fakeNode{profile: job.Profile{Operations: make([]job.OperationInfo, nodeReplyLimits.Elements+1)}}
	addr, _ := startNode(t, ServerConfig{}, node, quietLog())
	n := connect(t, addr, NodeConnConfig{})
	_, err := n.Profile(soon(t))
	require.Equal(t, job.Unavailable, job.CodeOf(err))
	require.ErrorContains(t, err, "too large: more than 131072 elements")
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
