package rpc

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
)

// python is Debian's, which the package python3-thrift serves.
func python(t *testing.T) string {
	for _, name := range []string{"/usr/bin/python3", "python3"} {
		if exec.Command(name, "-c", "import thrift.server.TServer").Run() == nil {
			return name
		}
	}
	require.NotEqual(t, "true", os.Getenv("CI"), "no Python with Apache Thrift: tools/deps test")
	t.Skip("no Python with Apache Thrift; apt-get install python3-thrift")
	return ""
}

// outcome is what a Python client saw.
type outcome struct {
	Success *string
	Error   string
	Type    int
}

// pythonCalls makes two calls over one connection.
func pythonCalls(t *testing.T, addr, protocol, method string, args ...string) []outcome {
	_, port, err := net.SplitHostPort(addr)
	require.NoError(t, err)
	cmd := exec.CommandContext(soon(t), python(t), append([]string{"testdata/assignment.py", "call", port, protocol, method}, args...)...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, "%s", &stderr)
	var got []outcome
	for line := range strings.Lines(string(out)) {
		var o outcome
		require.NoError(t, json.Unmarshal([]byte(line), &o))
		got = append(got, o)
	}
	require.Len(t, got, 2)
	return got
}

var protocols = []string{"binary", "accelerated", "unversioned"}

func TestPythonClient_SubmitsToOurServer(t *testing.T) {
	for _, protocol := range protocols {
		t.Run(protocol, func(t *testing.T) {
			s := newFakeService(job.Succeeded)
			addr, _ := startService(t, s, quietLog())
			for policy, isRandom := range map[string]string{"random": "true", "balance": "false"} {
				for _, o := range pythonCalls(t, addr, protocol, "submit_request", "/data/päth", isRandom) {
					require.Equal(t, "3.0042", *o.Success)
					spec := <-s.submitted
					require.Equal(t, job.Spec{ID: spec.ID, Source: "/data/päth", Policy: policy}, spec)
				}
			}
			for _, o := range pythonCalls(t, addr, protocol, "ping") {
				require.Empty(t, o.Error)
			}
		})
	}
}

func TestPythonClient_SeesTheReasonOfARefusal(t *testing.T) {
	s := newFakeService(job.Succeeded)
	s.refuse = job.E(job.NotFound, "source /nö", errors.New("no such folder"), "create it")
	addr, _ := startService(t, s, quietLog())
	for _, o := range pythonCalls(t, addr, "binary", "submit_request", "/nö", "true") {
		require.Equal(t, "source /nö: no such folder; create it", o.Error)
	}
}

func TestPythonServer_CallsOurNode(t *testing.T) {
	for _, protocol := range protocols {
		t.Run(protocol, func(t *testing.T) {
			says := map[string]error{
				"busy.jpg": job.E(job.ResourceExhausted, "", errors.New("the draw"), ""),
				"gone.jpg": job.E(job.NotFound, "read gone.jpg", errors.New("no such file"), "look"),
			}
			tasks := make(chan job.Task, 10)
			addr, _ := startNode(t, ServerConfig{}, fakeNode{execute: func(_ context.Context, task job.Task) (job.Result, error) {
				tasks <- task
				return job.Result{}, says[task.Name]
			}}, quietLog())
			for _, row := range []struct {
				method, name  string
				mayReject     bool
				answer, fails string
			}{
				{"execute", "a ü.jpg", true, "Success", ""},
				{"delayed_execute", "a ü.jpg", false, "Success", ""},
				{"execute", "busy.jpg", true, "Rejected", ""},
				{"execute", "gone.jpg", true, "", "read gone.jpg: no such file; look"},
				{"delayed_execute", "gone.jpg", false, "", "read gone.jpg: no such file; look"},
			} {
				for _, o := range pythonCalls(t, addr, protocol, row.method, "/base", row.name) {
					require.Equal(t, row.fails, o.Error)
					if row.fails == "" {
						require.Equal(t, row.answer, *o.Success)
					}
					require.Equal(t, job.Task{
						Attempt: 1, Base: "/base", Name: row.name,
						Operation: job.Operation{Name: "edges"}, MayReject: row.mayReject,
					}, <-tasks)
				}
			}
		})
	}
}

// pythonNode is a compute node of the assignment.
type pythonNode struct {
	addr string

	mu    sync.Mutex
	calls []string
}

func (n *pythonNode) seen() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]string(nil), n.calls...)
}

func startPython(t *testing.T, kind, methods string) *pythonNode {
	cmd := exec.Command(python(t), "testdata/assignment.py", "node", kind, methods)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(out)
	require.True(t, lines.Scan(), "the node does not start")
	n := &pythonNode{addr: net.JoinHostPort("127.0.0.1", lines.Text())}
	read := make(chan struct{})
	go func() {
		defer close(read)
		for lines.Scan() {
			n.mu.Lock()
			n.calls = append(n.calls, lines.Text())
			n.mu.Unlock()
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-read
		_ = cmd.Wait()
	})
	return n
}

var pythonKinds = []string{"simple", "threaded", "pool"}

func TestPythonNode_DoesOurTasks(t *testing.T) {
	for _, kind := range pythonKinds {
		t.Run(kind, func(t *testing.T) {
			node := startPython(t, kind, "execute,delayed_execute,ping")
			n := connect(t, node.addr, NodeConnConfig{})
			do := func(name string, mayReject bool) error {
				_, err := n.Execute(soon(t), job.Task{Base: "/b", Name: name, Operation: job.Operation{Name: "edges"}, MayReject: mayReject})
				return err
			}
			require.NoError(t, do("a.jpg", true))
			require.True(t, n.Basic())
			require.NoError(t, do("a.jpg", false))
			require.Equal(t, job.ResourceExhausted, job.CodeOf(do("rejectme", true)))
			require.NoError(t, do("rejectme", false))
			err := do("boom", true)
			require.Equal(t, job.Internal, job.CodeOf(err))
			require.ErrorContains(t, err, "Internal error")
			err = do("odd", true)
			require.Equal(t, job.Unavailable, job.CodeOf(err))
			require.ErrorContains(t, err, `unexpected answer "Maybe"`)
			_, err = n.Execute(soon(t), job.Task{Operation: job.Operation{Name: "blur"}})
			require.Equal(t, job.Unimplemented, job.CodeOf(err))
			_, err = n.Probe(soon(t))
			require.NoError(t, err)
			profile, err := n.Profile(soon(t))
			require.NoError(t, err)
			require.Equal(t, job.Profile{}, profile)
			require.Eventually(t, func() bool { return len(node.seen()) == 8 }, 10*time.Second, time.Millisecond)
			require.Equal(t, []string{
				"ping", "execute /b a.jpg", "delayed_execute /b a.jpg", "execute /b rejectme",
				"delayed_execute /b rejectme", "execute /b boom", "execute /b odd", "ping",
			}, node.seen())
		})
	}
}

func TestPythonNode_WithoutPingIsAlive(t *testing.T) {
	node := startPython(t, "simple", "execute,delayed_execute")
	n := connect(t, node.addr, NodeConnConfig{})
	for range 3 {
		_, err := n.Probe(soon(t))
		require.NoError(t, err)
		require.True(t, n.Basic())
	}
}

func TestPythonNode_ServesManyCallersThoughOneConnectionAtATime(t *testing.T) {
	for _, kind := range pythonKinds {
		t.Run(kind, func(t *testing.T) {
			node := startPython(t, kind, "execute,delayed_execute,ping")
			n := connect(t, node.addr, NodeConnConfig{})
			var wg sync.WaitGroup
			for range 32 {
				wg.Go(func() {
					for range 5 {
						if _, err := n.Execute(soon(t), aTask); err != nil {
							t.Error(err)
						}
					}
				})
			}
			wg.Wait()
		})
	}
}

func TestPythonNode_AtWorkIsNotTakenForDead(t *testing.T) {
	node := startPython(t, "simple", "execute,delayed_execute,ping")
	n := connect(t, node.addr, NodeConnConfig{})
	_, err := n.Probe(soon(t))
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() {
		_, err := n.Execute(soon(t), job.Task{Base: "/b", Name: "slow", MayReject: true})
		done <- err
	}()
	require.Eventually(t, func() bool { return slices.Contains(node.seen(), "execute /b slow") }, 10*time.Second, time.Millisecond)
	_, err = n.Probe(soon(t))
	require.NoError(t, err)
	n.mu.Lock()
	n.lastOK = time.Time{} // long ago
	n.mu.Unlock()
	_, err = n.Probe(soon(t))
	require.NoError(t, err)
	require.NoError(t, <-done)
	require.Equal(t, []string{"ping", "execute /b slow"}, node.seen(), "no ping but the hello")
}

func TestNodeConn_NoticesThatABasicNodeBecameOneOfOurs(t *testing.T) {
	basic := startPython(t, "simple", "execute")
	rich, _ := startNode(t, ServerConfig{}, fakeNode{}, quietLog())
	addr, last := basic.addr, net.Conn(nil)
	n := NewNodeConn("n", NodeConnConfig{Dial: func(ctx context.Context) (_ net.Conn, err error) {
		if addr == "" {
			return nil, errors.New("down")
		}
		last, err = new(net.Dialer).DialContext(ctx, "tcp", addr)
		return last, err
	}, BackoffMin: time.Nanosecond, BackoffMax: time.Nanosecond})
	defer n.Close()
	lose := func() {
		last.Close()
		require.Eventually(t, func() bool { return n.Link().Conns == 0 }, 10*time.Second, time.Millisecond)
	}
	_, err := n.Execute(soon(t), aTask)
	require.NoError(t, err)
	require.True(t, n.Basic())
	require.True(t, n.pool.Solo())

	lose()
	n.mu.Lock()
	n.askAgain = time.Now() // a minute has passed
	n.mu.Unlock()
	addr = rich
	_, err = n.Probe(soon(t))
	require.NoError(t, err)
	require.False(t, n.Basic(), "asked again after a minute")
	_, err = n.Execute(soon(t), aTask)
	require.NoError(t, err)
	require.False(t, n.pool.Solo(), "its answer shows that it does many calls at once")

	n.becomeBasic()
	addr = ""
	lose()
	_, err = n.Execute(soon(t), aTask)
	require.ErrorIs(t, err, job.ErrNotSent)
	require.False(t, n.Basic(), "forgotten when it was lost")
}
