package isolate

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"spillway/job"
)

// moving is an order that tells how far it has come.
type moving struct {
	Do, Arg  string
	progress func() int64
}

func (m *moving) Progress() int64 { return m.progress() }

// newMovingPool is a pool of one child for orders that move.
func newMovingPool(t *testing.T) *Pool[*moving, string] {
	t.Helper()
	p := New[*moving, string](Config{Size: 1, Env: serveEnv(), Timeout: 20 * time.Millisecond}, nil, quiet())
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-ended)
	})
	return p
}

func TestPool_WhatMovesOnMayTakeLonger(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "gate")
	require.NoError(t, unix.Mkfifo(fifo, 0o600))
	p := newMovingPool(t)
	calls := int64(0)
	got, err := p.Do(t.Context(), &moving{Do: "late", Arg: fifo, progress: func() int64 {
		if calls++; calls == 5 {
			go func() { // opens once the child waits
				if gate, err := os.OpenFile(fifo, os.O_WRONLY, 0); err == nil {
					gate.Close()
				}
			}()
		}
		return calls
	}})
	require.NoError(t, err)
	require.Equal(t, "late", got)
	require.GreaterOrEqual(t, calls, int64(5))
}

func TestPool_WhatMovesOnNoMoreIsStopped(t *testing.T) {
	p := newMovingPool(t)
	calls := int64(0)
	_, err := p.Do(t.Context(), &moving{Do: "hang", progress: func() int64 {
		calls++
		return min(calls, 4)
	}})
	require.Equal(t, job.Internal, job.CodeOf(err))
	require.ErrorContains(t, err, "it has not moved on for 20ms and was stopped")
	require.Contains(t, job.HintOf(err), "--task-timeout")
	require.Greater(t, calls, int64(4))

	ctx, cancel := context.WithCancel(t.Context())
	calls = 0
	_, err = p.Do(ctx, &moving{Do: "hang", progress: func() int64 {
		if calls++; calls == 3 {
			cancel()
		}
		return calls
	}})
	require.Equal(t, job.CancelledCode, job.CodeOf(err), "its caller ends it all the same")
}
