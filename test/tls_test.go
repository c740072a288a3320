package test

import (
	"crypto/tls"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// certs makes an authority and certificates in folder, as docs/tls.md says.
func (c *cluster) certs(folder string, names ...string) {
	c.t.Helper()
	if _, err := exec.LookPath("openssl"); err != nil {
		c.t.Skip("openssl is not installed")
	}
	out, err := exec.Command("../tools/certs", append([]string{filepath.Join(c.dir, folder)}, names...)...).CombinedOutput()
	require.NoError(c.t, err, "%s", out)
}

// tlsFlags are the flags of the program that has that name's certificate.
func tlsFlags(folder, name string) []string {
	in := func(file string) string { return filepath.Join(folder, file) }
	return []string{"--tls-cert", in(name + ".pem"), "--tls-key", in(name + ".key"), "--tls-ca", in("ca.pem")}
}

// A cluster whose programs all have certificates works as any other, loses a node
// without losing a task, and serves nobody else, who is told why.
func TestTLS_WholeClusterAndNobodyElse(t *testing.T) {
	c := prepare(t, 4)
	c.certs("ours", "server=127.0.0.1", "node_0=127.0.0.1", "node_1=127.0.0.1", "node_2=lab8", "client")
	c.certs("theirs", "client", "node_3=127.0.0.1")
	c.flags = tlsFlags("ours", "client")
	c.nodes = []*process{
		c.startNode(0, append(tlsFlags("ours", "node_0"), "0.2")...),
		c.startNode(1, append(tlsFlags("ours", "node_1"), "0")...),
	}
	c.startNode(2, append(tlsFlags("ours", "node_2"), "0")...)   // its certificate is for another host
	c.startNode(3, append(tlsFlags("theirs", "node_3"), "0")...) // another authority's
	c.startServer(tlsFlags("ours", "server")...)

	touch(t, c.folder("data"), 500)
	r, code := c.run("data", "--op", "none", "--policy", "random")
	require.Zero(t, code, "%+v", r)
	require.Equal(t, 500, r.Done)
	for _, n := range r.Nodes {
		require.Equal(t, n.Node == "node_0" || n.Node == "node_1", n.Done > 0, "%+v", n)
	}

	c.nodes[1].kill()
	r, code = c.run("data", "--op", "none")
	require.Zero(t, code, "%+v", r)
	require.Equal(t, 500, r.Done)

	for _, stranger := range []struct {
		flags []string
		says  string
	}{
		{nil, "--tls-cert"},
		{tlsFlags("theirs", "client"), "authority"},
	} {
		c.flags = stranger.flags
		out, code := c.client("nodes")
		require.NotZero(t, code)
		require.Contains(t, out, stranger.says)
		out, code = c.client("data", "--op", "none")
		require.NotZero(t, code)
		require.Contains(t, out, stranger.says)
	}
	for _, addr := range []string{c.addr, c.addrs[0]} { // in case a client is only polite
		conn, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
		if err == nil {
			_, err = conn.Read(make([]byte, 1))
			conn.Close()
		}
		require.ErrorContains(t, err, "certificate required")
	}
	require.NotContains(t, c.server.out.String(), "panic")
}

// contains tells whether a program has said it yet.
func contains(p *process, text string) bool { return strings.Contains(p.out.String(), text) }
