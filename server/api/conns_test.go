package api

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// remote is a connection from an address, which remembers that it was closed.
type remote struct {
	net.Conn
	from   string
	closed *bool
}

type addr string

func (a addr) Network() string { return "tcp" }
func (a addr) String() string  { return string(a) }

func (c remote) RemoteAddr() net.Addr { return addr(c.from) }
func (c remote) Close() error         { *c.closed = true; return nil }

// come has a connection come, and tells how to see its guest and its end.
func come(t *testing.T, c *crowd, from string) (g *guest, closed *bool) {
	t.Helper()
	closed = new(bool)
	ctx := c.admit(t.Context(), remote{from: from, closed: closed})
	g, _ = ctx.Value(guestKey).(*guest)
	return g, closed
}

func TestCrowd_TheAddressThatHasTheMostMakesRoom(t *testing.T) {
	c := newCrowd(4, slog.New(slog.DiscardHandler))
	_, honest := come(t, c, "10.0.0.1:1") // has been here longest
	var greedy []*bool
	for range 50 {
		_, closed := come(t, c, "10.0.0.2:1")
		greedy = append(greedy, closed)
	}
	require.False(t, *honest)
	require.Len(t, c.guests, 4)
	open := 0
	for _, closed := range greedy {
		if !*closed {
			open++
		}
	}
	require.Equal(t, 3, open)
}

func TestCrowd_OneIsAllOfItsHalfOfIPv6(t *testing.T) {
	c := newCrowd(3, slog.New(slog.DiscardHandler))
	_, honest := come(t, c, "[2001:db8:1::1]:1")
	come(t, c, "[2001:db8:2::1]:1")
	come(t, c, "[2001:db8:2::2]:1")
	come(t, c, "[2001:db8:2::3]:1")
	require.False(t, *honest)
}

func TestCrowd_WhoNeverCalledGoesFirstAndWhoseCallIsAnsweredStays(t *testing.T) {
	c := newCrowd(3, slog.New(slog.DiscardHandler))
	called, calledClosed := come(t, c, "10.0.0.1:1")
	called.begin()
	called.end()
	busy, busyClosed := come(t, c, "10.0.0.1:2")
	busy.begin()
	_, never := come(t, c, "10.0.0.1:3")
	come(t, c, "10.0.0.1:4")
	require.True(t, *never)
	require.False(t, *calledClosed)
	require.False(t, *busyClosed)
}

func TestCrowd_WhereAllAreBusyTheNewcomerGoes(t *testing.T) {
	c := newCrowd(1, slog.New(slog.DiscardHandler))
	busy, busyClosed := come(t, c, "10.0.0.1:1")
	busy.begin()
	_, closed := come(t, c, "10.0.0.2:1")
	require.True(t, *closed)
	require.False(t, *busyClosed)
	c.state(busy.nc, http.StateClosed)
	require.Empty(t, c.guests)
	require.Empty(t, c.from)
}

func TestCrowd_MakesRoomWhereDescriptorsRunOut(t *testing.T) {
	c := newCrowd(10, slog.New(slog.DiscardHandler))
	_, closed := come(t, c, "10.0.0.1:1")
	_, err := doorway{exhausted{}, c}.Accept()
	require.ErrorIs(t, err, syscall.EMFILE)
	require.True(t, *closed)
}

// exhausted is a listener whose process has no descriptors left.
type exhausted struct{ net.Listener }

func (exhausted) Accept() (net.Conn, error) { return nil, syscall.EMFILE }

// served is where an API answers until the test ends.
func served(t *testing.T, a *API) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-ended)
	})
	return l.Addr().String()
}

func TestServe_IdleAndUnfinishedConnectionsKeepNobodyOut(t *testing.T) {
	cfg := config()
	cfg.Conns = 8
	at := served(t, New(cfg))
	for _, first := range []string{"", "G", "GET /healthz HTTP/1.1\r\nHost: x\r\nX: ", post("/login", 10)[:20], get} {
		for range 40 {
			nc, err := net.Dial("tcp", at)
			require.NoError(t, err)
			defer nc.Close()
			_, _ = io.WriteString(nc, first) // it may have been closed
		}
		for range 3 {
			nc, err := net.Dial("tcp", at)
			require.NoError(t, err)
			defer nc.Close()
			_, err = io.WriteString(nc, get)
			require.NoError(t, err)
			r, err := http.ReadResponse(bufio.NewReader(nc), nil)
			require.NoError(t, err, "after %q", first)
			require.NoError(t, r.Body.Close())
			require.Equal(t, http.StatusOK, r.StatusCode)
		}
	}
}
