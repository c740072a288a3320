package isolate

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"spillway/job"
)

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

// poll waits for a descriptor to be readable.
func poll(fd, ms int) (int, error) {
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, ms)
		if err != unix.EINTR {
			return n, err
		}
	}
}
