package isolate

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"spillway/job"
)

func TestPool_AnswersComeBackToTheirCallers(t *testing.T) {
	p := newPool(t, Config{Size: 3}, nil)
	var wg sync.WaitGroup
	for i := range 300 {
		wg.Go(func() {
			want := strconv.Itoa(i) + strings.Repeat("x", i*50)
			got, err := p.Do(t.Context(), order{Do: "echo", Arg: want})
			if err != nil || got != want {
				t.Errorf("task %d: got %.20q, err %v", i, got, err)
			}
		})
	}
	wg.Wait()
}

func TestPool_HandlersErrorCrossesWhole(t *testing.T) {
	p := newPool(t, Config{Size: 1}, nil)
	_, err := p.Do(t.Context(), order{Do: "fail"})
	require.Equal(t, job.DataLoss, job.CodeOf(err))
	require.EqualError(t, err, "decode a.jpg: it is cut short")
	require.Equal(t, "copy it again", job.HintOf(err))
	_, err = p.Do(t.Context(), order{Do: "plain-fail"})
	require.Equal(t, job.Internal, job.CodeOf(err))
	require.EqualError(t, err, "plain")
}

func TestPool_NativeCodeThatPrintsDisturbsNobody(t *testing.T) {
	p := newPool(t, Config{Size: 1}, nil)
	for range 50 {
		got, err := p.Do(t.Context(), order{Do: "print", Arg: "ok"})
		require.NoError(t, err)
		require.Equal(t, "ok", got)
	}
}

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

func TestPool_StoppedPoolRefuses(t *testing.T) {
	p := New[order, string](Config{Size: 1, Env: serveEnv()}, nil, quiet())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, p.Run(ctx))
	_, err := p.Do(t.Context(), order{Do: "echo"})
	require.Equal(t, job.Unavailable, job.CodeOf(err))
}

func TestPool_StopLetsTasksFinishWithinTheGraceThenKills(t *testing.T) {
	p := New[order, string](Config{Size: 2, Env: serveEnv(), Grace: time.Second}, nil, quiet())
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	fifo := filepath.Join(t.TempDir(), "gate")
	require.NoError(t, unix.Mkfifo(fifo, 0o600))
	finishes, hangs := make(chan error, 1), make(chan error, 1)
	go func() {
		_, err := p.Do(t.Context(), order{Do: "late", Arg: fifo})
		finishes <- err
	}()
	gate, err := os.OpenFile(fifo, os.O_WRONLY, 0)
	require.NoError(t, err)
	pid := childPID(t, p) // of the other child
	go func() {
		_, err := p.Do(t.Context(), order{Do: "hang"})
		hangs <- err
	}()
	require.Eventually(t, func() bool { return len(p.idle) == 0 }, 10*time.Second, time.Millisecond)
	cancel()
	gate.Close()
	require.NoError(t, <-finishes)
	require.Equal(t, job.Unavailable, job.CodeOf(<-hangs))
	require.NoError(t, <-ended)
	requireGone(t, pid)
}

func TestPool_ChildrenDieWithTheirParent(t *testing.T) {
	exe, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), childEnv+"=parent")
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	require.NoError(t, err)
	fd, err := unix.PidfdOpen(pid, 0)
	require.NoError(t, err)
	defer unix.Close(fd)
	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait()
	n, err := poll(fd, 20_000)
	require.NoError(t, err)
	require.Equal(t, 1, n, "the child outlived its parent")
}

func TestPool_ChildSurvivesAnInterruptOfTheGroup(t *testing.T) {
	p := newPool(t, Config{Size: 1}, nil)
	pid := childPID(t, p)
	n, err := strconv.Atoi(pid)
	require.NoError(t, err)
	require.NoError(t, syscall.Kill(n, syscall.SIGINT))
	require.NoError(t, syscall.Kill(n, syscall.SIGTERM))
	require.Equal(t, pid, childPID(t, p))
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

func TestServe_StartedByHandSaysSo(t *testing.T) {
	err := Serve(handle)
	require.Equal(t, job.FailedPrecondition, job.CodeOf(err))
	require.Contains(t, job.Describe(err), "this mode is for child processes")
}

func TestInline_DoesAtMostItsSizeAtOnce(t *testing.T) {
	var now, most atomic.Int64
	gate := make(chan struct{})
	in := NewInline(2, func(context.Context, int) (int, error) {
		most.Store(max(most.Load(), now.Add(1)))
		<-gate
		now.Add(-1)
		return 1, nil
	})
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() { _, _ = in.Do(t.Context(), i) })
	}
	for range 20 {
		gate <- struct{}{}
	}
	wg.Wait()
	require.LessOrEqual(t, most.Load(), int64(2))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	full := NewInline(1, func(context.Context, int) (int, error) { return 0, nil })
	full.slots <- struct{}{}
	_, err := full.Do(ctx, 1)
	require.Equal(t, job.CancelledCode, job.CodeOf(err))
}

func TestConfig_Validate(t *testing.T) {
	require.NoError(t, Config{}.Validate())
	for name, c := range map[string]Config{
		"negative size": {Size: -1}, "negative timeout": {Timeout: -1},
		"negative grace": {Grace: -1}, "tiny memory": {Memory: 1 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, job.InvalidArgument, job.CodeOf(c.Validate()))
			require.Error(t, New[order, string](c, nil, quiet()).Run(t.Context()))
		})
	}
}

// childPID asks the next free child for its pid.
func childPID(t *testing.T, p *Pool[order, string]) string {
	t.Helper()
	pid, err := p.Do(t.Context(), order{Do: "pid"})
	require.NoError(t, err)
	return pid
}

// requireGone checks that no process has that pid.
func requireGone(t *testing.T, pid string) {
	t.Helper()
	_, err := os.Stat(fmt.Sprintf("/proc/%s/stat", pid))
	require.ErrorIs(t, err, os.ErrNotExist)
}

// poll waits for a descriptor to be readable.
func poll(fd, ms int) (int, error) {
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, ms)
		if err != unix.EINTR {
			return n, err
		}
	}
}
