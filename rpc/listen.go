package rpc

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"
	"time"

	"spillway/job"
)

const resolveTimeout = 5 * time.Second

// Listen opens a listener on addr, HOST:PORT; port 0 takes any free one. Unless
// insecure, every address that the host stands for must be loopback, because
// the wire has no login yet.
//
// Errors: InvalidArgument (no such address, or not loopback), FailedPrecondition
// (the port is taken), PermissionDenied (the port is reserved).
func Listen(addr string, insecure bool) (net.Listener, error) {
	op := "listen on " + addr
	host, portText, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, badAddress(op, err)
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return nil, badAddress(op, fmt.Errorf("port %q is not a number from 0 to 65535", portText))
	}
	ip, loopback, err := resolve(host)
	if err != nil {
		return nil, badAddress(op, err)
	}
	if !loopback && !insecure {
		return nil, job.E(job.InvalidArgument, op, errors.New("other machines could reach it without a login"),
			"listen on 127.0.0.1, or add --insecure if the network is trusted")
	}
	l, err := net.Listen("tcp", net.JoinHostPort(ip, strconv.FormatUint(port, 10)))
	if err != nil {
		return nil, listenError(op, port, err)
	}
	return l, nil
}

// resolve returns the address to bind, and whether all that host stands for
// are loopback.
func resolve(host string) (ip string, loopback bool, err error) {
	if host == "" {
		return "", false, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), resolveTimeout)
	defer cancel()
	addrs, err := net.DefaultResolver.LookupIPAddr(ctx, host)
	if err != nil {
		return "", false, err
	}
	loopback = true
	for _, a := range addrs {
		loopback = loopback && a.IP.IsLoopback()
		if ip == "" || a.IP.To4() != nil && net.ParseIP(ip).To4() == nil {
			ip = a.String()
		}
	}
	return ip, loopback && ip != "", nil
}

func badAddress(op string, err error) error {
	return job.E(job.InvalidArgument, op, err, "write HOST:PORT, as in 127.0.0.1:5000")
}

func listenError(op string, port uint64, err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return job.E(job.FailedPrecondition, op, fmt.Errorf("port %d is in use by another program", port),
			"choose another port with --listen, or stop the other program")
	case errors.Is(err, syscall.EACCES):
		return job.E(job.PermissionDenied, op, fmt.Errorf("port %d is reserved", port),
			"choose a port from 1024 up with --listen")
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return job.E(job.InvalidArgument, op, errors.New("this machine has no such address"),
			"choose one of its own with --listen, as in 127.0.0.1:5000")
	}
	return job.E(job.Unavailable, op, err, "choose another address with --listen")
}
