// Package peer has the RPC libraries that are measured, each behind the same two
// methods: echo the data, and echo it after a while.
package peer

import (
	"context"
	"fmt"
	"net"
	"runtime"
	"runtime/debug"
	"strings"
	"time"
)

// Delay is how long the slow handler takes.
const Delay = 5 * time.Millisecond

// MaxMessage is what peers that limit messages are set to let in, in bytes, where
// their default is below it.
const MaxMessage = 16 << 20

// Peer is a library, with the options that it is measured with.
type Peer struct {
	// Name is the column's head.
	Name string
	// Module is where its version is looked up; "" is a part of Go or of this tree.
	Module string
	// Note says what was set, and how many connections it takes.
	Note string
	// Network is "tcp" or "unix".
	Network string
	// TLS wraps connections in TLS 1.3, with a certificate on both sides.
	TLS bool

	// Serve answers on l until the process ends. Errors: the library's.
	Serve func(l net.Listener) error
	// Dial makes a client. Errors: the library's.
	Dial func(e Endpoint) (Client, error)
}

// Client reaches one server. Its methods may be called concurrently.
type Client interface {
	// Caller makes what one goroutine calls with. Errors: a connection that
	// cannot be made, of peers that need one for each.
	Caller() (Caller, error)
}

// Caller is used by one goroutine at a time. What it answers is the goroutine's.
// Errors: the library's.
type Caller interface {
	// Echo answers data.
	Echo(ctx context.Context, data []byte) ([]byte, error)
	// After answers data when Delay has gone by.
	After(ctx context.Context, data []byte) ([]byte, error)
}

// The names that the report speaks of.
const (
	Own  = "spillway"
	Base = "grpc-go"
)

// All has every peer, in the order of the report's columns.
func All() []Peer {
	return []Peer{
		spillway(), grpcGo(), netRPC(), kitexMux(), stockThrift(),
		spillwayUnix(), spillwayTLS(),
	}
}

// Find is the peer of that name. Errors: there is none.
func Find(name string) (Peer, error) {
	for _, p := range All() {
		if p.Name == name {
			return p, nil
		}
	}
	var names []string
	for _, p := range All() {
		names = append(names, p.Name)
	}
	return Peer{}, fmt.Errorf("there is no peer %q; there are %s", name, strings.Join(names, ", "))
}

// Version is that of the module, as it was linked; that of Go where the peer is
// a part of it, and "this tree" for our own layer.
func (p Peer) Version() string {
	if p.Module == "" {
		return "this tree"
	}
	if p.Module == "std" {
		return runtime.Version()
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path == p.Module {
				return m.Version
			}
		}
	}
	return "unknown"
}
