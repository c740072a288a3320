package api

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// Frames of HTTP/2 (RFC 9113), by their types and flags.
const (
	headersFrame      = 1
	resetFrame        = 3
	settingsFrame     = 4
	pingFrame         = 6
	windowFrame       = 8
	continuationFrame = 9
	endStream         = 1
	endHeaders        = 4
)

// frame is one frame of HTTP/2.
func frame(kind, flags byte, stream uint32, payload []byte) []byte {
	b := []byte{byte(len(payload) >> 16), byte(len(payload) >> 8), byte(len(payload)), kind, flags}
	return append(binary.BigEndian.AppendUint32(b, stream), payload...)
}

// healthz is GET https://x/healthz as HPACK (RFC 7541), remembered by nobody.
func healthz() []byte {
	b := []byte{0x82, 0x87} // :method GET, :scheme https
	for _, f := range []struct {
		index byte
		value string
	}{{1, "x"}, {4, "/healthz"}} {
		b = append(append(b, f.index, byte(len(f.value))), f.value...)
	}
	return b
}

// secureAPI is where an API answers over TLS, and a client that trusts it.
func secureAPI(t *testing.T) (string, *http.Client) {
	t.Helper()
	lent := httptest.NewUnstartedServer(nil) // its certificate
	lent.StartTLS()
	t.Cleanup(lent.Close)
	cfg := config()
	cfg.TLS = &tls.Config{Certificates: lent.TLS.Certificates, MinVersion: tls.VersionTLS12}
	client := lent.Client()
	transport, ok := client.Transport.(*http.Transport)
	require.True(t, ok)
	transport = transport.Clone()
	transport.ForceAttemptHTTP2 = true
	at := served(t, New(cfg))
	t.Cleanup(transport.CloseIdleConnections) // before the server's end
	return at, &http.Client{Transport: transport}
}

// speak begins HTTP/2 with the server at an address.
func speak(t *testing.T, at string) net.Conn {
	t.Helper()
	nc, err := tls.Dial("tcp", at, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}}) //nolint:gosec // it attacks
	require.NoError(t, err)
	t.Cleanup(func() { hangUp(nc) })
	require.Equal(t, "h2", nc.ConnectionState().NegotiatedProtocol)
	_, err = nc.Write(append([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), frame(settingsFrame, 0, 0, nil)...))
	require.NoError(t, err)
	return nc
}

func TestHTTP2_IsSpokenOverTLS(t *testing.T) {
	at, client := secureAPI(t)
	r, err := client.Get("https://" + at + "/healthz")
	require.NoError(t, err)
	require.NoError(t, r.Body.Close())
	require.Equal(t, 2, r.ProtoMajor)
	require.Equal(t, http.StatusOK, r.StatusCode)
	require.NotEmpty(t, r.Header.Get("Strict-Transport-Security"))
	r, err = client.Post("https://"+at+"/login", "", bytes.NewReader([]byte(`{}`)))
	require.NoError(t, err)
	require.NoError(t, r.Body.Close())
	require.Equal(t, http.StatusUnauthorized, r.StatusCode)
}

func TestHTTP2_FloodsEndTheirConnectionAndNoOther(t *testing.T) {
	at, client := secureAPI(t)
	rows := []struct {
		name string
		next func(n uint32) []byte
	}{
		{"calls that are given up at once", func(n uint32) []byte {
			return append(frame(headersFrame, endStream|endHeaders, 2*n+1, healthz()), frame(resetFrame, 0, 2*n+1, []byte{0, 0, 0, 8})...)
		}},
		{"more calls than may be", func(n uint32) []byte { return frame(headersFrame, endStream|endHeaders, 2*n+1, healthz()) }},
		{"calls whose bodies never come", func(n uint32) []byte { return frame(headersFrame, endHeaders, 2*n+1, healthz()) }},
		{"settings", func(uint32) []byte { return frame(settingsFrame, 0, 0, []byte{0, 4, 0, 0, 255, 255}) }},
		{"pings", func(uint32) []byte { return frame(pingFrame, 0, 0, make([]byte, 8)) }},
		{"a head without end", func(n uint32) []byte {
			if n == 0 {
				return frame(headersFrame, endStream, 1, healthz())
			}
			field := append([]byte{0x10, 1, 'a', 127, 0x81, 0x1f}, make([]byte, 4096)...) // a: 4096 bytes
			return frame(continuationFrame, 0, 1, field)
		}},
		{"empty pieces of a head", func(n uint32) []byte {
			if n == 0 {
				return frame(headersFrame, endStream, 1, nil)
			}
			return frame(continuationFrame, 0, 1, nil)
		}},
		{"windows of nothing", func(uint32) []byte { return frame(windowFrame, 0, 0, make([]byte, 4)) }},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			nc := speak(t, at)
			for n := range uint32(3_000) { // nothing that comes is read
				if _, err := nc.Write(row.next(n)); err != nil {
					break
				}
				if n%300 == 0 {
					r, err := client.Get("https://" + at + "/healthz")
					require.NoError(t, err)
					require.NoError(t, r.Body.Close())
					require.Equal(t, http.StatusOK, r.StatusCode)
				}
			}
			require.Less(t, runtime.NumGoroutine(), 1000)
			hangUp(nc)
		})
	}
}

func TestHTTP2_ManyConnectionsThatFloodKeepNobodyOut(t *testing.T) {
	at, client := secureAPI(t)
	var flood []byte
	for n := range uint32(300) {
		flood = append(flood, frame(headersFrame, endHeaders, 2*n+1, healthz())...)
	}
	for range 20 {
		nc := speak(t, at)
		_, _ = nc.Write(flood) // it may have been closed
		go func() { _, _ = io.Copy(io.Discard, nc) }()
	}
	for range 20 {
		r, err := client.Get("https://" + at + "/healthz")
		require.NoError(t, err)
		require.NoError(t, r.Body.Close())
		require.Equal(t, http.StatusOK, r.StatusCode)
	}
}
