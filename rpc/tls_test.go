package rpc

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
)

// authority signs the certificates of a test.
type authority struct {
	t    *testing.T
	dir  string
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	file string
}

func newAuthority(t *testing.T) *authority {
	a := &authority{t: t, dir: t.TempDir()}
	a.key = newKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: a.dir},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &a.key.PublicKey, a.key)
	require.NoError(t, err)
	a.cert, err = x509.ParseCertificate(der)
	require.NoError(t, err)
	a.file = writePEM(t, filepath.Join(a.dir, "ca.pem"), "CERTIFICATE", der)
	return a
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return key
}

func writePEM(t *testing.T, path, kind string, der []byte) string {
	text := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	require.NoError(t, os.WriteFile(path, text, 0o600))
	return path
}

// issue makes a certificate for 127.0.0.1 and node.example, or what change makes
// of it.
func (a *authority) issue(name string, change func(*x509.Certificate)) TLS {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"node.example"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if change != nil {
		change(template)
	}
	key := newKey(a.t)
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	require.NoError(a.t, err)
	keyDER, err := x509.MarshalECPrivateKey(key)
	require.NoError(a.t, err)
	return TLS{
		Cert: writePEM(a.t, filepath.Join(a.dir, name+".pem"), "CERTIFICATE", der),
		Key:  writePEM(a.t, filepath.Join(a.dir, name+".key"), "EC PRIVATE KEY", keyDER),
		CA:   a.file,
	}
}

// credentials are those of a certificate that may be no good.
func (a *authority) credentials(change func(*x509.Certificate)) *Credentials {
	files := a.issue("peer", change)
	cert, err := tls.LoadX509KeyPair(files.Cert, files.Key)
	require.NoError(a.t, err)
	c := &Credentials{cert: cert, authorities: x509.NewCertPool()}
	c.authorities.AddCert(a.cert)
	return c
}

// Changes that make a certificate no good.
func expired(c *x509.Certificate)    { c.NotAfter = time.Now().Add(-time.Minute) }
func early(c *x509.Certificate)      { c.NotBefore = time.Now().Add(time.Minute) }
func elsewhere(c *x509.Certificate)  { c.IPAddresses = nil }
func nowhere(c *x509.Certificate)    { c.DNSNames, c.IPAddresses = nil, nil }
func clientOnly(c *x509.Certificate) { c.ExtKeyUsage = c.ExtKeyUsage[1:] }
func serverOnly(c *x509.Certificate) { c.ExtKeyUsage = c.ExtKeyUsage[:1] }

// as gives a certificate its roles.
func as(roles ...Role) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		for _, r := range roles {
			c.URIs = append(c.URIs, &url.URL{Scheme: roleScheme, Opaque: string(r)})
		}
	}
}

// echoServer sends back what it reads, and tells the first error of each
// connection.
func echoServer(t *testing.T, o ListenOptions) (addr string, errs <-chan error) {
	l, err := Listen("127.0.0.1:0", o)
	require.NoError(t, err)
	ended := make(chan error, 10)
	serveEcho(t, ended, l)
	return l.Addr().String(), ended
}

func serveEcho(t *testing.T, ended chan<- error, listeners ...net.Listener) {
	var wg sync.WaitGroup
	for _, l := range listeners {
		wg.Go(func() {
			for {
				nc, err := l.Accept()
				if err != nil {
					return
				}
				wg.Go(func() {
					nc.SetDeadline(time.Now().Add(20 * time.Second))
					_, err := io.Copy(nc, onlyReader{nc})
					nc.Close()
					ended <- err
				})
			}
		})
	}
	t.Cleanup(func() {
		for _, l := range listeners {
			l.Close()
		}
		wg.Wait()
	})
}

// onlyReader hides how else a connection can be copied.
type onlyReader struct{ io.Reader }

// echo checks that the peer answers, and returns the error if it does not.
func echo(t *testing.T, nc net.Conn) error {
	nc.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := nc.Write([]byte("hello")); err != nil {
		t.Logf("write: %v", err) // what the peer said is read below
	}
	got := make([]byte, 5)
	if _, err := io.ReadFull(nc, got); err != nil {
		return err
	}
	require.Equal(t, "hello", string(got))
	return nil
}

func TestTLS_BothSidesProveThemselves(t *testing.T) {
	a := newAuthority(t)
	c, err := a.issue("all", as(ServerRole)).Load(ServerRole)
	require.NoError(t, err)
	addr, ended := echoServer(t, ListenOptions{TLS: c})
	nc, err := dialer(addr, c)(soon(t))
	require.NoError(t, err)
	require.NoError(t, echo(t, nc))
	state := nc.(*tlsConn).ConnectionState()
	require.EqualValues(t, tls.VersionTLS13, state.Version)
	require.NoError(t, nc.Close())
	require.NoError(t, <-ended)
}

func TestTLS_RefusesPeersAndTellsBothSidesTheMend(t *testing.T) {
	a, other := newAuthority(t), newAuthority(t)
	good := a.credentials(nil)
	for name, row := range map[string]struct {
		listens, dials      *Credentials
		there, here         string // what the two sides say
		hintThere, hintHere string
	}{
		"client of another authority": {
			good, &Credentials{cert: other.credentials(nil).cert, authorities: good.authorities},
			"certificate is not from the authority in --tls-ca", "the peer refuses: unknown certificate authority", hintAuthority, hintAuthority,
		},
		"server of another authority": {
			other.credentials(nil), good,
			"the peer refuses: bad certificate", "certificate is not from the authority in --tls-ca", hintBad, hintAuthority,
		},
		"client expired": {
			good, a.credentials(expired),
			"the certificate expired at 20", "the peer refuses: expired certificate", hintRenew, hintRenew,
		},
		"server expired": {
			a.credentials(expired), good,
			"the peer refuses: bad certificate", "the certificate expired at 20", hintBad, hintRenew,
		},
		"server not yet good": {
			a.credentials(early), good,
			"the peer refuses: bad certificate", "the certificate is good only from 20", hintBad, hintRenew,
		},
		"server with another address": {
			a.credentials(elsewhere), good,
			"the peer refuses: bad certificate", "the certificate is not for 127.0.0.1, only for node.example", hintBad, "make one that names it",
		},
		"server without address": {
			a.credentials(nowhere), good,
			"the peer refuses: bad certificate", "the certificate is not for 127.0.0.1, only for no address", hintBad, "make one that names it",
		},
		"server with a client's certificate": {
			a.credentials(clientOnly), good,
			"the peer refuses: bad certificate", "the certificate is not for this use", hintBad, hintUsage,
		},
		"client with a server's certificate": {
			good, a.credentials(serverOnly),
			"the certificate is not for this use", "the peer refuses: bad certificate", hintUsage, hintBad,
		},
		"client without TLS": {good, nil, "the peer does not speak TLS: ", "", hintBoth, ""},
	} {
		t.Run(name, func(t *testing.T) {
			addr, ended := echoServer(t, ListenOptions{TLS: row.listens})
			nc, err := dialer(addr, row.dials)(soon(t))
			if err == nil {
				err = echo(t, nc)
				nc.Close()
			}
			there := <-ended
			require.Error(t, err)
			require.ErrorContains(t, err, row.here)
			require.Contains(t, job.HintOf(err), row.hintHere)
			if row.there != "" {
				require.ErrorContains(t, there, row.there)
				require.Equal(t, row.hintThere, job.HintOf(there))
			}
		})
	}
}

func TestTLS_ClientWithoutCertificateIsRefused(t *testing.T) {
	a := newAuthority(t)
	good := a.credentials(nil)
	addr, ended := echoServer(t, ListenOptions{TLS: good})
	config := good.client("127.0.0.1")
	config.GetClientCertificate = nil
	nc, err := dialTLS(addr, config)(soon(t))
	require.NoError(t, err, "TLS 1.3 does not wait for the verdict")
	err = echo(t, nc)
	nc.Close()
	require.ErrorContains(t, err, "the peer refuses: certificate required")
	require.Equal(t, hintBoth, job.HintOf(err))
	require.ErrorContains(t, <-ended, "client didn't provide a certificate")
}

func TestTLS_OlderVersionsAreRefused(t *testing.T) {
	a := newAuthority(t)
	good := a.credentials(nil)
	addr, ended := echoServer(t, ListenOptions{TLS: good})
	config := good.client("127.0.0.1")
	config.MinVersion, config.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	_, err := dialTLS(addr, config)(soon(t))
	require.ErrorContains(t, err, "the peer refuses: protocol version not supported")
	require.ErrorContains(t, <-ended, "the TLS handshake: client offered only unsupported versions")
}

func TestTLS_PlainCallerIsAnsweredWithAnAlert(t *testing.T) {
	a := newAuthority(t)
	addr, _ := echoServer(t, ListenOptions{TLS: a.credentials(nil)})
	nc, err := dialer(addr, nil)(soon(t))
	require.NoError(t, err)
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(20 * time.Second))
	_, err = nc.Write([]byte("\x80\x01\x4d\x01\x00\x00\x00\x04ping"))
	require.NoError(t, err)
	got := make([]byte, 2)
	_, err = io.ReadFull(nc, got)
	require.NoError(t, err)
	require.Equal(t, []byte{0x15, 0x03}, got, "no Thrift message begins so: a client can tell")
}

func TestTLS_ListenerWithoutItIsToldByItsAnswer(t *testing.T) {
	c := newAuthority(t).credentials(nil)
	for name, answer := range map[string]string{
		"Thrift, unframed": "\x80\x01\x00\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00",
		"Thrift, framed":   "\x00\x00\x00\x0d\x80\x01\x00\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00",
		"HTTP":             "HTTP/1.1 400 Bad Request\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			l, err := Listen("127.0.0.1:0", ListenOptions{})
			require.NoError(t, err)
			defer l.Close()
			hungUp := make(chan error, 1)
			go func() {
				nc, err := l.Accept()
				if err == nil {
					nc.SetDeadline(time.Now().Add(20 * time.Second))
					_, _ = nc.Read(make([]byte, 1))
					_, _ = nc.Write([]byte(answer))
					_, err = io.Copy(io.Discard, nc)
					nc.Close()
				}
				hungUp <- err
			}()
			_, err = dialer(l.Addr().String(), c)(soon(t))
			require.ErrorContains(t, err, "the peer does not speak TLS: ")
			require.Equal(t, hintBoth, job.HintOf(err))
			require.NoError(t, <-hungUp)
		})
	}
}

func TestTLS_PeerThatHangsUpIsToldFromOneThatIsNotThere(t *testing.T) {
	l, err := Listen("127.0.0.1:0", ListenOptions{})
	require.NoError(t, err)
	defer l.Close()
	go func() {
		if nc, err := l.Accept(); err == nil {
			nc.Close()
		}
	}()
	c := newAuthority(t).credentials(nil)
	_, err = dialer(l.Addr().String(), c)(soon(t))
	require.ErrorContains(t, err, "the peer closed the connection in the TLS handshake")
	require.Equal(t, hintBoth, job.HintOf(err))
	l.Close()
	_, err = dialer(l.Addr().String(), c)(soon(t))
	require.ErrorContains(t, err, "connection refused")
	require.Empty(t, job.HintOf(err))
}

func TestTLS_SilentPeerHoldsNobodyUp(t *testing.T) {
	c := newAuthority(t).credentials(nil)
	addr, _ := echoServer(t, ListenOptions{TLS: c})
	for range 5 {
		silent, err := net.Dial("tcp", addr)
		require.NoError(t, err)
		defer silent.Close()
	}
	nc, err := dialer(addr, c)(soon(t))
	require.NoError(t, err)
	require.NoError(t, echo(t, nc))
	require.NoError(t, nc.Close())
}

func TestTLS_PeerMustBeWhoWasDialled(t *testing.T) {
	for host, want := range map[string]string{"node.example": "node.example", "fe80::1%eth0": "fe80::1", "": "localhost"} {
		require.Equal(t, want, (&Credentials{}).client(host).ServerName)
	}
}

func TestTLS_MessagesEscapeWhatAStrangersCertificateSays(t *testing.T) {
	cert := &x509.Certificate{DNSNames: []string{"a\x1b[2J", strings.Repeat("b", 1000)}}
	err := explainTLS(fmt.Errorf("verify: %w", x509.HostnameError{Certificate: cert, Host: "h"}))
	require.NotContains(t, err.Error(), "\x1b")
	require.Less(t, len(err.Error()), 300)
	plain := errors.New("else")
	require.Same(t, plain, explainTLS(plain))
	require.NoError(t, explainTLS(nil))
}
