package isolate

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
)

func TestPool_DeathCostsOneTaskAndSaysWhy(t *testing.T) {
	tests := []struct {
		name, do string
		want     string
	}{
		{"segmentation fault", "segv", "its process died: exit status 2, SIGSEGV: segmentation violation"},
		{"C++ exception", "abort", "terminate called after throwing an instance of 'cv::Exception' what(): bad Mat"},
		{"panic", "panic", "panic: a bug in a.jpg"},
		{"exit", "exit", "its process died: exit status 0"},
		{"killed from outside", "kill", "signal: killed, perhaps by the kernel for want of memory"},
		{"rubbish for an answer", "garbage", "answered rubbish"},
	}
	p := newPool(t, Config{Size: 1}, nil)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := p.Do(t.Context(), order{Do: tt.do, Arg: "a.jpg"})
			require.Equal(t, job.Internal, job.CodeOf(err))
			require.ErrorContains(t, err, tt.want)
			require.NotContains(t, err.Error(), "\n")
			require.NotEmpty(t, job.HintOf(err))
			got, err := p.Do(t.Context(), order{Do: "echo", Arg: "next"})
			require.NoError(t, err)
			require.Equal(t, "next", got)
		})
	}
}

func TestPool_HangIsKilledAtTheTimeout(t *testing.T) {
	p := newPool(t, Config{Size: 1, Timeout: 300 * time.Millisecond}, nil)
	pid := childPID(t, p)
	_, err := p.Do(t.Context(), order{Do: "hang"})
	require.Equal(t, job.Internal, job.CodeOf(err))
	require.ErrorContains(t, err, "it ran longer than 300ms and was stopped")
	require.Contains(t, job.HintOf(err), "--task-timeout")
	requireGone(t, pid)
	_, err = p.Do(t.Context(), order{Do: "echo"})
	require.NoError(t, err)
}

func TestPool_MemoryEaterIsStoppedAtItsLimit(t *testing.T) {
	p := newPool(t, Config{Size: 1, Memory: 512 << 20}, nil)
	_, err := p.Do(t.Context(), order{Do: "eat"})
	require.Equal(t, job.Internal, job.CodeOf(err))
	require.ErrorContains(t, err, "it ran out of memory (limit 512 MiB")
	require.Contains(t, job.HintOf(err), "--memory")
	_, err = p.Do(t.Context(), order{Do: "echo"})
	require.NoError(t, err)
}

func TestPool_TwentyCrashesAmongAThousandTasksCostTwenty(t *testing.T) {
	p := newPool(t, Config{Size: 4}, nil)
	var done, crashed atomic.Int64
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := w; i < 1000; i += 8 {
				o := order{Do: "echo", Arg: strconv.Itoa(i)}
				if i%50 == 49 {
					o.Do = []string{"segv", "abort"}[i/50%2]
				}
				switch got, err := p.Do(t.Context(), o); {
				case err == nil && got == o.Arg && o.Do == "echo":
					done.Add(1)
				case o.Do != "echo" && job.CodeOf(err) == job.Internal:
					crashed.Add(1)
				default:
					t.Errorf("task %d (%s): got %q, err %v", i, o.Do, got, err)
				}
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, 980, done.Load())
	require.EqualValues(t, 20, crashed.Load())
}

func TestPool_BinaryThatDiesAtStartMakesTasksUnavailable(t *testing.T) {
	p := newPool(t, Config{Size: 2, Env: []string{childEnv + "=dies-at-start"}}, nil)
	_, err := p.Do(t.Context(), order{Do: "echo"})
	require.Equal(t, job.Unavailable, job.CodeOf(err))
	require.ErrorContains(t, err, "no child process starts: exit status 127, error while loading shared libraries")

	p = newPool(t, Config{Size: 1, Command: "/nowhere/computenode"}, nil)
	_, err = p.Do(t.Context(), order{Do: "echo"})
	require.Equal(t, job.Unavailable, job.CodeOf(err))
	require.ErrorContains(t, err, "/nowhere/computenode")
}

func TestPool_BinaryThatDiesAtStartDoesNotSpin(t *testing.T) {
	dir := t.TempDir()
	script := filepath.Join(dir, "child")
	require.NoError(t, os.WriteFile(script, []byte("#!/bin/sh\necho started >> "+dir+"/starts\nexit 3\n"), 0o700))
	p := newPool(t, Config{Size: 1, Command: script}, nil)
	for range 1000 {
		_, err := p.Do(t.Context(), order{Do: "echo"})
		require.Equal(t, job.Unavailable, job.CodeOf(err))
	}
	starts, err := os.ReadFile(filepath.Join(dir, "starts"))
	require.NoError(t, err)
	require.LessOrEqual(t, strings.Count(string(starts), "started"), 20, "tasks do not start it, and pauses grow")
}

func TestPause_DoublesUpToABound(t *testing.T) {
	require.Equal(t, firstPause, pauseAfter(1))
	require.Equal(t, 4*firstPause, pauseAfter(3))
	require.Equal(t, lastPause, pauseAfter(1_000_000))
}

func TestPool_ChildThatDiedIdleCostsNoTask(t *testing.T) {
	p := newPool(t, Config{Size: 1}, nil)
	for range 10 {
		pid, err := strconv.Atoi(childPID(t, p))
		require.NoError(t, err)
		require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
		<-p.slots[0].child.gone
	}
	childPID(t, p)
}

// requireGone checks that no process has that pid.
func requireGone(t *testing.T, pid string) {
	t.Helper()
	_, err := os.Stat(fmt.Sprintf("/proc/%s/stat", pid))
	require.ErrorIs(t, err, os.ErrNotExist)
}
