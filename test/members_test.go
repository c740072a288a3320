package test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// states are the nodes that the server lists, by name.
func (c *cluster) states() map[string]string {
	c.t.Helper()
	out, code := c.client("--json", "nodes")
	require.Zero(c.t, code, out)
	states := map[string]string{}
	for line := range strings.Lines(out) {
		var n struct{ Name, State string }
		require.NoError(c.t, json.Unmarshal([]byte(line), &n))
		states[n.Name] = n.State
	}
	return states
}

// done is how many tasks of the job each node has done.
func (c *cluster) done(id string) (total int, byNode map[string]int) {
	c.t.Helper()
	out, code := c.client("--json", "job", id)
	require.Zero(c.t, code, out)
	var r result
	require.NoError(c.t, json.Unmarshal([]byte(out), &r))
	byNode = map[string]int{}
	for _, n := range r.Nodes {
		byNode[n.Node] = n.Done
	}
	return r.Done, byNode
}

// While one job runs, a node joins, one is drained, one comes by SIGHUP and the one
// that joined is killed: every task is done.
func TestMembers_ComeAndGoWhileAJobRuns(t *testing.T) {
	slow := nodeArgs{"1", "--delay", "1s", "--slots", "4", "--isolate", "off"} // so that the job lasts
	c := newCluster(t, nil, slow, slow)
	c.flags = []string{"--server", c.addr} // machine.txt will be broken for a while
	const tasks = 8_000
	touch(t, c.folder("data"), tasks)
	out, code := c.client("data", "--op", "none", "--policy", "random", "--detach")
	require.Zero(t, code, out)
	id := strings.TrimSpace(out)
	got := func(node string, more int) func() bool {
		return func() bool { _, by := c.done(id); return by[node] >= more }
	}
	eventually(t, "the job has begun", got("node_0", 1))

	joined := spawn(t, c.dir, "computenode", append(slow, "--controller", c.addr, "--worker-name", "node_late", "--tags", "late")...)
	eventually(t, "the node that joined works", got("node_late", 1))
	out, code = c.client("node", "node_late")
	require.Zero(t, code, out)
	require.Contains(t, out, "joined by itself")
	require.Contains(t, out, "joined the server", "its log")

	out, code = c.client("drain", "node_1")
	require.Zero(t, code, out)
	require.Contains(t, out, "draining")
	_, before := c.done(id)

	text, err := os.ReadFile(filepath.Join(c.dir, "machine.txt"))
	require.NoError(t, err)
	c.names, c.addrs = append(c.names, "node_2"), append(c.addrs, freeAddr(t))
	require.NoError(t, os.WriteFile(filepath.Join(c.dir, "machine.txt"), append(text, "node_2 h:90x\n"...), 0o644))
	c.server.signal(syscall.SIGHUP)
	eventually(t, "the broken file is refused", func() bool { return strings.Contains(c.server.out.String(), "machine.txt is not taken over") })
	require.Len(t, c.states(), 3)
	require.NoError(t, os.WriteFile(filepath.Join(c.dir, "machine.txt"), append(text, "node_2 "+c.addrs[2]+"\n"...), 0o644))
	c.nodes = append(c.nodes, c.startNode(2, slow...))
	c.server.signal(syscall.SIGHUP)
	eventually(t, "the node of the new line works", got("node_2", 1))

	joined.kill()
	eventually(t, "the job is done", func() bool { total, _ := c.done(id); return total == tasks })
	out, code = c.client("job", id)
	require.Zero(t, code)
	require.Contains(t, out, "succeeded")
	_, after := c.done(id)
	require.LessOrEqual(t, after["node_1"]-before["node_1"], 1024, "it finished what it had")
	sum := 0
	for _, n := range after {
		sum += n
	}
	require.Equal(t, tasks, sum, "%v", after)

	require.Equal(t, "draining", c.states()["node_1"])
	out, code = c.client("drain", "--undo", "node_1")
	require.Zero(t, code, out)
	require.Equal(t, "idle", c.states()["node_1"])
	eventually(t, "the one that was killed is forgotten", func() bool { return c.states()["node_late"] == "" })
	require.NotContains(t, c.server.out.String(), "panic")
}

// A server without any machine.txt lives of nodes that join, through its own
// restart; a node that is stopped is forgotten at once.
func TestMembers_ServerWithoutMachineTxt(t *testing.T) {
	for _, name := range []string{"plain", "tls"} {
		t.Run(name, func(t *testing.T) {
			c := &cluster{t: t, dir: t.TempDir(), addr: freeAddr(t)}
			own := func(string) []string { return nil }
			if name == "tls" {
				c.certs("ours", "server=127.0.0.1", "node_a=127.0.0.1", "client")
				own = func(name string) []string { return tlsFlags("ours", name) }
			}
			c.flags = append(own("client"), "--server", c.addr)
			testJoining(t, c, own)
		})
	}
}

func testJoining(t *testing.T, c *cluster, own func(name string) []string) {
	start := func() {
		c.server = spawn(t, c.dir, "server", append(own("server"), "--machines", "", "--listen", c.addr)...)
	}
	begin := func() *process {
		return spawn(t, c.dir, "computenode", append(own("node_a"), "0", "--controller", c.addr, "--worker-name", "node_a", "--isolate", "off")...)
	}
	node := begin()
	eventually(t, "the node waits for its server", func() bool { return strings.Contains(node.out.String(), "could not join the server") })
	start()
	idle := func(name string) func() bool { return func() bool { return c.reached() && c.states()[name] == "idle" } }
	eventually(t, "the node has joined", idle("node_a"))
	twin := begin()
	eventually(t, "its name is taken", func() bool { return strings.Contains(twin.out.String(), "a node of that name answers at") })
	twin.kill()

	touch(t, c.folder("data"), 100)
	r, code := c.run("data", "--op", "none")
	require.Zero(t, code, "%+v", r)
	require.Equal(t, 100, r.Done)

	c.server.signal(syscall.SIGHUP)
	c.server.signal(syscall.SIGTERM)
	require.Zero(t, c.server.wait())
	start()
	eventually(t, "the node has joined again", idle("node_a"))
	node.signal(syscall.SIGTERM)
	require.Zero(t, node.wait())
	eventually(t, "the node is gone", func() bool { return len(c.states()) == 0 })
	require.Contains(t, c.server.out.String(), "why=\"it stopped\"")
}

// reached reports whether the server answers.
func (c *cluster) reached() bool {
	_, code := c.client("nodes")
	return code == 0
}

// A node that is told to stop finishes what it had: no attempt on it fails.
func TestMembers_StoppedNodeFinishesWhatItHas(t *testing.T) {
	slow := nodeArgs{"1", "--delay", "1s", "--isolate", "off"}
	c := newCluster(t, nil, slow, slow)
	joined := spawn(t, c.dir, "computenode", append(slow, "--controller", c.addr, "--worker-name", "node_late")...)
	eventually(t, "the node has joined", func() bool { return c.states()["node_late"] == "idle" })
	const tasks = 5000
	touch(t, c.folder("data"), tasks)
	out, code := c.client("data", "--op", "none", "--policy", "random", "--detach")
	require.Zero(t, code, out)
	id := strings.TrimSpace(out)
	eventually(t, "every node works", func() bool {
		_, by := c.done(id)
		return by["node_late"] > 0 && by["node_1"] > 0
	})
	joined.signal(syscall.SIGTERM)     // it joined by itself
	c.nodes[1].signal(syscall.SIGTERM) // machine.txt names it
	require.Zero(t, joined.wait())
	require.Zero(t, c.nodes[1].wait())
	eventually(t, "the job is done", func() bool { total, _ := c.done(id); return total == tasks })
	out, code = c.client("--json", "job", id)
	require.Zero(t, code)
	var r result
	require.NoError(t, json.Unmarshal([]byte(out), &r))
	for _, n := range r.Nodes {
		require.Zero(t, n.Failed, "%+v", n)
	}
	require.Equal(t, map[string]string{"node_0": "idle", "node_1": "inaccessible"}, c.states())
}
