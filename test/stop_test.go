package test

import (
	"context"
	"net"
	"os"
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

// children are the processes that p has started and that live.
func (p *process) children() []int {
	var pids []int
	lists, _ := filepath.Glob("/proc/" + strconv.Itoa(p.cmd.Process.Pid) + "/task/*/children")
	for _, list := range lists {
		text, _ := os.ReadFile(list)
		for field := range strings.FieldsSeq(string(text)) {
			pid, err := strconv.Atoi(field)
			require.NoError(p.t, err)
			pids = append(pids, pid)
		}
	}
	return pids
}

// allGone waits until none of the processes is there any more.
func allGone(t *testing.T, pids []int) {
	t.Helper()
	eventually(t, "the children are gone", func() bool {
		for _, pid := range pids {
			if unix.Kill(pid, 0) == nil {
				return false
			}
		}
		return true
	})
}

// background submits a folder without waiting, and waits until so many are done.
func (c *cluster) background(done string, flags ...string) (id string) {
	c.t.Helper()
	out, code := c.client(append(flags, "--detach", "data")...)
	require.Zero(c.t, code, out)
	id = strings.TrimSpace(out)
	eventually(c.t, "the job is under way", func() bool {
		out, _ := c.client("job", id, "--json")
		return strings.Contains(out, done)
	})
	return id
}

func TestStop_ServerHandsBackWhatIsLeftAndSaysHowMuch(t *testing.T) {
	c := newCluster(t, nil, nodeArgs{"0", "--slots", "2"})
	touch(t, c.folder("data"), 400)
	id := c.background(`"state":"running"`, "--op", "nap:ms=50")
	c.server.signal(syscall.SIGTERM)
	require.Zero(t, c.server.wait())
	require.Contains(t, c.server.out.String(), "server stops: what runs may finish")
	require.Regexp(t, `stopped taking work, the rest is handed back" jobs=1 tasks=[1-9]\d*`, c.server.out.String())
	require.Contains(t, c.server.out.String(), "server stopped")

	c.startServer()
	out, code := c.client("watch", id)
	require.Zero(t, code, out)
	c.requireDoneOnce(id, 400)
}

func TestStop_NodeFinishesWhatItHasAndTheRestGoesElsewhere(t *testing.T) {
	c := newCluster(t, nil, nodeArgs{"0", "--slots", "2", "--grace", "30s"}, nodeArgs{"0", "--slots", "2", "--grace", "100ms"}, nodeArgs{"0"})
	touch(t, c.folder("data"), 60)
	id := c.background(`"running":60`, "--op", "nap:ms=300", "--policy", "balance") // which lets them wait at the nodes
	for _, i := range []int{1, 0} {                                                 // before it is done with what it has
		says := []string{"node stops: what it has may finish", "tasks are given up, their server sends them elsewhere"}[i]
		eventually(t, "the node works", func() bool { return len(c.nodes[i].children()) > 0 })
		children := c.nodes[i].children()
		c.nodes[i].signal(syscall.SIGTERM)
		require.Zero(t, c.nodes[i].wait())
		require.Regexp(t, says+`[^\n]*tasks=[1-9]`, c.nodes[i].out.String())
		require.Contains(t, c.nodes[i].out.String(), c.names[i]+" stopped")
		allGone(t, children)
	}
	require.NotContains(t, c.nodes[0].out.String(), "given up")
	out, code := c.client("watch", id)
	require.Zero(t, code, out)
	c.requireDoneOnce(id, 60)
	require.Regexp(t, `"task reassigned"[^\n]*from=node_1 to=node_[02]`, c.server.out.String())
}

func TestStop_SecondSignalStopsAtOnce(t *testing.T) {
	node := nodeArgs{"0", "--slots", "2", "--grace", "10m"}
	c := newCluster(t, []string{"--grace", "10m"}, node, node) // the second keeps the server busy
	touch(t, c.folder("data"), 40)
	c.background(`"state":"running"`, "--op", "nap:ms=60000")
	eventually(t, "the node works", func() bool { return len(c.nodes[0].children()) == 2 })
	children := c.nodes[0].children()
	for _, p := range []*process{c.nodes[0], c.server} {
		p.signal(syscall.SIGTERM)
		eventually(t, "it stops", func() bool { return contains(p, " stops: what ") })
		p.signal(syscall.SIGTERM)
		require.NotZero(t, p.wait(), "the grace was not over")
	}
	allGone(t, children)
	for _, name := range c.outputs("data") { // the server's marker, which the job's end removes
		require.True(t, strings.HasPrefix(name, job.HiddenPrefix), name)
	}
}

// A node with --crash-after dies as by kill -9, with its children, and its tasks
// are done elsewhere.
func TestCrashAfter_TakesTheNodeAndItsChildren(t *testing.T) {
	c := prepare(t, 2)
	c.nodes = []*process{c.startNode(0, "0", "--slots", "2", "--crash-after", "6s"), c.startNode(1, "0")}
	c.startServer()
	touch(t, c.folder("data"), 200)
	id := c.background(`"state":"running"`, "--op", "nap:ms=100")
	eventually(t, "the node works", func() bool { return len(c.nodes[0].children()) == 2 })
	children := c.nodes[0].children()
	c.nodes[0].wait()
	status, ok := c.nodes[0].cmd.ProcessState.Sys().(syscall.WaitStatus)
	require.True(t, ok)
	require.Equal(t, syscall.SIGKILL, status.Signal())
	require.NotContains(t, c.nodes[0].out.String(), "stop")
	allGone(t, children)
	out, code := c.client("watch", id)
	require.Zero(t, code, out)
	c.requireDoneOnce(id, 200)
}

// manager is the socket of a service manager.
type manager struct {
	t    *testing.T
	conn *net.UnixConn
	path string
}

func newManager(t *testing.T) *manager {
	m := &manager{t: t, path: filepath.Join(t.TempDir(), "notify")}
	var err error
	m.conn, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: m.path, Net: "unixgram"})
	require.NoError(t, err)
	t.Cleanup(func() { m.conn.Close() })
	return m
}

// await reads what the program says until it says want.
func (m *manager) await(want string) (message string) {
	m.t.Helper()
	buf := make([]byte, 4096)
	require.NoError(m.t, m.conn.SetReadDeadline(time.Now().Add(patience)))
	for {
		n, err := m.conn.Read(buf)
		require.NoError(m.t, err, "waiting for %s", want)
		if strings.HasPrefix(string(buf[:n]), want) {
			return string(buf[:n])
		}
	}
}

func TestNotify_TheServiceManagerHearsOfReadyReloadWatchdogAndStop(t *testing.T) {
	c := prepare(t, 1)
	for _, program := range [][]string{{"computenode", "0", "--name", "node_0"}, {"server"}} {
		m := newManager(t)
		t.Setenv("NOTIFY_SOCKET", m.path)
		t.Setenv("WATCHDOG_USEC", "200000")
		p := spawn(t, c.dir, program[0], program[1:]...)
		if program[0] == "server" {
			m.await("READY=1\nSTATUS=taking jobs")
			out, code := c.client("jobs")
			require.Zero(t, code, "who is ready answers: %s", out)
			p.signal(syscall.SIGHUP)
			require.Regexp(t, `RELOADING=1\nMONOTONIC_USEC=\d+`, m.await("RELOADING=1"))
			m.await("READY=1")
		} else {
			m.await("READY=1\nSTATUS=taking tasks")
			conn, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", c.addrs[0])
			require.NoError(t, err)
			conn.Close()
		}
		m.await("WATCHDOG=1")
		m.await("WATCHDOG=1")
		p.signal(syscall.SIGTERM)
		require.Contains(t, m.await("STOPPING=1"), "EXTEND_TIMEOUT_USEC=")
		require.Zero(t, p.wait())
	}
}
