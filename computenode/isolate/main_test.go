package isolate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"spillway/job"
)

// childEnv tells the test binary what to be instead of a test.
const childEnv = "ISOLATE_TEST_CHILD"

// TestMain lets the test binary be its own child, and a parent that is killed.
func TestMain(m *testing.M) {
	switch os.Getenv(childEnv) {
	case "serve":
		if err := Serve(handle); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	case "dies-at-start":
		fmt.Fprintln(os.Stderr, "error while loading shared libraries: libopencv_core.so")
		os.Exit(127)
	case "parent":
		parent()
	}
	goleak.VerifyTestMain(m)
}

// order is what the tests ask of a child.
type order struct {
	Do  string // what to do: see handle
	Arg string
	Num int
}

// handle does an order, as a child.
func handle(_ context.Context, o order) (string, error) {
	switch o.Do {
	case "echo":
		return o.Arg, nil
	case "pid":
		return strconv.Itoa(os.Getpid()), nil
	case "spin":
		return strconv.FormatUint(spin(o.Num), 10), nil
	case "fail":
		return "", job.E(job.DataLoss, "decode a.jpg", errors.New("it is cut short"), "copy it again")
	case "plain-fail":
		return "", errors.New("plain")
	case "print":
		fmt.Println("noise on stdout")
		fmt.Fprintln(os.Stderr, "noise on stderr")
		return o.Arg, nil
	case "panic":
		panic("a bug in " + o.Arg)
	case "segv":
		return "", die(syscall.SIGSEGV, "")
	case "abort":
		return "", die(syscall.SIGABRT, "terminate called after throwing an instance of 'cv::Exception'\n  what():  bad\x00 Mat\n")
	case "exit":
		os.Exit(0)
	case "kill":
		return "", die(syscall.SIGKILL, "")
	case "garbage":
		_, err := os.NewFile(answerFD, "answers").WriteString("rubbish rubbish rubbish rubbish")
		signalForever(err)
	case "hang":
		signalForever(nil)
	case "late": // answers only once it may, after the file Arg exists
		waitFor(o.Arg)
		return "late", nil
	case "eat":
		var eaten [][]byte // keeps what was taken
		for {
			b := make([]byte, 16<<20)
			for i := 0; i < len(b); i += 4096 {
				b[i] = 1
			}
			eaten = append(eaten, b)
			if len(eaten) == 1<<20 {
				return "", errors.New("nothing stopped it")
			}
		}
	}
	return "", job.E(job.Unimplemented, "", errors.New(o.Do), "")
}

// die ends the process with a signal, after printing.
func die(sig syscall.Signal, say string) error {
	fmt.Fprint(os.Stderr, say)
	signal.Reset(sig)
	_ = syscall.Kill(os.Getpid(), sig)
	signalForever(nil)
	return nil
}

// signalForever blocks without the runtime's deadlock alarm.
func signalForever(error) {
	r, _, _ := os.Pipe()
	_, _ = io.ReadAll(r)
}

// waitFor returns once path can be opened for reading: a named pipe blocks until
// somebody opens it for writing.
func waitFor(path string) {
	if f, err := os.Open(path); err == nil {
		_, _ = io.ReadAll(f)
		f.Close()
	}
}

// spin keeps a core busy for about n milliseconds of pure Go.
func spin(n int) uint64 {
	x := uint64(88172645463325252)
	for range n * 660_000 {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
	}
	return x
}

// serveEnv makes the test binary a child.
func serveEnv() []string {
	return []string{childEnv + "=serve", "GORACE=atexit_sleep_ms=0"} // else it sleeps 1 s
}

// quiet drops logs.
func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// newPool runs a pool until the test ends.
func newPool(t testing.TB, cfg Config, abandoned func(order)) *Pool[order, string] {
	t.Helper()
	if cfg.Env == nil {
		cfg.Env = serveEnv()
	}
	p := New[order, string](cfg, abandoned, quiet())
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-ended)
	})
	return p
}

// parent is a process with a pool; it prints the pid of its child, which hangs,
// and waits to be killed.
func parent() {
	_ = os.Setenv(childEnv, "")
	p := New[order, string](Config{Size: 1, Env: serveEnv(), Timeout: time.Hour}, nil, quiet())
	go func() { _ = p.Run(context.Background()) }()
	pid, err := p.Do(context.Background(), order{Do: "pid"})
	if err != nil {
		panic(err)
	}
	go func() { _, _ = p.Do(context.Background(), order{Do: "hang"}) }()
	fmt.Println(pid)
	select {}
}
