package rpc_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/gen-go/echo"
	"spillway/job"
	"spillway/rpc"
	"spillway/rpc/mux"
)

// spare are connections that are about to be closed.
const spare = 4

// errTimeout is what the tests' own deadlines end with.
var errTimeout = os.ErrDeadlineExceeded

// victim is a server in a process of its own.
type victim struct {
	name, addr string
	pid        int

	mu  sync.Mutex // guards an order and its answer
	in  io.Writer
	out *bufio.Scanner

	// Connections from before every attack, over which honest calls go on.
	old      honest
	oldPlain net.Conn // of a program that knows nothing of ours
	dials    int64    // that old had made
}

// noCollector is for a victim whose memory may not rest on the garbage collector:
// on a busy machine it can be far behind, and the runtime stops to hold the program
// up for it.
const noCollector = "GOGC=off"

// startVictim starts a server that lives until the test ends, and then checks
// that it ends by itself, without having been hurt.
func startVictim(t *testing.T, name string, env ...string) *victim {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(append(os.Environ(), victimEnv+"="+name), env...)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	v := &victim{name: name, pid: cmd.Process.Pid, in: in, out: bufio.NewScanner(out)}
	t.Cleanup(func() {
		in.Close()
		require.NoError(t, cmd.Wait())
	})
	require.True(t, v.out.Scan(), "it does not start")
	v.addr = v.out.Text()
	v.old = v.caller()
	t.Cleanup(func() { v.old.Close() })
	v.reconnect(t)
	return v
}

// reconnect makes the old connections anew, where they are not there any more.
func (v *victim) reconnect(t *testing.T) {
	t.Helper()
	v.ask(t, v.old, "over an old client")
	v.dials = v.old.dials()
	if v.oldPlain != nil {
		v.oldPlain.Close()
	}
	v.oldPlain = v.dial(t)
	v.askPlainly(t)
}

func (v *victim) order(t *testing.T, order string) string {
	t.Helper()
	v.mu.Lock()
	defer v.mu.Unlock()
	_, err := fmt.Fprintln(v.in, order)
	require.NoError(t, err, "the server is dead")
	require.True(t, v.out.Scan(), "the server is dead")
	return v.out.Text()
}

func (v *victim) count(t *testing.T) (goroutines, fds, panics int) {
	t.Helper()
	_, err := fmt.Sscan(v.order(t, orderCount), &goroutines, &fds, &panics)
	require.NoError(t, err)
	return goroutines, fds, panics
}

// requireSmallHeap checks what the server holds now. Memory that it has taken and
// not touched yet shows only here.
func (v *victim) requireSmallHeap(t *testing.T) {
	t.Helper()
	if judgeMemory {
		heap, err := strconv.Atoi(v.order(t, orderHeap))
		require.NoError(t, err)
		require.LessOrEqual(t, heap/1_000_000, peakLimit/1_000_000, "heap in MB")
	}
}

// forgetPeak begins to measure anew. It needs Linux, as do the attacks.
func (v *victim) forgetPeak(t *testing.T) {
	t.Helper()
	v.order(t, orderFree)
	require.NoError(t, os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", v.pid), []byte("5"), 0))
}

// peak is the most memory that the server has had, in bytes.
func (v *victim) peak(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", v.pid))
	require.NoError(t, err)
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	kib := 0
	_, err = fmt.Sscan(rest, &kib)
	require.NoError(t, err)
	return kib << 10
}

func (v *victim) dial(t *testing.T) net.Conn {
	t.Helper()
	nc, err := v.connect(soon(t))
	require.NoError(t, err)
	return nc
}

// connect takes TCP, so that the honest stand in one queue with the others.
func (v *victim) connect(ctx context.Context) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, "tcp", v.addr)
}

// honest is a client of a victim.
type honest interface {
	io.Closer
	call(ctx context.Context) error
	dials() int64
}

type honestNode struct{ *rpc.NodeConn }

func (n honestNode) call(ctx context.Context) error {
	result, err := n.Execute(ctx, job.Task{Job: "j", Attempt: 1, Base: "/data", Name: "a.jpg"})
	if err == nil && result.Node != "node_0" {
		err = fmt.Errorf("a wrong answer: %+v", result)
	}
	return err
}

func (n honestNode) dials() int64 { return n.Link().Dials }

type honestEcho struct{ *mux.Pool }

func (p honestEcho) call(ctx context.Context) error {
	answer, err := echo.NewEchoClient(p.Pool).Echo(ctx, []byte("honest"))
	if err == nil && string(answer) != "honest" {
		err = fmt.Errorf("a wrong answer: %q", answer)
	}
	return err
}

func (p honestEcho) dials() int64 { return p.Stats().Dials }

// caller makes an honest client that is not connected yet.
func (v *victim) caller() honest {
	if v.name == nodeVictim {
		return honestNode{rpc.NewNodeConn(v.addr, rpc.NodeConnConfig{Dial: v.connect, IdleTimeout: time.Hour})}
	}
	return honestEcho{mux.NewPool(mux.PoolConfig{Dial: v.connect, IdleTimeout: time.Hour})}
}

// askHonestly checks that the server answers, over a new connection and over one
// from before the attack, each within a second.
func (v *victim) askHonestly(t *testing.T) {
	t.Helper()
	fresh := v.caller()
	defer fresh.Close()
	v.ask(t, fresh, "over a new connection")
	v.ask(t, v.old, "over an old connection")
	require.Equal(t, v.dials, v.old.dials(), "the old connection is kept")
	v.askPlainly(t)
}

func (v *victim) ask(t *testing.T, c honest, how string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), honestWithin)
	defer cancel()
	require.NoError(t, c.call(ctx), how)
}

// askPlainly calls ping over an old connection without the mark.
func (v *victim) askPlainly(t *testing.T) {
	t.Helper()
	v.oldPlain.SetDeadline(time.Now().Add(honestWithin))
	_, err := v.oldPlain.Write([]byte("\x80\x01\x00\x01\x00\x00\x00\x04ping\x00\x00\x00\x07\x00"))
	require.NoError(t, err)
	got := make([]byte, 17)
	_, err = io.ReadFull(v.oldPlain, got)
	require.NoError(t, err, "over an old connection without the mark")
	require.Equal(t, "\x80\x01\x00\x02\x00\x00\x00\x04ping\x00\x00\x00\x07\x00", string(got))
}

// attack runs one attack and checks what it did to the server.
func (v *victim) attack(t *testing.T, limit int, f func(t *testing.T)) {
	t.Helper()
	if judgeMemory {
		v.forgetPeak(t)
	}
	f(t)
	v.askHonestly(t)
	if judgeMemory {
		peak := v.peak(t)
		t.Logf("peak %d MB", peak/1_000_000)
		require.LessOrEqual(t, peak/1_000_000, limit/1_000_000, "peak memory in MB")
	}
}

// rest is how many goroutines and descriptors the server has now.
func (v *victim) rest(t *testing.T) [2]int {
	t.Helper()
	goroutines, fds, _ := v.count(t)
	return [2]int{goroutines, fds}
}

// requireRest checks that the server soon has no more of them than before, or
// hardly, and that no handler has panicked.
func (v *victim) requireRest(t *testing.T, before [2]int) {
	t.Helper()
	soonTrue(t, "goroutines and descriptors are given back", func() bool {
		now := v.rest(t)
		return now[0] <= before[0]+spare && now[1] <= before[1]+spare
	})
	_, _, panics := v.count(t)
	require.Zero(t, panics)
}

// soon bounds a step that would otherwise hang.
func soon(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// soonTrue asks again and again until what holds.
func soonTrue(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ctx := soon(t)
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	for !holds() {
		select {
		case <-again.C:
		case <-ctx.Done():
			require.FailNow(t, "it never comes true: "+what)
		}
	}
}

// hangUp ends what is sent over nc and checks that the server closes it too.
func hangUp(t *testing.T, nc net.Conn) {
	t.Helper()
	defer nc.Close()
	_ = nc.(*net.TCPConn).CloseWrite()
	nc.SetDeadline(time.Now().Add(20 * time.Second))
	_, err := io.Copy(io.Discard, nc)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		require.FailNow(t, "the server keeps a connection that is over")
	}
}
