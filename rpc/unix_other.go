//go:build !linux

package rpc

import (
	"context"
	"net"
	"net/netip"
)

// unixSockets tells that abstract Unix sockets are Linux's alone.
const unixSockets = false

func listenUnix(net.Addr) net.Listener { return nil }

func dialUnix(context.Context, netip.AddrPort) net.Conn { return nil }
