package textport

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// look asks the kernel for the connection's state.
func look(nc net.Conn) presence {
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return there
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return there
	}
	found := there
	_ = raw.Control(func(fd uintptr) {
		info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		switch {
		case err != nil:
		case info.State == unix.BPF_TCP_CLOSE:
			found = gone
		case info.State == unix.BPF_TCP_CLOSE_WAIT:
			found = doneTalks
		}
	})
	return found
}
