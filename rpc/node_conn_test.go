package rpc

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/apache/thrift/lib/go/thrift"
	"github.com/stretchr/testify/require"

	"spillway/gen-go/spillway"
	"spillway/job"
	"spillway/rpc/mux"
)

func TestNodeConn_IsAWorkerLikeTheNodeItself(t *testing.T) {
	load := job.Load{Slots: 4, Running: 1, Queued: 2, Delayed: 3, Mean: time.Second}
	var got job.Task
	node := fakeNode{
		execute: func(_ context.Context, t job.Task) (job.Result, error) {
			got = t
			return job.Result{Node: "node_7", Delayed: true, Queued: time.Second, Run: time.Minute, Load: load}, nil
		},
		probe:   func(context.Context) (job.Load, error) { return load, nil },
		profile: job.Profile{Node: "node_7", Slots: 4, Operations: []job.OperationInfo{{Name: "edges", Summary: "s"}}},
	}
	overPipe(t, ServerConfig{}, node, quietLog(), func(t *testing.T, l *pipeListener, _ func()) {
		n := pipeConn(t, l)
		defer n.Close()
		task := aTask
		task.Deadline = time.Now().Add(time.Minute)
		result, err := n.Execute(t.Context(), task)
		require.NoError(t, err)
		require.Equal(t, job.Result{Node: "node_7", Delayed: true, Queued: time.Second, Run: time.Minute, Load: load}, result)
		require.True(t, task.Deadline.Equal(got.Deadline))
		got.Deadline = task.Deadline
		require.Equal(t, task, got)

		probed, err := n.Probe(t.Context())
		require.NoError(t, err)
		require.Equal(t, load, probed)
		profile, err := n.Profile(t.Context())
		require.NoError(t, err)
		require.Equal(t, node.profile, profile)
		require.False(t, n.Basic())
	})
}

func TestNodeConn_ErrorsKeepTheirCodes(t *testing.T) {
	var say error
	node := fakeNode{execute: func(context.Context, job.Task) (job.Result, error) { return job.Result{}, say }}
	overPipe(t, ServerConfig{}, node, quietLog(), func(t *testing.T, l *pipeListener, _ func()) {
		n := pipeConn(t, l)
		defer n.Close()
		for code := range codes {
			say = job.E(code, "read a.jpg", errors.New("cause"), "mend it")
			_, err := n.Execute(t.Context(), aTask)
			require.Equal(t, code, job.CodeOf(err))
			require.ErrorContains(t, err, "read a.jpg: cause")
			require.NotErrorIs(t, err, job.ErrNotSent)
		}
		e := job.E(job.ResourceExhausted, "", errors.New("busy"), "")
		e.RetryAfter, e.Load = time.Second, &job.Load{Running: 9}
		say = e
		_, err := n.Execute(t.Context(), aTask)
		require.Equal(t, time.Second, job.AsError(err).RetryAfter)
		require.Equal(t, 9, job.AsError(err).Load.Running)
	})
}

func TestNodeConn_RefusedIsNotSentAndBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var dials atomic.Int64
		n := NewNodeConn("h:1", NodeConnConfig{Dial: func(context.Context) (net.Conn, error) {
			dials.Add(1)
			return nil, errors.New("connection refused")
		}})
		defer n.Close()
		for range 10_000 { // 10 seconds
			_, err := n.Execute(t.Context(), aTask)
			require.Equal(t, job.Unavailable, job.CodeOf(err))
			require.ErrorIs(t, err, job.ErrNotSent)
			require.ErrorContains(t, err, "node h:1: run: cannot connect: connection refused")
			time.Sleep(time.Millisecond)
		}
		require.Greater(t, dials.Load(), int64(8))
		require.Less(t, dials.Load(), int64(30))
	})
}

func TestNodeConn_HangingDialEndsAndOneCallerTriesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var dials atomic.Int64
		n := NewNodeConn("h:1", NodeConnConfig{Dial: func(ctx context.Context) (net.Conn, error) {
			dials.Add(1)
			<-ctx.Done()
			return nil, ctx.Err()
		}})
		defer n.Close()
		began := time.Now()
		_, err := n.Execute(t.Context(), aTask)
		require.Equal(t, job.Unavailable, job.CodeOf(err))
		require.ErrorIs(t, err, job.ErrNotSent)
		require.Equal(t, 2*time.Second, time.Since(began))
		time.Sleep(time.Second)
		var wg sync.WaitGroup
		for range 64 {
			wg.Go(func() { _, _ = n.Execute(t.Context(), aTask) })
		}
		wg.Wait()
		require.EqualValues(t, 2, dials.Load())
	})
}

func TestNodeConn_ComesBackAfterTheNodeDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var up atomic.Bool
		l := newPipeListener()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- ServeNode(ctx, l, fakeNode{}, quietLog()) }()
		n := NewNodeConn("n", NodeConnConfig{Dial: func(ctx context.Context) (net.Conn, error) {
			if !up.Load() {
				return nil, errors.New("down")
			}
			return l.dial(ctx)
		}})
		_, err := n.Execute(t.Context(), aTask)
		require.Error(t, err)
		up.Store(true)
		time.Sleep(2 * time.Second)
		_, err = n.Execute(t.Context(), aTask)
		require.NoError(t, err)
		n.Close()
		cancel()
		require.NoError(t, <-done)
	})
}

func TestNodeConn_CancelledCallReturnsAtOnceAndReachesTheNode(t *testing.T) {
	gone := make(chan error, 1)
	began := make(chan struct{})
	node := fakeNode{execute: func(ctx context.Context, _ job.Task) (job.Result, error) {
		close(began)
		<-ctx.Done()
		gone <- context.Cause(ctx)
		return job.Result{}, ctx.Err()
	}}
	addr, _ := startNode(t, ServerConfig{}, node, quietLog())
	n := connect(t, addr, NodeConnConfig{})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-began
		cancel()
	}()
	_, err := n.Execute(ctx, aTask)
	require.Equal(t, job.CancelledCode, job.CodeOf(err))
	require.ErrorIs(t, <-gone, mux.ErrCallerGone)
	_, err = n.Probe(soon(t))
	require.NoError(t, err)
	require.EqualValues(t, 1, n.Link().Dials, "the connection lives on")
}

func TestNodeConn_DeadlineTravelsAndHoldsHere(t *testing.T) {
	for name, cut := range map[string]func(context.Context, *job.Task) (context.Context, context.CancelFunc){
		"of the context": func(ctx context.Context, _ *job.Task) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, time.Minute)
		},
		"of the task": func(ctx context.Context, task *job.Task) (context.Context, context.CancelFunc) {
			task.Deadline = time.Now().Add(time.Minute)
			return ctx, func() {}
		},
	} {
		t.Run(name, func(t *testing.T) {
			left := make(chan time.Duration, 1)
			node := fakeNode{execute: func(ctx context.Context, task job.Task) (job.Result, error) {
				d, _ := ctx.Deadline()
				left <- time.Until(d)
				if !d.Equal(task.Deadline) {
					return job.Result{}, errors.New("task and context differ")
				}
				time.Sleep(time.Hour) // deaf
				return job.Result{}, nil
			}}
			overPipe(t, ServerConfig{}, node, quietLog(), func(t *testing.T, l *pipeListener, _ func()) {
				n := pipeConn(t, l)
				defer n.Close()
				task := aTask
				ctx, cancel := cut(t.Context(), &task)
				defer cancel()
				began := time.Now()
				_, err := n.Execute(ctx, task)
				require.Equal(t, job.DeadlineExceeded, job.CodeOf(err), "%v", err)
				require.Equal(t, time.Minute, time.Since(began))
				require.Equal(t, time.Minute, <-left)
			})
		})
	}
}

func TestNodeConn_EndedContextSendsNothing(t *testing.T) {
	n := NewNodeConn("h:1", NodeConnConfig{Dial: func(context.Context) (net.Conn, error) {
		panic("dialled")
	}})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := n.Execute(ctx, aTask)
	require.Equal(t, job.CancelledCode, job.CodeOf(err))
	require.ErrorIs(t, err, job.ErrNotSent)
}

func TestNodeConn_StalePooledConnectionIsNoLostAttempt(t *testing.T) {
	closed := make(chan struct{}, 10)
	addr := peer(t, func(nc net.Conn, w wire) { // does one task, then closes
		method, _, seq, err := w.message()
		if err == nil && method == "ping" {
			_ = w.answer(method, seq, &spillway.ComputeNodePingResult{})
			method, _, seq, err = w.message()
		}
		if err != nil {
			return
		}
		_ = w.answer(method, seq, aRunResult)
		nc.Close()
		closed <- struct{}{}
	})
	n := connect(t, addr, NodeConnConfig{})
	defer n.Close()
	for range 5 {
		_, err := n.Execute(soon(t), aTask)
		require.NoError(t, err)
		<-closed
	}
}

func TestNodeConn_ReusesConnectionsAndClosesIdleOnes(t *testing.T) {
	overPipe(t, ServerConfig{}, fakeNode{}, quietLog(), func(t *testing.T, l *pipeListener, _ func()) {
		var open, dials atomic.Int64
		n := NewNodeConn("n", NodeConnConfig{Dial: func(ctx context.Context) (net.Conn, error) {
			nc, err := l.dial(ctx)
			open.Add(1)
			dials.Add(1)
			return &countedConn{Conn: nc, open: &open}, err
		}})
		defer n.Close()
		for range 100 {
			_, err := n.Execute(t.Context(), aTask)
			require.NoError(t, err)
		}
		require.EqualValues(t, 1, dials.Load())
		time.Sleep(59 * time.Second)
		require.EqualValues(t, 1, open.Load())
		time.Sleep(2 * time.Second)
		require.EqualValues(t, 0, open.Load())
	})
}

type countedConn struct {
	net.Conn
	once sync.Once
	open *atomic.Int64
}

func (c *countedConn) Close() error {
	c.once.Do(func() { c.open.Add(-1) })
	return c.Conn.Close()
}

func TestNodeConn_BoundsItsTasksAndWaitersKeepTheirContext(t *testing.T) {
	release := make(chan struct{})
	var running gauge
	node := fakeNode{execute: func(context.Context, job.Task) (job.Result, error) {
		running.add(1)
		<-release
		running.add(-1)
		return job.Result{}, nil
	}}
	addr, _ := startNode(t, ServerConfig{}, node, quietLog())
	n := connect(t, addr, NodeConnConfig{MaxTasks: 3})
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			if _, err := n.Execute(soon(t), aTask); err != nil {
				t.Error(err)
			}
		})
	}
	require.Eventually(t, func() bool { return running.peak() == 3 }, 10*time.Second, time.Millisecond)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, err := n.Execute(ctx, aTask)
	require.Equal(t, job.DeadlineExceeded, job.CodeOf(err))
	require.ErrorIs(t, err, job.ErrNotSent)
	_, err = n.Probe(soon(t))
	require.NoError(t, err, "a probe waits for no task")
	close(release)
	wg.Wait()
	require.Equal(t, 3, running.peak())
}

func TestNodeConn_ManyCallersGetTheirOwnAnswers(t *testing.T) {
	node := fakeNode{execute: func(_ context.Context, task job.Task) (job.Result, error) {
		if task.Index%7 == 0 {
			return job.Result{}, job.E(job.NotFound, "", fmt.Errorf("no %s", task.Name), "")
		}
		return job.Result{Node: job.NodeID(task.Name)}, nil
	}}
	addr, _ := startNode(t, ServerConfig{}, node, quietLog())
	n := connect(t, addr, NodeConnConfig{})
	var wg sync.WaitGroup
	for caller := range 64 {
		wg.Go(func() {
			for i := range 50 {
				task := aTask
				task.Index = int64(i)
				task.Name = fmt.Sprintf("%d-%d", caller, i)
				result, err := n.Execute(soon(t), task)
				switch {
				case i%7 == 0 && (job.CodeOf(err) != job.NotFound || err.Error() != "no "+task.Name):
					t.Errorf("%s: %v", task.Name, err)
				case i%7 != 0 && (err != nil || string(result.Node) != task.Name):
					t.Errorf("%s: %v %v", task.Name, result, err)
				}
			}
		})
	}
	wg.Wait()
}

func TestNodeConn_CloseBreaksWhatRuns(t *testing.T) {
	began := make(chan struct{})
	node := fakeNode{execute: func(ctx context.Context, _ job.Task) (job.Result, error) {
		close(began)
		<-ctx.Done()
		return job.Result{}, ctx.Err()
	}}
	addr, _ := startNode(t, ServerConfig{}, node, quietLog())
	n := NewNodeConn(addr, NodeConnConfig{})
	go func() {
		<-began
		n.Close()
	}()
	_, err := n.Execute(soon(t), aTask)
	require.Equal(t, job.Unavailable, job.CodeOf(err))
	_, err = n.Probe(soon(t))
	require.Equal(t, job.Unavailable, job.CodeOf(err))
	require.ErrorIs(t, err, mux.ErrClosed)
}

func TestNode_CancelAttemptEndsThatAttemptOnly(t *testing.T) {
	causes := make(chan string, 2)
	began := make(chan struct{}, 2)
	node := fakeNode{execute: func(ctx context.Context, task job.Task) (job.Result, error) {
		began <- struct{}{}
		<-ctx.Done()
		causes <- fmt.Sprint(task.Attempt, " ", context.Cause(ctx))
		return job.Result{}, ctx.Err()
	}}
	addr, _ := startNode(t, ServerConfig{}, node, quietLog())
	n := connect(t, addr, NodeConnConfig{})
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for attempt := range 2 {
		wg.Go(func() {
			task := aTask
			task.Attempt = attempt + 1
			_, _ = n.Execute(ctx, task)
		})
		<-began
	}
	require.NoError(t, n.call(t.Context(), func(c *spillway.ComputeNodeClient) error {
		return c.CancelAttempt(t.Context(), "j", 3, 2)
	}))
	require.Equal(t, "2 the attempt was given up", <-causes)
	cancel()
	wg.Wait()
	require.Equal(t, "1 the caller is gone", <-causes)
}

// threeShot is a connection that carries a hello and two calls, and then takes
// no more.
type threeShot struct {
	net.Conn
	calls int
}

func (c *threeShot) Write(b []byte) (int, error) {
	if c.calls++; c.calls > 3 {
		return 0, errors.New("broken pipe")
	}
	return c.Conn.Write(b)
}

func TestNodeConn_CallThatNeverLeftGoesOverANewConnection(t *testing.T) {
	overPipe(t, ServerConfig{}, fakeNode{}, quietLog(), func(t *testing.T, l *pipeListener, _ func()) {
		n := NewNodeConn("n", NodeConnConfig{Dial: func(ctx context.Context) (net.Conn, error) {
			nc, err := l.dial(ctx)
			return &threeShot{Conn: nc}, err
		}})
		defer n.Close()
		for range 6 {
			_, err := n.Execute(t.Context(), aTask)
			require.NoError(t, err)
		}
		require.EqualValues(t, 3, n.Link().Dials)
	})
}

func TestNodeConn_CountsWhatPassed(t *testing.T) {
	node := fakeNode{execute: func(context.Context, job.Task) (job.Result, error) {
		time.Sleep(time.Second)
		return job.Result{}, job.E(job.ResourceExhausted, "", errors.New("busy"), "")
	}}
	overPipe(t, ServerConfig{}, node, quietLog(), func(t *testing.T, l *pipeListener, _ func()) {
		n := pipeConn(t, l)
		defer n.Close()
		for range 2 {
			_, err := n.Execute(t.Context(), aTask)
			require.Error(t, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Millisecond, cancel)
		_, err := n.Execute(ctx, aTask)
		require.ErrorIs(t, err, context.Canceled)
		link := n.Link()
		require.Positive(t, link.BytesSent)
		require.Positive(t, link.BytesReceived)
		require.InEpsilon(t, time.Second, link.P50, 0.07)
		require.InEpsilon(t, time.Second, link.P99, 0.07)
		link.BytesSent, link.BytesReceived, link.P50, link.P99 = 0, 0, 0, 0
		require.Equal(t, job.Link{Conns: 1, Dials: 1, Calls: 3, Errors: 1}, link, "a rejection is an answer")
	})
}

func TestNodeConn_NodeOfOneCallAConnectionGetsAtMost128Tasks(t *testing.T) {
	release := make(chan struct{})
	var running gauge
	addr := peer(t, func(_ net.Conn, w wire) {
		for {
			method, _, seq, err := w.message()
			if err != nil {
				return
			}
			var result thrift.TStruct = &spillway.ComputeNodePingResult{}
			switch method {
			case "probe":
				result = &spillway.ComputeNodeProbeResult{Success: loadToWire(job.Load{Slots: 7})}
			case "run":
				running.add(1)
				<-release
				running.add(-1)
				result = aRunResult
			}
			if w.answer(method, seq, result) != nil {
				return
			}
		}
	})
	n := connect(t, addr, NodeConnConfig{})
	defer n.Close()
	_, err := n.Probe(soon(t)) // shows what kind of node it is
	require.NoError(t, err)
	var wg sync.WaitGroup
	for range 200 {
		wg.Go(func() {
			if _, err := n.Execute(soon(t), aTask); err != nil {
				t.Error(err)
			}
		})
	}
	require.Eventually(t, func() bool { return running.peak() == soloTasks }, 10*time.Second, time.Millisecond)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, err = n.Execute(ctx, aTask)
	require.ErrorIs(t, err, job.ErrNotSent)
	require.ErrorContains(t, err, "128 tasks are under way")
	load, err := n.Probe(soon(t))
	require.NoError(t, err, "a probe waits for no task")
	require.Equal(t, 7, load.Slots)
	close(release)
	wg.Wait()
	require.Equal(t, soloTasks, running.peak())
}
