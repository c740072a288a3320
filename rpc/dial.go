package rpc

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"syscall"

	"spillway/job"
)

// dialer makes connections to addr, HOST:PORT. With credentials they are TLS over
// TCP, and the peer must prove that it is HOST. Without, they are TCP, or Unix
// sockets where the peer listens on this machine and shows that it is run by our
// own user or by root: see dialLocal. What it returns may be called concurrently.
//
// Errors: those of net.Dialer; Unavailable with a hint where the handshake fails.
func dialer(addr string, c *Credentials) func(context.Context) (net.Conn, error) {
	host, portText, _ := net.SplitHostPort(addr) // a wrong address is the net.Dialer's to tell
	port, err := strconv.ParseUint(portText, 10, 16)
	switch {
	case c != nil:
		return dialTLS(addr, c.client(host))
	case err != nil || host == "" || !unixSockets:
		return func(ctx context.Context) (net.Conn, error) { return (&net.Dialer{}).DialContext(ctx, "tcp", addr) }
	}
	return func(ctx context.Context) (net.Conn, error) {
		ips, err := lookup(ctx, host)
		if err != nil {
			return nil, err
		}
		if nc := dialLocal(ctx, ips, uint16(port)); nc != nil {
			return nc, nil
		}
		return (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	}
}

// dialTLS ends the handshake before it returns; whether the peer takes our
// certificate shows at the first Read.
func dialTLS(addr string, config *tls.Config) func(context.Context) (net.Conn, error) {
	return func(ctx context.Context) (net.Conn, error) {
		raw, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
		if err != nil {
			return nil, err
		}
		nc := tlsOver(raw, tls.Client, config)
		err = nc.handshake(ctx)
		if err == nil {
			return nc, nil
		}
		raw.Close()
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) {
			err = job.E(job.Unavailable, "", errors.New("the peer closed the connection in the TLS handshake"), hintBoth)
		}
		return nil, err
	}
}

// lookup finds the addresses that host stands for.
func lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{ip.Unmap()}, nil
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	for i := range ips {
		ips[i] = ips[i].Unmap()
	}
	return ips, err
}

// dialLocal connects to the Unix socket of a peer that listens on one of the
// addresses, or nil. It never waits. The names of the sockets carry the port, so
// that a proxy in front of a peer is not bypassed, and a socket of all addresses
// is asked after that of the very address.
//
// An address counts only while this machine has it: one that has moved to
// another machine leaves its listeners behind.
func dialLocal(ctx context.Context, ips []netip.Addr, port uint16) net.Conn {
	for _, ip := range ips {
		for _, bound := range []netip.Addr{ip, netip.IPv4Unspecified()} {
			nc := dialUnix(ctx, netip.AddrPortFrom(bound, port))
			if nc != nil && isOwn(ip) {
				return nc
			}
			if nc != nil {
				nc.Close()
			}
		}
	}
	return nil
}

// isOwn tells whether ip is an address of this machine.
func isOwn(ip netip.Addr) bool {
	if ip.IsLoopback() {
		return true
	}
	addrs, err := net.InterfaceAddrs()
	return err == nil && slices.ContainsFunc(addrs, func(a net.Addr) bool {
		own, ok := a.(*net.IPNet)
		return ok && own.IP.Equal(ip.AsSlice())
	})
}
