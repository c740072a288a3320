package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"spillway/job"
)

// Register, Drain and NodeLog are of the fake server.
func (s *server) Register(context.Context, job.Registration) (time.Duration, error) { return 0, nil }

func (s *server) Drain(_ context.Context, id job.NodeID, on bool) error {
	for i := range s.nodes {
		if s.nodes[i].ID == id {
			s.nodes[i].State = map[bool]job.NodeState{true: job.Draining, false: job.Idle}[on]
			return nil
		}
	}
	return job.E(job.NotFound, "node "+string(id), errors.New("no such node"), "list the nodes with: client nodes")
}

func (s *server) NodeLog(_ context.Context, id job.NodeID, lines int) ([]string, error) {
	if id != "node_0" {
		return nil, job.E(job.Unimplemented, "log", errors.New("the node keeps no log that it tells"), "look at its own output")
	}
	return []string{"a line\x1b[2J", "another"}[max(0, 2-lines):], nil
}

// someNodes are one of each kind.
func someNodes() []job.Node {
	return []job.Node{
		{
			ID: "node_0", Addr: "127.0.0.1:5001", State: job.Processing, Outstanding: 3, Tags: []string{"gpu", "lab-2"}, Registered: true,
			Load: job.Load{
				Slots: 4, Running: 3, Mean: 12500 * time.Microsecond, Operations: map[string]time.Duration{"edges": 20 * time.Millisecond, "blur": 3 * time.Second},
				Usage: job.Usage{CPU: 87.6, Memory: 41.2, DiskFree: 1 << 40, Sent: 1500, Received: 2 << 20},
			},
			Machine: job.Machine{Cores: 8, Memory: 62 << 30, GPU: "NVIDIA A100", System: "linux/amd64, debian 12.5"},
			Link:    job.Link{Calls: 7, P50: 500 * time.Microsecond, P99: 20 * time.Millisecond},
		},
		{ID: "node_1", Addr: "127.0.0.1:5002", State: job.Inaccessible, Basic: true, Err: "connection refused"},
	}
}

func TestNodes_ListFitsATerminal(t *testing.T) {
	s := serve(t, works)
	s.nodes = someNodes()
	code, stdout, stderr := client(t.Context(), "--server", s.addr, "nodes")
	require.Equal(t, exitDone, code, stderr)
	require.Equal(t, `node    address         state         tags       cores  RAM  disk  GPU  CPU%  mem%  net/s  tasks  p50/p99 ms
node_0  127.0.0.1:5001  processing    gpu,lab-2      8  62G  1.0T  yes    88    41   2.0M    3/4    0.5/20.0
node_1  127.0.0.1:5002  inaccessible  -              -    -     -    -     -     -      -      -           -
node_1: speaks only execute and delayed_execute
node_1: connection refused
`, stdout)

	_, stdout, _ = client(t.Context(), "--server", s.addr, "--wide", "nodes")
	for _, want := range []string{"mean ms", "12.5", "NVIDIA A100", "linux/amd64, debian 12.5", "itself", "1.5K"} {
		require.Contains(t, stdout, want)
	}
}

func TestNodes_LongNamesAreCutToFit(t *testing.T) {
	long := someNodes()
	long[0].ID, long[0].Addr = job.NodeID("node_"+strings.Repeat("x", 59)), strings.Repeat("host.", 12)+"example:65535"
	long[0].Tags = []string{strings.Repeat("t", 64), "more"}
	long[0].Load = job.Load{Slots: 4096, Running: 4096, Usage: job.Usage{CPU: 100, Memory: 100, DiskFree: 1 << 62, Sent: 1 << 61}}
	long[0].Link = job.Link{P50: 2 * time.Hour, P99: 2 * time.Hour}
	var out bytes.Buffer
	printNodes(&out, long, false)
	for line := range strings.Lines(out.String()) {
		require.LessOrEqual(t, utf8.RuneCountInString(strings.TrimRight(line, "\n")), nodeColumns, line)
	}
	require.Contains(t, out.String(), "…")
}

func TestNodes_WatchListsThemUntilInterrupted(t *testing.T) {
	s := serve(t, works)
	s.nodes = someNodes()
	for _, row := range []struct {
		screen bool
		marks  string // stands once in each block
		blocks int
	}{{true, redraw, 2}, {false, "cores", 2}} {
		ctx, interrupt := context.WithCancel(t.Context())
		out := &stopper{after: row.marks, times: row.blocks, stop: interrupt}
		code := run(ctx, []string{"--server", s.addr, "nodes", "--watch"}, output{stdout: out, stderr: out, screen: row.screen})
		interrupt()
		require.Equal(t, exitDone, code, out.text.String())
		require.GreaterOrEqual(t, strings.Count(out.text.String(), row.marks), row.blocks)
		require.Equal(t, row.screen, strings.Contains(out.text.String(), "\x1b"))
	}
}

// stopper calls stop when a text was written so many times.
type stopper struct {
	mu    sync.Mutex
	text  bytes.Buffer
	after string
	times int
	stop  func()
}

func (s *stopper) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text.Write(p)
	if strings.Count(s.text.String(), s.after) >= s.times {
		s.stop()
	}
	return len(p), nil
}

func TestNode_ShowsOneInFullWithItsLog(t *testing.T) {
	s := serve(t, works)
	s.nodes = someNodes()
	code, stdout, stderr := client(t.Context(), "--server", s.addr, "node", "node_0")
	require.Equal(t, exitDone, code, stderr)
	for _, want := range []string{
		"joined by itself", "gpu,lab-2", "8 cores, 62G RAM, linux/amd64, debian 12.5", "NVIDIA A100", "CPU 87.6 %, memory 41.2 %, free disk 1.0T",
		"1.5K/s out, 2.0M/s in", "3 running in 4 slots", "12.5 ms", "  edges  20.0 ms", "  blur   3000 ms", "p99 20.0 ms",
		"the end of its log:\n  a line\uFFFD[2J\n  another\n",
	} {
		require.Contains(t, stdout, want)
	}
	_, stdout, _ = client(t.Context(), "--server", s.addr, "node", "node_0", "--lines", "1")
	require.Contains(t, stdout, "the end of its log:\n  another")

	var v struct {
		Name       string             `json:"name"`
		Operations map[string]float64 `json:"operation_mean_ms"`
		Log        []string           `json:"log"`
	}
	_, stdout, _ = client(t.Context(), "--server", s.addr, "--json", "node", "node_0")
	require.NoError(t, json.Unmarshal([]byte(stdout), &v))
	require.Equal(t, map[string]float64{"edges": 20, "blur": 3000}, v.Operations)
	require.Len(t, v.Log, 2)

	s.nodes[1].State = job.Idle
	_, stdout, _ = client(t.Context(), "--server", s.addr, "node", "node_1")
	require.Contains(t, stdout, "no log: log: the node keeps no log that it tells; look at its own output")
}

func TestDrain_AndItsUndoShowTheNode(t *testing.T) {
	s := serve(t, works)
	s.nodes = someNodes()
	code, stdout, stderr := client(t.Context(), "--server", s.addr, "drain", "node_0")
	require.Equal(t, exitDone, code, stderr)
	require.Contains(t, stdout, "node_0  127.0.0.1:5001  draining")
	code, stdout, _ = client(t.Context(), "--server", s.addr, "drain", "--undo", "node_0")
	require.Equal(t, exitDone, code)
	require.Contains(t, stdout, "node_0  127.0.0.1:5001  idle")
	for _, command := range []string{"drain", "node"} {
		code, _, stderr = client(t.Context(), "--server", s.addr, command, "node_9")
		require.Equal(t, exitUsage, code)
		require.Equal(t, "client: node node_9: no such node; list the nodes with: client nodes\n", stderr)
	}
}

func TestParse_FlagsOfNodesGoWithTheirCommand(t *testing.T) {
	for want, args := range map[string][]string{
		"--watch goes with client nodes":        {"--watch", "jobs"},
		"--undo goes with client drain":         {"--undo", "data"},
		"--lines goes with client node":         {"--lines", "3", "nodes"},
		"--lines 1001 is not within 0":          {"--lines", "1001", "node", "x"},
		"client drain wants the name of a node": {"drain"},
	} {
		code, _, stderr := client(t.Context(), args...)
		require.Equal(t, exitUsage, code)
		require.Contains(t, stderr, want)
	}
}

func TestSize_TakesAtMostFourCharacters(t *testing.T) {
	for bytes, want := range map[int64]string{
		0: "0", 999: "999", 1000: "1.0K", 1536: "1.5K", 10 << 10: "10K", 1000 << 10: "1.0M", 62 << 30: "62G", 1<<63 - 1: "8.0E",
	} {
		require.Equal(t, want, size(bytes), fmt.Sprint(bytes))
	}
}
