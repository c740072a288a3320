package test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMainJob_EveryTaskIsDoneOnceUnderBothPolicies(t *testing.T) {
	c := newCluster(t, nil, nodeArgs{"0.1", "--delay", "50ms"}, nodeArgs{"0.5", "--delay", "50ms"},
		nodeArgs{"0.2", "--delay", "50ms"}, nodeArgs{"0.9", "--delay", "50ms"})
	touch(t, c.folder("data"), 100)
	for _, policy := range []string{"random", "balance"} {
		r, code := c.run("data", "--op", "none", "--policy", policy)
		require.Zero(t, code)
		require.Equal(t, "succeeded", r.State)
		require.Equal(t, 100, r.Done)
		sum, rejected, delayed := 0, 0, 0
		for _, n := range r.Nodes {
			sum, rejected, delayed = sum+n.Done, rejected+n.Rejected, delayed+n.Delayed
		}
		require.Equal(t, 100, sum)
		require.Equal(t, policy == "balance", rejected > 0, "only balance rejects")
		require.Positive(t, delayed)
	}
	out, code := c.client("--op", "none", "--policy", "random,balance", "data")
	require.Zero(t, code)
	for _, want := range []string{"random", "balance", "node_0", "node_3", "rejected", "delayed", "mean ms"} {
		require.Contains(t, out, want)
	}
}

func TestMainJob_LostNodesCostARetryNeverAnImage(t *testing.T) {
	blows := map[string]func(c *cluster){
		"killed":           func(c *cluster) { c.nodes[0].kill() },
		"hung":             func(c *cluster) { c.nodes[0].freeze() },
		"killed and back":  func(c *cluster) { c.nodes[0].kill(); c.nodes[0] = c.startNode(0, "0", "--delay", "1s") },
		"two of three die": func(c *cluster) { c.nodes[0].kill(); c.nodes[1].kill() },
	}
	for name, blow := range blows {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// Every task is delayed a second on its node, so that the blow meets them in flight.
			c := newCluster(t, nil, nodeArgs{"1", "--delay", "1s"}, nodeArgs{"1", "--delay", "1s"}, nodeArgs{"1", "--delay", "1s"})
			touch(t, c.folder("data"), 30)
			client := spawn(t, c.dir, "client", "--op", "none", "--policy", "random", "data")
			eventually(t, "the job runs", func() bool { out, _ := c.client("nodes"); return strings.Contains(out, "processing") })
			blow(c)
			require.Zero(t, client.wait(), client.out.String())
			require.Contains(t, client.out.String(), "30/30")
		})
	}
}

func TestMainJob_EverybodyRejectingEndsInATypedError(t *testing.T) {
	all := nodeArgs{"1", "--delay", "50ms"}
	t.Run("at the deadline", func(t *testing.T) {
		c := newCluster(t, nil, all, all, all, all)
		touch(t, c.folder("data"), 7)
		r, code := c.run("data", "--op", "none", "--policy", "balance", "--deadline", "700ms")
		require.Equal(t, 1, code)
		require.Equal(t, "failed", r.State)
		require.Equal(t, "deadline_exceeded", r.Error.Code)
		require.Contains(t, r.Error.Message, "7 of 7 tasks not done: ")
		require.Len(t, r.Failures, 7)
	})
	t.Run("without one, when nothing moves", func(t *testing.T) {
		c := newCluster(t, []string{"--stall-timeout", "700ms"}, all, all, all, all)
		touch(t, c.folder("data"), 7)
		r, code := c.run("data", "--op", "none", "--policy", "balance")
		require.Equal(t, 1, code)
		require.Equal(t, "deadline_exceeded", r.Error.Code)
		require.Contains(t, r.Error.Message, "every node rejects, with 7 of 7 tasks not done: ")
	})
}

func TestMainJob_InterruptedClientLeavesNoWorkRunning(t *testing.T) {
	c := newCluster(t, nil, nodeArgs{"1", "--delay", "1h"})
	touch(t, c.folder("data"), 20)
	client := spawn(t, c.dir, "client", "--op", "none", "--policy", "random", "data")
	eventually(t, "the tasks are delayed on the node", func() bool {
		out, _ := c.client("nodes", "--json")
		return strings.Contains(out, `"delayed":20`)
	})
	client.signal(os.Interrupt)
	require.Equal(t, 130, client.wait())
	require.Contains(t, client.out.String(), "cancelled")
	eventually(t, "the node has dropped them", func() bool {
		out, _ := c.client("nodes", "--json")
		return strings.Contains(out, `"delayed":0`) && strings.Contains(out, `"outstanding":0`)
	})
}

func TestMainJob_KilledClientLeavesTheJobVisible(t *testing.T) {
	c := newCluster(t, nil, nodeArgs{"1", "--delay", "1h"})
	touch(t, c.folder("data"), 3)
	client := spawn(t, c.dir, "client", "--op", "none", "--policy", "random", "data")
	eventually(t, "the job runs", func() bool { out, _ := c.client("jobs"); return strings.Contains(out, "running") })
	client.kill()
	out, code := c.client("jobs")
	require.Zero(t, code)
	require.Contains(t, out, "running")
	id := strings.Fields(strings.Split(out, "\n")[1])[0]
	out, code = c.client("cancel", id)
	require.Zero(t, code, out)
	require.Contains(t, out, "cancelled")
}

func TestMainJob_ProgramsStopCleanlyWhenAsked(t *testing.T) {
	c := newCluster(t, nil, nodeArgs{"1", "--delay", "1h"}, nodeArgs{"0"})
	touch(t, c.folder("data"), 10)
	client := spawn(t, c.dir, "client", "--op", "none", "--policy", "random", "data")
	eventually(t, "the job runs", func() bool { out, _ := c.client("jobs"); return strings.Contains(out, "running") })
	c.server.signal(syscall.SIGTERM)
	require.Zero(t, c.server.wait())
	require.NotZero(t, client.wait(), "the client hears that its job ended")
	for _, n := range c.nodes {
		n.signal(os.Interrupt)
		require.Zero(t, n.wait())
	}
}

func TestCommandLine_ExitCodesAndOneClearLine(t *testing.T) {
	c := newCluster(t, nil, nodeArgs{"0"})
	c.folder("empty")
	require.NoError(t, os.MkdirAll(filepath.Join(c.dir, "bare"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(c.dir, "bad.txt"), []byte("node_0 127.0.0.1:90x\n"), 0o644))
	good := filepath.Base(filepath.Dir(c.folder("good")))
	touch(t, filepath.Join(c.dir, good, "input_dir"), 1)
	tests := map[string]struct {
		program string
		args    []string
		code    int
		says    string
	}{
		"client, no folder":        {"client", nil, 2, "no folder is named"},
		"client, wrong flag":       {"client", []string{"--polcy", "random", "good"}, 2, "polcy"},
		"client, wrong policy":     {"client", []string{"--policy", "best", "good"}, 2, `policy "best"`},
		"client, wrong operation":  {"client", []string{"--op", "blurr", "good"}, 2, `operation "blurr"`},
		"client, wrong parameter":  {"client", []string{"--op", "none:x=1", "good"}, 2, "x"},
		"client, wrong deadline":   {"client", []string{"--deadline", "-1s", "good"}, 2, "deadline"},
		"client, no server":        {"client", []string{"--server", freeAddr(t), "good"}, 3, "bin/server"},
		"client, no such folder":   {"client", []string{"nowhere"}, 2, "no such folder"},
		"client, no input_dir":     {"client", []string{"bare"}, 2, "input_dir"},
		"client, empty input_dir":  {"client", []string{"empty"}, 2, "no picture"},
		"client, outside the root": {"client", []string{"/etc"}, 2, "--root"},
		"client, dots":             {"client", []string{"../" + filepath.Base(c.dir) + "/../x"}, 2, "--root"},
		"client, no such job":      {"client", []string{"job", "nobody"}, 2, "no such job"},
		"server, wrong flag":       {"server", []string{"--windw", "3"}, 2, "windw"},
		"server, no machine.txt":   {"server", []string{"--machines", "none.txt"}, 2, "none.txt"},
		"server, bad machine.txt":  {"server", []string{"--machines", "bad.txt"}, 2, "bad.txt:1: port \"90x\""},
		"server, port in use":      {"server", []string{"--listen", c.addr}, 1, "in use"},
		"server, beyond loopback":  {"server", []string{"--listen", "0.0.0.0:0"}, 2, "--insecure"},
		"node, probability -1":     {"computenode", []string{"-1"}, 2, "-1"},
		"node, probability 1.5":    {"computenode", []string{"1.5"}, 2, "1.5"},
		"node, probability NaN":    {"computenode", []string{"NaN"}, 2, "NaN"},
		"node, probability abc":    {"computenode", []string{"abc"}, 2, "abc"},
		"node, no probability":     {"computenode", nil, 2, "load probability"},
		"node, not in machine.txt": {"computenode", []string{"0", "--name", "node_9"}, 2, "node_9"},
		"node, port in use":        {"computenode", []string{"0", "--listen", c.addrs[0]}, 1, "in use"},
		"node, beyond loopback":    {"computenode", []string{"0", "--listen", "0.0.0.0:0"}, 2, "--insecure"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p := spawn(t, c.dir, test.program, test.args...)
			require.Equal(t, test.code, p.wait(), p.out.String())
			out := strings.TrimSpace(p.out.String())
			require.Contains(t, out, test.says)
			require.NotContains(t, out, "\n", "one line")
		})
	}
	for _, program := range []string{"client", "server", "computenode"} {
		p := spawn(t, c.dir, program, "--help")
		require.Zero(t, p.wait())
		require.Contains(t, p.out.String(), "Examples:", fmt.Sprint(program))
	}
}
