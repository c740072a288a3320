package test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// A node may be of any kind of sick: as long as one is well, every task is done.
func TestHostileNodes_CostARetryNeverATask(t *testing.T) {
	c := prepare(t, 6)
	good := c.startNode(0, "0")
	c.nodes = append(c.nodes, good)
	// Nobody listens at node_1.
	silent(t, c.addrs[2])
	behind := freeAddr(t)
	spawn(t, c.dir, "computenode", "0", "--name", "node_0", "--listen", behind)
	// These answer probes as the real node behind them does, and spoil the tasks.
	spoil(t, c.addrs[3], behind, func(conn net.Conn, answer []byte) error {
		_, _ = conn.Write(answer[:len(answer)/2])
		return errors.New("cut in mid-answer")
	})
	spoil(t, c.addrs[4], behind, func(conn net.Conn, answer []byte) error {
		_, err := conn.Write(bytes.Repeat([]byte("rubbish!"), 1+len(answer)/8))
		return err
	})
	spoil(t, c.addrs[5], behind, func(net.Conn, []byte) error { return nil }) // never answers
	c.startServer("--attempt-timeout", "2s")
	eventually(t, "the sick look well", func() bool { out, _ := c.client("nodes"); return strings.Count(out, "idle") == 4 })
	touch(t, c.folder("data"), 200)
	for _, policy := range []string{"random", "balance"} {
		r, code := c.run("data", "--op", "none", "--policy", policy)
		require.Zero(t, code, "%+v", r)
		require.Equal(t, 200, r.Done)
		for _, n := range r.Nodes {
			require.Equal(t, n.Node != "node_0", n.Failed > 0, "%+v", n)
		}
	}
}

// silent accepts connections and never answers.
func silent(t *testing.T, addr string) {
	listen(t, addr, func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) })
}

// spoil stands before the real node at behind. It hands everything through but
// the answers to run, which spoiled gets instead.
func spoil(t *testing.T, addr, behind string, spoiled func(conn net.Conn, answer []byte) error) {
	listen(t, addr, func(conn net.Conn) {
		node, err := net.Dial("tcp", behind)
		if err != nil {
			return
		}
		defer node.Close()
		go func() { _, _ = io.Copy(node, conn); node.Close() }()
		buf := make([]byte, 1<<16)
		for {
			n, err := node.Read(buf)
			if err != nil {
				return
			}
			if bytes.Contains(buf[:n], []byte("\x00\x00\x00\x03run")) {
				err = spoiled(conn, buf[:n])
			} else {
				_, err = conn.Write(buf[:n])
			}
			if err != nil {
				return
			}
		}
	})
}

// listen serves connections until the test ends.
func listen(t *testing.T, addr string, serve func(net.Conn)) {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	require.NoError(t, err)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var open []net.Conn
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open = append(open, conn)
			mu.Unlock()
			wg.Go(func() { defer conn.Close(); serve(conn) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for _, conn := range open {
			conn.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
}
