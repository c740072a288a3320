package test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// bin is where TestMain put the programs.
var bin string

// TestMain builds the programs as a user would, with the test operations.
func TestMain(m *testing.M) { os.Exit(build(m)) }

func build(m *testing.M) int {
	dir, err := os.MkdirTemp("", "spillway-bin-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	bin = dir
	cmd := exec.Command("go", "build", "-tags", buildTags, "-o", dir, "spillway/client", "spillway/server", "spillway/computenode")
	if out, err := cmd.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%s%v\n", out, err)
		return 1
	}
	return m.Run()
}

// process is one running program and what it has said.
type process struct {
	t    *testing.T
	name string
	cmd  *exec.Cmd
	out  syncBuffer
	done chan struct{}
}

// spawn starts a program; it is killed at the end of the test, if not before.
func spawn(t *testing.T, dir, program string, args ...string) *process {
	t.Helper()
	if program == "server" && !slices.Contains(args, "--http") {
		args = append(args, "--http", "off") // one port would not do for all tests
	}
	cmd := exec.Command(filepath.Join(bin, program), args...)
	cmd.Dir = dir
	return spawnCommand(t, cmd)
}

// spawnCommand starts a command as spawn does a program.
func spawnCommand(t *testing.T, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{t: t, name: filepath.Base(cmd.Path), cmd: cmd, done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	require.NoError(t, p.cmd.Start())
	go func() { defer close(p.done); _ = p.cmd.Wait() }()
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("%v said:\n%s", cmd.Args, p.out.String())
		}
	})
	return p
}

// kill ends the process at once and waits for it.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

// signal sends a signal.
func (p *process) signal(s os.Signal) { require.NoError(p.t, p.cmd.Process.Signal(s)) }

// wait returns the exit code.
func (p *process) wait() int {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(patience):
		require.FailNow(p.t, p.name+" does not end", p.out.String())
	}
	return p.cmd.ProcessState.ExitCode()
}

// patience bounds every wait for something that must happen.
const patience = 60 * time.Second

// eventually waits until ok, polling.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	require.Eventually(t, ok, patience, 20*time.Millisecond, what)
}

// syncBuffer is a buffer that a process writes while the test reads.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// cluster is a server and its nodes, as real processes on loopback.
type cluster struct {
	t      *testing.T
	dir    string // the root, with machine.txt
	addr   string // of the server
	names  []string
	addrs  []string // of the nodes
	flags  []string // of every client
	nodes  []*process
	server *process
}

// nodeArgs are the arguments of one node: its load probability first.
type nodeArgs []string

// newCluster starts a node for each list of arguments, and a server.
func newCluster(t *testing.T, serverArgs []string, nodes ...nodeArgs) *cluster {
	t.Helper()
	c := prepare(t, len(nodes))
	for i, args := range nodes {
		c.nodes = append(c.nodes, c.startNode(i, args...))
	}
	c.startServer(serverArgs...)
	return c
}

// prepare writes the machine.txt of n nodes without starting anything.
func prepare(t *testing.T, n int) *cluster {
	t.Helper()
	c := &cluster{t: t, dir: t.TempDir(), addr: freeAddr(t)}
	list := "server " + c.addr + "\n"
	for i := range n {
		c.names = append(c.names, fmt.Sprintf("node_%d", i))
		c.addrs = append(c.addrs, freeAddr(t))
		list += c.names[i] + " " + c.addrs[i] + "\n"
	}
	require.NoError(t, os.WriteFile(filepath.Join(c.dir, "machine.txt"), []byte(list), 0o644))
	return c
}

// startNode starts node i; its root is the cluster's directory.
func (c *cluster) startNode(i int, args ...string) *process {
	return spawn(c.t, c.dir, "computenode", append(args, "--name", c.names[i])...)
}

// startServer starts the server and waits until every node that runs answers.
func (c *cluster) startServer(args ...string) {
	c.t.Helper()
	c.server = spawn(c.t, c.dir, "server", args...)
	eventually(c.t, "the server and its nodes are up", func() bool {
		out, code := c.client("nodes")
		return code == 0 && strings.Count(out, "idle") >= len(c.nodes)
	})
}

// client runs the client to its end and returns all it said and its exit code.
func (c *cluster) client(args ...string) (string, int) {
	c.t.Helper()
	cmd := exec.Command(filepath.Join(bin, "client"), slices.Concat(args, c.flags)...)
	cmd.Dir = c.dir
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		require.NoError(c.t, err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// result is what client --json prints of a job, as far as tests look at it.
type result struct {
	ID                               string
	State                            string
	Total, Done, Failed, Quarantined int
	Running                          int
	Nodes                            []struct {
		Node                                        string
		Done, Rejected, Delayed, Failed, Superseded int
	}
	Failures []failure
	Error    *struct{ Code, Message, Hint string }
}

type failure struct {
	Name        string
	Attempts    int
	Nodes       []string
	Quarantined bool
	Error       struct{ Code, Message, Hint string }
}

// run submits the folder with further flags and returns the job and the exit code.
func (c *cluster) run(folder string, flags ...string) (result, int) {
	c.t.Helper()
	cmd := exec.Command(filepath.Join(bin, "client"), slices.Concat(flags, c.flags, []string{"--json", folder})...)
	cmd.Dir = c.dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, _ := cmd.Output()
	var r result
	require.NoError(c.t, json.Unmarshal(out, &r), "client printed %q and %q", out, stderr.String())
	return r, cmd.ProcessState.ExitCode()
}

// The ports for programs that are still to start lie below those that the system
// hands out itself, so that nobody else takes one meanwhile.
const firstPort, lastPort = 10_000, 32_000

// ports counts those that were handed out; each is handed out once.
var ports atomic.Int64

// freeAddr is a loopback address that nobody listens on, and that no other call
// returns.
func freeAddr(t *testing.T) string {
	t.Helper()
	for range lastPort - firstPort {
		port := firstPort + (int64(os.Getpid())*97+ports.Add(1))%(lastPort-firstPort)
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			require.NoError(t, l.Close())
			return l.Addr().String()
		}
	}
	require.FailNow(t, "every port is taken")
	return ""
}

// folder makes a job's folder below the cluster's root and returns its input_dir.
func (c *cluster) folder(name string) string {
	c.t.Helper()
	dir := filepath.Join(c.dir, name, "input_dir")
	require.NoError(c.t, os.MkdirAll(dir, 0o755))
	return dir
}

// outputs are the names in the folder's output_dir.
func (c *cluster) outputs(name string) []string {
	entries, _ := os.ReadDir(filepath.Join(c.dir, name, "output_dir"))
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// touch makes n empty files that count as inputs.
func touch(t *testing.T, dir string, n int) {
	t.Helper()
	for i := range n {
		require.NoError(t, os.WriteFile(filepath.Join(dir, fmt.Sprintf("p%06d.png", i)), nil, 0o644))
	}
}

// freeze stops a process without ending it, as a hung machine would.
func (p *process) freeze() { p.signal(syscall.SIGSTOP) }
