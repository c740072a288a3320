package mux

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
)

// peerKey is where the context of a call has its peer.
type peerKey struct{}

// peer is the far end of a connection. A certificate is known only once the
// handshake is made, which is before the first call and after the context.
type peer struct {
	addr net.Addr
	nc   net.Conn
}

// Peer is the address of the one that makes the call of ctx, as this machine sees
// it; nil where ctx is of no call.
func Peer(ctx context.Context) net.Addr {
	p, _ := ctx.Value(peerKey{}).(peer)
	return p.addr
}

// PeerCertificate is the certificate that the one who makes the call of ctx has
// shown, which the connection's own tls.Config has verified; nil where there is
// none: without TLS, or where ctx is of no call. It must not be changed.
func PeerCertificate(ctx context.Context) *x509.Certificate {
	p, _ := ctx.Value(peerKey{}).(peer)
	shows, ok := p.nc.(interface{ ConnectionState() tls.ConnectionState })
	if !ok {
		return nil
	}
	if shown := shows.ConnectionState().PeerCertificates; len(shown) > 0 {
		return shown[0]
	}
	return nil
}
