package rpc

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"time"

	"spillway/gen-go/spillway"
	"spillway/job"
	"spillway/rpc/mux"
)

// Members is what a server offers to the nodes that join it, and to those who
// look after them.
type Members interface {
	// Register takes a node in, or hears that it is still there; it must register
	// again within three times the returned period. Its address has a host.
	// Errors: InvalidArgument, AlreadyExists (the name or the address is another
	// node's), ResourceExhausted (too many nodes).
	Register(ctx context.Context, r job.Registration) (every time.Duration, err error)
	// Drain lets a node finish what it has and sends it nothing new; with false it
	// takes work again. Errors: NotFound.
	Drain(ctx context.Context, node job.NodeID, on bool) error
	// NodeLog is the last lines of a node's log, oldest first. Errors: NotFound,
	// Unimplemented (a node of the assignment's own), Unavailable.
	NodeLog(ctx context.Context, node job.NodeID, lines int) ([]string, error)
}

func (h *serviceHandler) RegisterNode(ctx context.Context, wire *spillway.Registration) (*spillway.Registered, error) {
	if wire == nil {
		return nil, failureToWire(job.E(job.InvalidArgument, "register", errors.New("the call has no registration"), ""))
	}
	r := registrationFromWire(wire)
	err := r.Check()
	if err == nil {
		err = mayRegister(ctx, r.Node)
	}
	if err == nil {
		r.Addr, err = reachable(r.Addr, mux.Peer(ctx))
	}
	var every time.Duration
	if err == nil {
		every, err = h.service.Register(ctx, r)
	}
	if err != nil {
		return nil, failureToWire(err)
	}
	return &spillway.Registered{EveryMs: wholeMillis(every)}, nil
}

// reachable is where the node at addr, as it says, is reached from here: at the
// caller's own address where it names no host.
func reachable(addr string, peer net.Addr) (string, error) {
	const hint = "say where the server reaches it with --advertise HOST:PORT"
	op := "register " + job.Shown(fmt.Sprintf("%.80s", addr))
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", job.E(job.InvalidArgument, op, errors.New("the address is not HOST:PORT"), hint)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", job.E(job.InvalidArgument, op, errors.New("the port is not within 1 to 65535"), hint)
	}
	from, local := caller(peer)
	ip, err := netip.ParseAddr(host)
	switch {
	case host == "" || err == nil && ip.IsUnspecified():
		host = from
	case (host == "localhost" || err == nil && ip.Unmap().IsLoopback()) && !local:
		return "", job.E(job.InvalidArgument, op, fmt.Errorf("the node at %s listens only for its own machine", from),
			"let it listen beyond loopback with --listen, and "+hint)
	}
	if host == "" {
		return "", job.E(job.InvalidArgument, op, errors.New("the address has no host"), hint)
	}
	return net.JoinHostPort(host, port), nil
}

// caller is the host of a peer, and whether that is this machine.
func caller(peer net.Addr) (host string, local bool) {
	tcp, ok := peer.(*net.TCPAddr)
	if !ok { // a Unix socket
		return "127.0.0.1", true
	}
	at := tcp.AddrPort().Addr().Unmap()
	return at.String(), isOwn(at)
}

func (h *serviceHandler) DrainNode(ctx context.Context, node string, on bool) error {
	if err := h.service.Drain(ctx, job.NodeID(node), on); err != nil {
		return failureToWire(err)
	}
	return nil
}

func (h *serviceHandler) NodeLog(ctx context.Context, node string, lines int32) ([]string, error) {
	text, err := h.service.NodeLog(ctx, job.NodeID(node), int(lines))
	if err != nil {
		return nil, failureToWire(err)
	}
	return convert(text, clean), nil
}
