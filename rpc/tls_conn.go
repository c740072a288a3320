package rpc

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"spillway/job"
)

const (
	// handshakeTimeout bounds the handshake of a peer that has connected to us.
	// Those that we make are bounded by the time for making a connection.
	handshakeTimeout = 10 * time.Second
	// recordBytes is the most that one TLS record carries.
	recordBytes = 16 << 10
)

// tlsConn is a TLS connection that behaves as others do: its first Read makes the
// handshake, unless that is made already, within handshakeTimeout; a Write that a
// deadline stopped can be gone on with; errors tell the mend.
type tlsConn struct {
	*tls.Conn
	below *patientConn

	writing sync.Mutex // guards sealed
	sealed  []byte     // begins the next Write: it is encrypted already, and has not left
}

// tlsOver makes a TLS connection of a plain one; side is tls.Client or tls.Server.
func tlsOver(nc net.Conn, side func(net.Conn, *tls.Config) *tls.Conn, config *tls.Config) *tlsConn {
	below := &patientConn{Conn: nc}
	return &tlsConn{Conn: side(below, config), below: below}
}

// handshake closes the connection where ctx ends first.
func (c *tlsConn) handshake(ctx context.Context) error {
	err := c.HandshakeContext(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		return job.E(job.Unavailable, "", fmt.Errorf("no TLS handshake: %w", err), hintBoth)
	}
	c.below.patient.Store(err == nil)
	return explainTLS(err)
}

// Read tells here that the peer refuses our certificate: TLS 1.3 does not wait
// for the verdict in the handshake.
func (c *tlsConn) Read(b []byte) (int, error) {
	if !c.below.patient.Load() {
		ctx, cancel := context.WithTimeout(context.Background(), handshakeTimeout)
		defer cancel()
		if err := c.handshake(ctx); err != nil {
			return 0, err
		}
	}
	n, err := c.Conn.Read(b)
	return n, explainTLS(err)
}

// Write writes all of b, or what it can until a deadline. The next Write must
// then begin with what was left, as on every stream.
func (c *tlsConn) Write(b []byte) (n int, err error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	if len(b) > 0 && !bytes.HasPrefix(b, c.sealed) {
		return 0, errors.New("write: these bytes are not those that the last one left")
	}
	for n < len(b) {
		if err := c.below.flush(); err != nil {
			return n, err
		}
		n += len(c.sealed)
		c.sealed = nil
		part := b[n:min(len(b), n+recordBytes)]
		if _, err := c.Conn.Write(part); err != nil {
			return n, err
		}
		if c.below.keeps() {
			c.sealed = bytes.Clone(part)
			continue
		}
		n += len(part)
	}
	return n, nil
}

// Close says no farewell: it could wait seconds for a peer that does not read,
// and every message tells by itself where it ends.
func (c *tlsConn) Close() error { return c.below.Close() }

// patientConn is the connection below a TLS connection, which a write that a
// deadline stops would spoil. What is left of such a write is kept instead.
type patientConn struct {
	net.Conn
	patient atomic.Bool // the handshake is done

	mu   sync.Mutex // guards kept
	kept []byte
}

func (p *patientConn) Write(b []byte) (n int, err error) {
	if !p.patient.Load() {
		return p.Conn.Write(b)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.kept) == 0 {
		if n, err = p.Conn.Write(b); !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, err
		}
	}
	p.kept = append(p.kept, b[n:]...)
	return len(b), nil
}

// flush writes what was kept.
func (p *patientConn) flush() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.kept) == 0 {
		return nil
	}
	n, err := p.Conn.Write(p.kept)
	p.kept = p.kept[n:]
	return err
}

func (p *patientConn) keeps() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.kept) > 0
}
