package isolate

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"spillway/job"
)

func TestPool_CancelledTaskReturnsAtOnceAndItsChildLivesOn(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "gate")
	require.NoError(t, unix.Mkfifo(fifo, 0o600))
	abandoned := make(chan order, 1)
	p := newPool(t, Config{Size: 1, Grace: time.Hour}, func(o order) { abandoned <- o })
	pid := childPID(t, p)
	ctx, cancel := context.WithCancel(t.Context())
	late := make(chan error, 1)
	go func() {
		_, err := p.Do(ctx, order{Do: "late", Arg: fifo})
		late <- err
	}()
	gate, err := os.OpenFile(fifo, os.O_WRONLY, 0) // returns once the child waits
	require.NoError(t, err)
	cancel()
	require.Equal(t, job.CancelledCode, job.CodeOf(<-late))
	require.Empty(t, abandoned, "the child still has the task")
	gate.Close()
	require.Equal(t, "late", (<-abandoned).Do)
	require.Equal(t, pid, childPID(t, p), "the child finished in its grace and goes on")
}

func TestPool_CancelledTaskThatHangsIsKilledAfterTheGrace(t *testing.T) {
	abandoned := make(chan order, 1)
	p := newPool(t, Config{Size: 1, Grace: 50 * time.Millisecond}, func(o order) { abandoned <- o })
	pid := childPID(t, p)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := p.Do(ctx, order{Do: "hang"})
	require.Equal(t, job.DeadlineExceeded, job.CodeOf(err))
	require.Equal(t, "hang", (<-abandoned).Do)
	requireGone(t, pid)
	require.NotEqual(t, pid, childPID(t, p))
}

func TestPool_WaitingTaskHeedsItsContext(t *testing.T) {
	p := New[order, string](Config{Size: 1}, nil, quiet()) // never run: no child comes
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := p.Do(ctx, order{Do: "echo"})
	require.Equal(t, job.CancelledCode, job.CodeOf(err))
}

func TestPool_CancelAtTheMomentOfTheAnswerDisturbsNoOther(t *testing.T) {
	p := newPool(t, Config{Size: 1}, nil)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 500 {
				ctx, cancel := context.WithCancel(t.Context())
				go func() {
					for range i % 50 { // some steps of the task later
						runtime.Gosched()
					}
					cancel()
				}()
				_, err := p.Do(ctx, order{Do: "echo"})
				if err != nil && job.CodeOf(err) != job.CancelledCode {
					t.Error(err)
				}
				if _, err := p.Do(t.Context(), order{Do: "echo"}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}
