package mux

import (
	"context"
	"net"
)

// peerKey is where the context of a call has its peer's address.
type peerKey struct{}

// Peer is the address of the one that makes the call of ctx, as this machine sees
// it; nil where ctx is of no call.
func Peer(ctx context.Context) net.Addr {
	addr, _ := ctx.Value(peerKey{}).(net.Addr)
	return addr
}
