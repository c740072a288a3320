package rpc_test

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"

	"spillway/gen-go/echo"
	"spillway/job"
	"spillway/rpc"
	"spillway/rpc/mux"
)

// victimEnv makes a process of this test binary a server to be attacked, so that
// its memory can be judged by itself.
const victimEnv = "SPILLWAY_TEST_VICTIM"

// The victims. A node takes requests of 1 MiB, the echo service of 16 MiB.
const (
	nodeVictim = "node"
	echoVictim = "echo"
)

// Orders that a victim takes, a line each, and answers with a line each.
const (
	orderFree  = "free"  // give unused memory back
	orderCount = "count" // answers goroutines, descriptors, panics
	orderHeap  = "heap"  // answers the bytes of its heap, touched or not
	orderHold  = "hold"  // let calls of after and item with a negative number wait
	orderLet   = "let"   // let them go on
	orderHeld  = "held"  // answers how many wait
)

// runVictim serves until its standard input ends, and returns its exit code.
func runVictim(name string) int {
	l, err := rpc.Listen("127.0.0.1:0", rpc.ListenOptions{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println(l.Addr())
	ctx, cancel := context.WithCancel(context.Background())
	log := &panicLog{}
	gate := newHolder()
	served := make(chan error, 1)
	go func() {
		if name == nodeVictim {
			served <- rpc.ServeNode(ctx, l, newPlainNode(), slog.New(log))
			return
		}
		s := mux.NewServer(mux.ServerConfig{}, echo.NewEchoProcessor(plainEcho{gate}), slog.New(log))
		served <- s.Serve(ctx, l)
	}()
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		fmt.Println(obey(in.Text(), log, gate))
	}
	cancel()
	gate.let()
	if err := <-served; err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func obey(order string, log *panicLog, gate *holder) string {
	switch order {
	case orderFree:
		for range 3 { // pools let go in two rounds
			debug.FreeOSMemory()
		}
	case orderCount:
		fds, _ := os.ReadDir("/proc/self/fd")
		return fmt.Sprint(runtime.NumGoroutine(), len(fds), log.panics.Load())
	case orderHeap:
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return fmt.Sprint(m.HeapInuse)
	case orderHold:
		gate.hold()
	case orderLet:
		gate.let()
	case orderHeld:
		return fmt.Sprint(gate.held.Load())
	}
	return "ok"
}

// panicLog tells only the panics of handlers, and counts them.
type panicLog struct {
	slog.Handler

	panics atomic.Int64
}

func (*panicLog) Enabled(context.Context, slog.Level) bool { return true }

func (l *panicLog) Handle(_ context.Context, r slog.Record) error {
	if r.Level >= slog.LevelError {
		l.panics.Add(1)
		r.Attrs(func(a slog.Attr) bool {
			fmt.Fprintln(os.Stderr, a)
			return true
		})
	}
	return nil
}

// plainNode does nothing, and has half a megabyte to say about itself.
type plainNode struct{ profile job.Profile }

func newPlainNode() plainNode {
	p := job.Profile{Node: "node_0", Slots: 2}
	for range 20 {
		o := job.OperationInfo{Name: "operation", Summary: strings.Repeat("what it does ", 2000)}
		for range 6 {
			o.Params = append(o.Params, job.ParamInfo{Name: "param", Kind: "int", Summary: "what it means"})
		}
		p.Operations = append(p.Operations, o)
	}
	return plainNode{p}
}

func (plainNode) Execute(context.Context, job.Task) (job.Result, error) {
	return job.Result{Node: "node_0"}, nil
}

func (plainNode) Probe(context.Context) (job.Load, error) { return job.Load{Slots: 2}, nil }

func (n plainNode) Profile() job.Profile { return n.profile }

func (n plainNode) Log(int) []string { return nil }

// holder lets calls wait together.
type holder struct {
	held atomic.Int64

	mu   sync.Mutex // guards open
	open chan struct{}
}

func newHolder() *holder {
	h := &holder{open: make(chan struct{})}
	close(h.open)
	return h
}

func (h *holder) hold() {
	h.let()
	h.mu.Lock()
	h.open = make(chan struct{})
	h.mu.Unlock()
}

func (h *holder) let() {
	h.mu.Lock()
	defer h.mu.Unlock()
	select {
	case <-h.open:
	default:
		close(h.open)
	}
}

func (h *holder) wait(ctx context.Context) {
	h.mu.Lock()
	open := h.open
	h.mu.Unlock()
	h.held.Add(1)
	defer h.held.Add(-1)
	select {
	case <-open:
	case <-ctx.Done():
	}
}

type plainEcho struct{ gate *holder }

func (plainEcho) Ping(context.Context) error                          { return nil }
func (plainEcho) Echo(_ context.Context, data []byte) ([]byte, error) { return data, nil }
func (plainEcho) Note(context.Context, string) error                  { return nil }

func (e plainEcho) Item(ctx context.Context, i *echo.Item) (*echo.Item, error) {
	if i != nil && i.Number < 0 {
		e.gate.wait(ctx)
	}
	return i, nil
}

func (e plainEcho) After(ctx context.Context, d []byte, ms int64) ([]byte, error) {
	if ms < 0 {
		e.gate.wait(ctx)
	}
	return d, nil
}
