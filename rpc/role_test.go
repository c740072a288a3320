package rpc

import (
	"context"
	"crypto/x509"
	"log/slog"
	"net/url"
	"slices"
	"testing"

	"github.com/apache/thrift/lib/go/thrift"
	"github.com/stretchr/testify/require"

	"spillway/gen-go/spillway"
	"spillway/job"
)

// serverOverTLS is a server with a certificate, and what it logs.
func serverOverTLS(t *testing.T, c *Credentials) (addr string, s *fakeService, log *logBuffer) {
	s, log = newFakeService(job.Running), &logBuffer{}
	l, err := Listen("127.0.0.1:0", ListenOptions{TLS: c})
	require.NoError(t, err)
	background(t, func(ctx context.Context) error {
		return ServeService(ctx, l, s, slog.New(slog.NewTextHandler(log, nil)))
	})
	return l.Addr().String(), s, log
}

// nodeOverTLS is a node with a certificate.
func nodeOverTLS(t *testing.T, c *Credentials) (addr string) {
	l, err := Listen("127.0.0.1:0", ListenOptions{TLS: c})
	require.NoError(t, err)
	background(t, func(ctx context.Context) error { return ServeNode(ctx, l, fakeNode{}, quietLog()) })
	return l.Addr().String()
}

func serviceOver(t *testing.T, addr string, c *Credentials) *ServiceConn {
	conn := NewServiceConn(addr, c)
	t.Cleanup(func() { conn.Close() })
	return conn
}

func TestRole_IsReadFromTheCertificate(t *testing.T) {
	for text, want := range map[string][]Role{
		"spillway:server":      {"server"},
		"spillway:node/node_0": {"node/node_0"},
		"SPILLWAY:client":      {"client"},
		"spillway:":            nil,
		"spillway:/server":     nil,
		"spillway://server":    nil,
		"spiffe://lab/server":  nil,
		"https://node_0":       nil,
	} {
		uri, err := url.Parse(text)
		require.NoError(t, err)
		require.Equal(t, want, rolesOf(&x509.Certificate{URIs: []*url.URL{uri}}), text)
	}
}

func TestRole_AnotherNameIsNotEnough(t *testing.T) {
	for _, row := range []struct {
		have []Role
		want Role
		ok   bool
	}{
		{[]Role{"node/node_0"}, NodeRole("node_0"), true},
		{[]Role{"node/node_0"}, NodeRole("node_1"), false},
		{[]Role{"node/node_0"}, NodeRole("node_00"), false},
		{[]Role{"node/node_1", "node/node_0"}, NodeRole("node_0"), true},
		{[]Role{"node/*"}, NodeRole("node_0"), true},
		{[]Role{"node/node_*"}, NodeRole("node_0"), false},
		{[]Role{"*"}, NodeRole("node_0"), false},
		{[]Role{"node/*"}, ServerRole, false},
		{[]Role{"node/*"}, ClientRole, false},
		{[]Role{"server"}, ClientRole, false},
		{[]Role{"client"}, ClientRole, true},
		{nil, ClientRole, false},
	} {
		cert := &x509.Certificate{}
		as(row.have...)(cert)
		require.Equal(t, row.ok, bears(cert, row.want), "%+v", row)
	}
}

func TestRole_ANodesCertificateCannotUseTheServer(t *testing.T) {
	a := newAuthority(t)
	addr, s, log := serverOverTLS(t, a.credentials(as(ServerRole)))
	conn := serviceOver(t, addr, a.credentials(as("node/node_0")))
	_, submit := conn.Submit(soon(t), job.Spec{ID: "j", Source: "data"})
	_, run := conn.Run(soon(t), job.Spec{ID: "j", Source: "data"}, true)
	_, look := conn.Job(soon(t), "j")
	_, list := conn.Jobs(soon(t), job.Filter{})
	_, tasks := conn.Tasks(soon(t), "j", job.TaskFilter{})
	_, nodes := conn.Nodes(soon(t))
	_, text := conn.NodeLog(soon(t), "node_0", 1)
	_, watch := conn.Watch(soon(t), "j", job.NoSteps)
	for method, err := range map[string]error{
		"submit": submit, "submit_request": run, "job": look, "jobs": list, "tasks": tasks, "nodes": nodes, "node_log": text, "wait": watch,
		"cancel": conn.Cancel(soon(t), "j"), "retry_failed": conn.Retry(soon(t), "j"), "drain_node": conn.Drain(soon(t), "node_0", true),
	} {
		require.Equal(t, job.PermissionDenied, job.CodeOf(err), "%s: %v", method, err)
		require.ErrorContains(t, err, "the certificate is for the node node_0, not for a client", method)
		require.Contains(t, job.HintOf(err), "spillway:client", method)
		if method != "wait" {
			require.Contains(t, log.String(), "method="+method)
		}
	}
	require.NoError(t, conn.Ping(soon(t)))
	require.Empty(t, s.submitted)
	require.Empty(t, s.cancelled)
	require.Empty(t, s.drains)
	clients := serviceOver(t, addr, a.credentials(as(ClientRole)))
	_, err := clients.Submit(soon(t), job.Spec{ID: "j", Source: "data"})
	require.NoError(t, err)
	require.NoError(t, clients.Drain(soon(t), "node_0", true))
}

func TestRole_ANodeRegistersUnderItsOwnNameOnly(t *testing.T) {
	a := newAuthority(t)
	addr, s, _ := serverOverTLS(t, a.credentials(as(ServerRole)))
	for _, row := range []struct {
		have Role
		name job.NodeID
		says string
	}{
		{"node/node_0", "node_0", ""},
		{"node/node_0", "node_1", "register node_1: the certificate is for the node node_0, not for the node node_1"},
		{"node/*", "node_7", ""},
		{ClientRole, "node_0", "register_node: the certificate is for a client, not for a node"},
		{ServerRole, "node_0", "register_node: the certificate is for a server, not for a node"},
	} {
		s.registered = nil
		conn := serviceOver(t, addr, a.credentials(as(row.have)))
		_, err := conn.Register(soon(t), job.Registration{Node: row.name, Addr: "lab:5000", Leaving: true})
		if row.says == "" {
			require.NoError(t, err)
			require.Len(t, s.registered, 1)
			continue
		}
		require.Equal(t, job.PermissionDenied, job.CodeOf(err))
		require.ErrorContains(t, err, row.says)
		require.Empty(t, s.registered)
	}
}

func TestRole_OnlyTheServerRunsTasksOnANode(t *testing.T) {
	a := newAuthority(t)
	addr := nodeOverTLS(t, a.credentials(as("node/node_0")))
	for _, role := range []Role{ClientRole, "node/node_0", "node/*", "other"} {
		conn := connect(t, addr, NodeConnConfig{TLS: a.credentials(as(role)), Node: "node_0"})
		_, err := conn.Execute(soon(t), aTask)
		require.Equal(t, job.PermissionDenied, job.CodeOf(err), "%v", err)
		require.ErrorContains(t, err, "not for a server")
		_, err = conn.Probe(soon(t))
		require.ErrorContains(t, err, "not for a server")
		_, err = conn.Log(soon(t), 1)
		require.ErrorContains(t, err, "not for a server")
		_, err = spillway.NewComputeNodeClient(conn.pool).Execute(soon(t), "data", "a.png")
		require.ErrorContains(t, err, "not for a server")
		require.ErrorContains(t, spillway.NewComputeNodeClient(conn.pool).CancelAttempt(soon(t), "j", 1, 1), "not for a server")
		require.NoError(t, spillway.NewComputeNodeClient(conn.pool).Ping(soon(t)), "the connection goes on")
	}
	conn := connect(t, addr, NodeConnConfig{TLS: a.credentials(as(ServerRole)), Node: "node_0"})
	_, err := conn.Execute(soon(t), aTask)
	require.NoError(t, err)
}

func TestRole_WhoAnswersMustBeWhoWasDialled(t *testing.T) {
	a := newAuthority(t)
	me := a.credentials(as(ServerRole))
	impostor := nodeOverTLS(t, a.credentials(as("node/node_1")))
	conn := connect(t, impostor, NodeConnConfig{TLS: me, Node: "node_0"})
	_, err := conn.Probe(soon(t))
	require.ErrorContains(t, err, "the certificate is for the node node_1, not for the node node_0")
	require.ErrorIs(t, err, job.ErrNotSent)
	require.Contains(t, job.HintOf(err), "spillway:node/node_0")
	_, err = conn.Execute(soon(t), aTask)
	require.ErrorIs(t, err, job.ErrNotSent, "no task reaches it")

	for _, have := range []Role{"node/node_0", ClientRole} {
		addr, s, _ := serverOverTLS(t, a.credentials(as(have)))
		_, err = serviceOver(t, addr, a.credentials(as(ClientRole))).Submit(soon(t), job.Spec{ID: "j", Source: "data"})
		require.ErrorContains(t, err, "not for a server")
		require.Empty(t, s.submitted)
	}
}

// Certificates of another authority have no roles: with --tls-roles=off on both
// sides they serve as they always did.
func TestRole_OffLetsEveryCertificateOfTheAuthorityDoEverything(t *testing.T) {
	a := newAuthority(t)
	files := a.issue("plain", nil)
	files.Roles = rolesOff
	c, err := files.Load(ServerRole)
	require.NoError(t, err)
	addr, s, _ := serverOverTLS(t, c)
	conn := serviceOver(t, addr, c)
	_, err = conn.Submit(soon(t), job.Spec{ID: "j", Source: "data"})
	require.NoError(t, err)
	_, err = conn.Register(soon(t), job.Registration{Node: "node_9", Addr: "lab:5000", Leaving: true})
	require.NoError(t, err)
	require.Len(t, s.registered, 1)
	node := connect(t, nodeOverTLS(t, c), NodeConnConfig{TLS: c, Node: "node_0"})
	_, err = node.Execute(soon(t), aTask)
	require.NoError(t, err)
	strict := serviceOver(t, addr, a.credentials(as(ClientRole)))
	require.ErrorContains(t, strict.Ping(soon(t)), "the certificate is for no role, not for a server", "one side alone does not suffice")
}

// Every call that exists is for somebody, and none but ping for all.
func TestRole_NoCallIsForgotten(t *testing.T) {
	for name, row := range map[string]struct {
		may   permits
		calls []string
	}{
		"server": {serverPermits(), methods(spillway.NewServerProcessor(nil))},
		"node":   {nodePermits(), methods(spillway.NewComputeNodeProcessor(nil))},
	} {
		require.NotEmpty(t, row.calls)
		for _, call := range row.calls {
			require.Equal(t, call == "ping", row.may.rule(call) == anyone, "%s %s", name, call)
		}
		for call := range row.may.named {
			require.True(t, slices.Contains(row.calls, call), "%s has no call %s", name, call)
		}
	}
}

func methods(p thrift.TProcessor) []string {
	var names []string
	for name := range p.ProcessorMap() {
		names = append(names, name)
	}
	return names
}
