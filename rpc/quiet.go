package rpc

import (
	"errors"
	"net"
	"os"
	"syscall"
	"time"
)

// quiet reports, without waiting, that nc is open and has nothing to read, which
// is how an idle connection should be.
func quiet(nc net.Conn) bool {
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return quietGeneric(nc)
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return false
	}
	quiet := false
	err = raw.Read(func(fd uintptr) bool {
		_, _, err := syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		quiet = err == syscall.EAGAIN || err == syscall.EWOULDBLOCK || err == syscall.EINTR
		return true
	})
	return err == nil && quiet
}

// quietGeneric serves connections that are no sockets, such as net.Pipe's.
func quietGeneric(nc net.Conn) bool {
	nc.SetReadDeadline(past)
	_, err := nc.Read(make([]byte, 1))
	nc.SetReadDeadline(time.Time{})
	return errors.Is(err, os.ErrDeadlineExceeded)
}
