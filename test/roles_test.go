package test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"spillway/job"
	"spillway/rpc"
)

// A node is who its certificate says, and does what a node does: in another's
// place, under another's name or as a client it gets nowhere.
func TestTLS_NobodySpeaksForAnother(t *testing.T) {
	c := prepare(t, 2)
	c.certs("ours", "server=127.0.0.1", "node_0=127.0.0.1", "node_1=127.0.0.1", "client")
	c.flags = tlsFlags("ours", "client")
	c.nodes = []*process{c.startNode(0, append(tlsFlags("ours", "node_0"), "0")...)}
	spawn(t, c.dir, "computenode", append(tlsFlags("ours", "node_0"), "0", "--name", "node_0", "--listen", c.addrs[1])...)
	c.startServer(tlsFlags("ours", "server")...)
	touch(t, c.folder("data"), 200)
	r, code := c.run("data", "--op", "none", "--policy", "random")
	require.Zero(t, code, "%+v", r)
	for _, n := range r.Nodes {
		require.Equal(t, n.Node == "node_0", n.Done > 0, "%+v", n)
	}
	eventually(t, "the server says why node_1 gets nothing", func() bool {
		out, _ := c.client("nodes")
		return strings.Contains(out, "the certificate is for the node node_0, not for the node node_1")
	})

	joins := []string{"0", "--controller", c.addr, "--worker-name", "node_9"}
	honest := spawn(t, c.dir, "computenode", append(tlsFlags("ours", "node_1"), joins...)...)
	require.Equal(t, 2, honest.wait())
	require.Contains(t, honest.out.String(), "node_1.pem: the certificate is for the node node_1, not for the node node_9")
	thief := spawn(t, c.dir, "computenode", append(tlsFlags("ours", "node_1"), append(joins, "--tls-roles=off")...)...)
	eventually(t, "the thief is refused", func() bool { return contains(thief, "register node_9: the certificate is for the node node_1") })
	out, _ := c.client("nodes")
	require.NotContains(t, out, "node_9")

	c.flags = append(tlsFlags("ours", "node_1"), "--tls-roles=off")
	for _, args := range [][]string{{"data", "--op", "none"}, {"--detach", "data"}, {"jobs"}, {"cancel", r.ID}, {"drain", "node_0"}, {"nodes"}} {
		out, code := c.client(args...)
		require.Equal(t, 2, code, out)
		require.Contains(t, out, "the certificate is for the node node_1, not for a client; use one that has the URI spillway:client", "%v", args)
	}
	c.requireOnlyServersRun()
}

// requireOnlyServersRun calls node_0 as a client, around the server.
func (c *cluster) requireOnlyServersRun() {
	in := func(file string) string { return filepath.Join(c.dir, "ours", file) }
	me, err := rpc.TLS{Cert: in("client.pem"), Key: in("client.key"), CA: in("ca.pem")}.Load(rpc.ClientRole)
	require.NoError(c.t, err)
	conn := rpc.NewNodeConn(c.addrs[0], rpc.NodeConnConfig{TLS: me, Node: "node_0"})
	defer conn.Close()
	_, err = conn.Execute(c.t.Context(), job.Task{
		Job: "j", Attempt: 1, Base: filepath.Join(c.dir, "data"), Name: "p000000.png", Operation: job.Operation{Name: "none"},
	})
	require.Equal(c.t, job.PermissionDenied, job.CodeOf(err), "%v", err)
}

// make certs makes what machine.txt wants, and a cluster works with it; so does
// one certificate for all programs of a machine.
func TestTLS_CertificatesOfMachineTxtAndOneForAll(t *testing.T) {
	c := prepare(t, 2)
	c.certs("ours", "--machines", filepath.Join(c.dir, "machine.txt"))
	c.certs("ours", "all=127.0.0.1", "client")
	c.flags = tlsFlags("ours", "client")
	c.nodes = []*process{
		c.startNode(0, append(tlsFlags("ours", "node_0"), "0")...),
		c.startNode(1, append(tlsFlags("ours", "all"), "0")...),
	}
	c.startServer(tlsFlags("ours", "server")...)
	touch(t, c.folder("data"), 50)
	r, code := c.run("data", "--op", "none")
	require.Zero(t, code, "%+v", r)
	require.Equal(t, 50, r.Done)
	c.flags = tlsFlags("ours", "all")
	r, code = c.run("data", "--op", "none")
	require.Zero(t, code, "%+v", r)
}
