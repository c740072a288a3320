package rpc

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"syscall"
	"time"

	"spillway/job"
)

const resolveTimeout = 5 * time.Second

// ListenOptions say who may connect. The zero value: programs of this machine.
type ListenOptions struct {
	// Insecure allows addresses beyond loopback without TLS.
	Insecure bool
	// TLS, where it is set, lets in only peers with a certificate of its authority.
	TLS *Credentials
}

// Listener is a TCP listener. Without TLS a Unix socket may go with it, for
// peers on the same machine; see [Listener.All].
type Listener struct {
	tcp     net.Listener
	config  *tls.Config // nil: no TLS
	anyRole bool        // certificates have no roles

	mu     sync.Mutex // guards what follows
	unix   net.Listener
	closed bool
}

var _ net.Listener = (*Listener)(nil)

// Listen opens a listener on addr, HOST:PORT; port 0 takes any free one. Without
// TLS, and unless told otherwise, every address that the host stands for must be
// loopback, because the wire has no login.
//
// Errors: InvalidArgument (no such address, or not loopback), FailedPrecondition
// (the port is taken), PermissionDenied (the port is reserved).
func Listen(addr string, o ListenOptions) (*Listener, error) {
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
	if !loopback && !o.Insecure && o.TLS == nil {
		return nil, job.E(job.InvalidArgument, op, errors.New("other machines could reach it without a login"),
			"listen on 127.0.0.1, or add --tls-cert, --tls-key and --tls-ca, or --insecure if the network is trusted")
	}
	tcp, err := net.Listen("tcp", net.JoinHostPort(ip, strconv.FormatUint(port, 10)))
	if err != nil {
		return nil, listenError(op, port, err)
	}
	l := &Listener{tcp: tcp}
	if o.TLS != nil {
		l.config, l.anyRole = o.TLS.server(), o.TLS.anyRole
	}
	return l, nil
}

// All is l and, where there is one, the Unix socket that goes with it. A server
// should accept from all of them; closing l closes them.
//
// The Unix socket is opened here for the first time, so that no caller waits at a
// door that nobody opens. There is none with TLS, outside Linux, or where its
// name is taken; then peers on this machine use TCP. It is an abstract one: it
// leaves no file, goes with the process, and is seen only within the network
// namespace, as loopback is. Whoever may connect to the TCP address from here
// may connect to it.
func (l *Listener) All() []net.Listener {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.unix == nil && l.config == nil && !l.closed {
		l.unix = listenUnix(l.tcp.Addr())
	}
	if l.unix == nil {
		return []net.Listener{l}
	}
	return []net.Listener{l, l.unix}
}

// Accept waits for the next TCP connection. It does not wait for the TLS
// handshake: the first Read makes that, in the goroutine of the connection.
func (l *Listener) Accept() (net.Conn, error) {
	nc, err := l.tcp.Accept()
	if err != nil || l.config == nil {
		return nc, err
	}
	return tlsOver(nc, tls.Server, l.config), nil
}

// Addr is the TCP address.
func (l *Listener) Addr() net.Addr { return l.tcp.Addr() }

// Close stops listening. The Unix socket goes first, so that its name is free by
// the time that another process can have the port.
func (l *Listener) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	if l.unix == nil {
		return l.tcp.Close()
	}
	unix := l.unix
	l.unix = nil
	return errors.Join(ignoreClosed(unix.Close()), l.tcp.Close())
}

// ignoreClosed is err, but nil of a socket that its server has closed already.
func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
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
