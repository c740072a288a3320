package rpc

import (
	"context"
	"errors"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
)

// Register, Drain and NodeLog of the fake note what they are told.
func (s *fakeService) Register(_ context.Context, r job.Registration) (time.Duration, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.Node == "node_taken" {
		return 0, job.E(job.AlreadyExists, "register", errors.New("taken"), "choose another --worker-name")
	}
	s.registered = append(s.registered, r)
	return 1500 * time.Millisecond, nil
}

func (s *fakeService) Drain(_ context.Context, node job.NodeID, on bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if node != "node_0" {
		return job.E(job.NotFound, "node "+string(node), errors.New("no such node"), "list the nodes with: client nodes")
	}
	s.drains = append(s.drains, on)
	return nil
}

func (s *fakeService) NodeLog(_ context.Context, node job.NodeID, lines int) ([]string, error) {
	if node != "node_0" {
		return nil, job.E(job.NotFound, "node "+string(node), errors.New("no such node"), "list the nodes with: client nodes")
	}
	return []string{"asked for " + strconv.Itoa(lines), "not \xff text"}, nil
}

func TestServiceConn_NodesJoinDrainAndTellTheirLog(t *testing.T) {
	s := newFakeService(job.Running)
	addr, _ := startService(t, s, quietLog())
	conn := NewServiceConn(addr, nil)
	defer conn.Close()
	every, err := conn.Register(soon(t), job.Registration{Node: "node_9", Addr: "lab:5000", Tags: []string{"gpu", "fast"}, Leaving: true})
	require.NoError(t, err)
	require.Equal(t, 1500*time.Millisecond, every)
	require.Equal(t, []job.Registration{{Node: "node_9", Addr: "lab:5000", Tags: []string{"gpu", "fast"}, Leaving: true}}, s.registered)

	require.NoError(t, conn.Drain(soon(t), "node_0", true))
	require.NoError(t, conn.Drain(soon(t), "node_0", false))
	require.Equal(t, []bool{true, false}, s.drains)
	text, err := conn.NodeLog(soon(t), "node_0", 7)
	require.NoError(t, err)
	require.Equal(t, []string{"asked for 7", "not \uFFFD text"}, text)

	_, err = conn.Register(soon(t), job.Registration{Node: "node_taken", Addr: "lab:5000"})
	require.Equal(t, job.AlreadyExists, job.CodeOf(err))
	require.Equal(t, "choose another --worker-name", job.HintOf(err))
	require.Equal(t, job.NotFound, job.CodeOf(conn.Drain(soon(t), "node_1", true)))
	_, err = conn.NodeLog(soon(t), "node_1", 1)
	require.Equal(t, job.NotFound, job.CodeOf(err))
}

func TestRegister_TakesTheCallersHostWhereThereIsNone(t *testing.T) {
	s := newFakeService(job.Running)
	l, err := net.Listen("tcp", "127.0.0.1:0") // without the Unix socket beside it
	require.NoError(t, err)
	background(t, func(ctx context.Context) error { return ServeService(ctx, l, s, quietLog()) })
	conn := NewServiceConn(l.Addr().String(), nil)
	defer conn.Close()
	_, err = conn.Register(soon(t), job.Registration{Node: "node_9", Addr: ":5007"})
	require.NoError(t, err)
	require.Equal(t, "127.0.0.1:5007", s.registered[0].Addr)
}

func TestRegister_AddressMustBeOneThatTheServerCanReach(t *testing.T) {
	far := &net.TCPAddr{IP: net.ParseIP("192.0.2.7"), Port: 40000}
	near := &net.TCPAddr{IP: net.ParseIP("127.0.0.1"), Port: 40000}
	unix := &net.UnixAddr{Name: "@", Net: "unix"}
	rows := []struct {
		name, addr string
		peer       net.Addr
		want, says string
	}{
		{"no host", ":5007", far, "192.0.2.7:5007", ""},
		{"all interfaces", "0.0.0.0:5007", far, "192.0.2.7:5007", ""},
		{"all interfaces of IPv6", "[::]:5007", &net.TCPAddr{IP: net.ParseIP("2001:db8::1")}, "[2001:db8::1]:5007", ""},
		{"IPv4 within IPv6", ":5007", &net.TCPAddr{IP: net.ParseIP("::ffff:192.0.2.7")}, "192.0.2.7:5007", ""},
		{"over a Unix socket", ":5007", unix, "127.0.0.1:5007", ""},
		{"a name", "lab:5007", far, "lab:5007", ""},
		{"loopback of this machine", "127.0.0.1:5007", near, "127.0.0.1:5007", ""},
		{"loopback of another", "127.0.0.1:5007", far, "", "the node at 192.0.2.7 listens only for its own machine"},
		{"loopback of another, by name", "localhost:5007", far, "", "listens only for its own machine"},
		{"no port", "lab", far, "", "the address is not HOST:PORT"},
		{"port zero", "lab:0", far, "", "the port is not within 1 to 65535"},
		{"nothing", "", far, "", "the address is not HOST:PORT"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			got, err := reachable(row.addr, row.peer)
			if row.says == "" {
				require.NoError(t, err)
				require.Equal(t, row.want, got)
				return
			}
			require.ErrorContains(t, err, row.says)
			require.Equal(t, job.InvalidArgument, job.CodeOf(err))
			require.Contains(t, job.HintOf(err), "--advertise")
		})
	}
}

func TestRegister_StrangeNamesAndTagsAreRefused(t *testing.T) {
	s := newFakeService(job.Running)
	addr, _ := startService(t, s, quietLog())
	conn := NewServiceConn(addr, nil)
	defer conn.Close()
	for _, r := range []job.Registration{
		{Addr: "h:1"},
		{Node: "a b", Addr: "h:1"},
		{Node: "../x", Addr: "h:1"},
		{Node: "node_9", Addr: "h:1", Tags: []string{"a,b"}},
		{Node: "node_9", Addr: "h:1", Tags: make([]string, 33)},
	} {
		_, err := conn.Register(soon(t), r)
		require.Equal(t, job.InvalidArgument, job.CodeOf(err), "%+v", r)
	}
	require.Empty(t, s.registered)
}

func TestNodeConn_TellsTheLog(t *testing.T) {
	addr, _ := startNode(t, ServerConfig{}, fakeNode{log: []string{"one", "two", "three"}}, quietLog())
	conn := connect(t, addr, NodeConnConfig{})
	text, err := conn.Log(soon(t), 2)
	require.NoError(t, err)
	require.Equal(t, []string{"two", "three"}, text)
}
