package rpc

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
)

// sipping is a connection that is read a little at a time.
type sipping struct{ net.Conn }

func (s sipping) Read(b []byte) (int, error) {
	time.Sleep(100 * time.Microsecond)
	return s.Conn.Read(b[:min(len(b), 1+rand.N(5000))])
}

// tlsPair is both ends of a TLS connection over a pipe, which has no room of its
// own: what is not read is not written.
func tlsPair(t *testing.T, c *Credentials) (client, server *tlsConn) {
	near, far := net.Pipe()
	client, server = tlsOver(near, tls.Client, c.client("127.0.0.1")), tlsOver(sipping{far}, tls.Server, c.server())
	done := make(chan error, 1)
	go func() { done <- server.handshake(t.Context()) }()
	require.NoError(t, client.handshake(t.Context()))
	require.NoError(t, <-done)
	return client, server
}

func TestTLSConn_HandshakeIsBoundedOnBothSides(t *testing.T) {
	c := newAuthority(t).credentials(nil)
	t.Run("here", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			near, far := net.Pipe()
			defer far.Close()
			began := time.Now()
			_, err := tlsOver(near, tls.Server, c.server()).Read(make([]byte, 1))
			require.ErrorContains(t, err, "no TLS handshake")
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.Equal(t, handshakeTimeout, time.Since(began))
		})
	})
	t.Run("there", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0") // takes the connection and says nothing
		require.NoError(t, err)
		defer l.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		_, err = dialer(l.Addr().String(), c)(ctx)
		require.ErrorContains(t, err, "no TLS handshake")
		require.Equal(t, hintBoth, job.HintOf(err))
	})
	t.Run("given up", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer l.Close()
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			if nc, err := l.Accept(); err == nil {
				_, _ = nc.Read(make([]byte, 1)) // the handshake goes on
				cancel()
				nc.Close()
			}
		}()
		_, err = dialer(l.Addr().String(), c)(ctx)
		require.ErrorIs(t, err, context.Canceled)
	})
}

func TestTLSConn_ReadGoesOnAfterADeadlineAndPassesTheEndOn(t *testing.T) {
	c := newAuthority(t).credentials(nil)
	addr, _ := echoServer(t, ListenOptions{TLS: c})
	nc, err := dialer(addr, c)(soon(t))
	require.NoError(t, err)
	defer nc.Close()
	nc.SetReadDeadline(time.Unix(1, 0))
	_, err = nc.Read(make([]byte, 1))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.NoError(t, echo(t, nc))
	require.NoError(t, nc.(*tlsConn).CloseWrite())
	_, err = nc.Read(make([]byte, 1))
	require.Same(t, io.EOF, err, "untouched: callers compare it")
	nc.Close()
	_, err = nc.Read(make([]byte, 1))
	require.Error(t, err)
}

func TestTLSConn_CloseDoesNotWaitForAPeerThatDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := tlsPair(t, newAuthority(t).credentials(nil))
		var reading sync.WaitGroup
		reading.Go(func() { _, _ = server.Read(make([]byte, 1)) }) // and no more
		_, err := client.Write([]byte{1})
		require.NoError(t, err)
		reading.Wait()
		began := time.Now()
		require.NoError(t, client.Close())
		require.Zero(t, time.Since(began))
		require.NoError(t, server.Close())
	})
}

func TestTLSConn_WriteGoesOnWhereADeadlineStoppedIt(t *testing.T) {
	want := make([]byte, 1<<20)
	for i := range want {
		want[i] = byte(i * 7 >> 3)
	}
	synctest.Test(t, func(t *testing.T) {
		client, server := tlsPair(t, newAuthority(t).credentials(nil))
		got := make(chan []byte, 1)
		go func() {
			all := make([]byte, len(want))
			n, _ := io.ReadFull(server, all)
			got <- all[:n]
		}()
		stops := 0
		for left := want; len(left) > 0; {
			require.NoError(t, client.SetWriteDeadline(time.Now().Add(rand.N(2*time.Millisecond))))
			n, err := client.Write(left[:min(len(left), recordBytes+rand.N(100_000))]) // may be less than all
			if errors.Is(err, os.ErrDeadlineExceeded) {
				stops++
			} else {
				require.NoError(t, err)
			}
			left = left[n:]
			require.LessOrEqual(t, len(client.below.kept), recordBytes+100, "no more is kept than a record")
		}
		require.Positive(t, stops)
		require.True(t, bytes.Equal(want, <-got))
		require.NoError(t, client.Close())
		require.NoError(t, server.Close())
	})
}

func TestTLSConn_WriteKeepsNothingWhereNothingStopsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := tlsPair(t, newAuthority(t).credentials(nil))
		var reading sync.WaitGroup
		reading.Go(func() { _, _ = io.Copy(io.Discard, server) })
		n, err := client.Write(make([]byte, 100_000))
		require.NoError(t, err)
		require.Equal(t, 100_000, n)
		require.Nil(t, client.sealed)
		require.Empty(t, client.below.kept)
		require.NoError(t, client.Close())
		require.NoError(t, server.Close())
		_, err = client.Write([]byte{1})
		require.Error(t, err)
		reading.Wait()
	})
}

func TestTLSConn_WriteOfOtherBytesAfterADeadlineIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := tlsPair(t, newAuthority(t).credentials(nil))
		require.NoError(t, client.SetWriteDeadline(time.Now().Add(time.Second)))
		n, err := client.Write([]byte("hello"))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.Zero(t, n)
		n, err = client.Write(nil)
		require.NoError(t, err)
		require.Zero(t, n)
		_, err = client.Write([]byte("other"))
		require.ErrorContains(t, err, "not those that the last one left")
		_, err = client.Write([]byte("hell"))
		require.ErrorContains(t, err, "not those that the last one left")

		require.NoError(t, client.SetWriteDeadline(time.Time{}))
		got := make([]byte, 11)
		done := make(chan error, 1)
		go func() {
			_, err := io.ReadFull(server, got)
			done <- err
		}()
		n, err = client.Write([]byte("hello world"))
		require.NoError(t, err)
		require.Equal(t, 11, n)
		require.NoError(t, <-done)
		require.Equal(t, "hello world", string(got), "once")
		require.NoError(t, client.Close())
		require.NoError(t, server.Close())
	})
}
