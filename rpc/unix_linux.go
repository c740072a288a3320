package rpc

import (
	"context"
	"net"
	"net/netip"
	"os"
	"strconv"
	"syscall"
)

// unixSockets tells that peers on one machine can do without TCP.
const unixSockets = true

// nobody is the user that the kernel shows in place of those that it cannot name
// here, and that many services share: no proof of anything.
const nobody = 65534

// unixName is the abstract socket beside a TCP listener; all unspecified
// addresses have the same, since Go listens on them for IPv4 and IPv6 at once.
// It is "" for an address that means something only together with an interface.
func unixName(at netip.AddrPort) string {
	switch ip := at.Addr(); {
	case ip.Zone() != "":
		return ""
	case ip.IsUnspecified():
		return "@spillway/*:" + strconv.Itoa(int(at.Port()))
	}
	return "@spillway/" + at.String()
}

// listenUnix opens the socket beside the TCP listener at addr, or nil.
func listenUnix(addr net.Addr) net.Listener {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		return nil
	}
	name := unixName(tcp.AddrPort())
	if name == "" {
		return nil
	}
	l, err := net.Listen("unix", name)
	if err != nil {
		return nil // the name is taken, or a sandbox forbids such sockets: TCP is there
	}
	return l
}

// dialUnix connects to the socket beside a TCP listener at that address, or nil
// where there is none that may be trusted. An abstract socket that nobody listens
// on refuses at once, as does one whose queue is full.
func dialUnix(ctx context.Context, at netip.AddrPort) net.Conn {
	name := unixName(at)
	if name == "" {
		return nil
	}
	nc, err := (&net.Dialer{}).DialContext(ctx, "unix", name)
	if err != nil {
		return nil
	}
	if user, ok := peerUser(nc); !ok || !mayServe(user, uint32(os.Geteuid())) {
		nc.Close()
		return nil
	}
	return nc
}

// mayServe tells whether a socket of user may take the calls of a process of
// own. Anybody can take an abstract name without having the TCP port, which only
// one process can have; so the user must be our own, or root. A process of root
// trusts root alone, and uses TCP towards all others.
func mayServe(user, own uint32) bool { return user == 0 || user == own && own != nobody }

// peerUser is who listens at the other end, as the kernel noted it then.
func peerUser(nc net.Conn) (user uint32, ok bool) {
	sc, isSocket := nc.(syscall.Conn)
	if !isSocket {
		return 0, false
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return 0, false
	}
	var cred *syscall.Ucred
	var failed error
	err = raw.Control(func(fd uintptr) {
		cred, failed = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	})
	if err != nil || failed != nil {
		return 0, false
	}
	return cred.Uid, true
}
