package peer

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// Endpoint is where a server listens, and what a client needs to be let in.
type Endpoint struct {
	Network string `json:"network"`
	Address string `json:"address"`
	// Certificate and Key are PEM, of both sides; none without TLS.
	Certificate []byte `json:"certificate,omitempty"`
	Key         []byte `json:"key,omitempty"`
}

// Listen opens a free port of the loopback interface, or a socket in dir, with a
// new certificate where the peer wants TLS. Errors: plain, naming the step.
func (p Peer) Listen(dir string) (net.Listener, Endpoint, error) {
	e := Endpoint{Network: p.Network, Address: "127.0.0.1:0"}
	if p.Network == "unix" {
		e.Address = filepath.Join(dir, fmt.Sprintf("%d.sock", os.Getpid()))
	}
	l, err := net.Listen(e.Network, e.Address)
	if err != nil {
		return nil, Endpoint{}, err
	}
	e.Address = l.Addr().String()
	if !p.TLS {
		return l, e, nil
	}
	if e.Certificate, e.Key, err = selfSigned(); err != nil {
		l.Close()
		return nil, Endpoint{}, fmt.Errorf("make a certificate: %w", err)
	}
	cfg, err := e.tls()
	if err != nil {
		l.Close()
		return nil, Endpoint{}, err
	}
	return tls.NewListener(l, cfg), e, nil
}

// dialer makes connections to e. Errors: the endpoint's certificate cannot be read.
func (e Endpoint) dialer() (func(context.Context) (net.Conn, error), error) {
	if e.Certificate == nil {
		return func(ctx context.Context) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, e.Network, e.Address)
		}, nil
	}
	cfg, err := e.tls()
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (net.Conn, error) {
		return (&tls.Dialer{Config: cfg}).DialContext(ctx, e.Network, e.Address)
	}, nil
}

// tls trusts the endpoint's own certificate alone, on both sides.
func (e Endpoint) tls() (*tls.Config, error) {
	pair, err := tls.X509KeyPair(e.Certificate, e.Key)
	if err != nil {
		return nil, fmt.Errorf("read the certificate: %w", err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(pair.Leaf)
	return &tls.Config{
		Certificates: []tls.Certificate{pair}, RootCAs: pool, ClientCAs: pool,
		ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS13, ServerName: "127.0.0.1",
	}, nil
}

func selfSigned() (certificate, key []byte, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		IsCA:        true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		return nil, nil, err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), nil
}
