package main

import (
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// twoHosts are connected, and the second one echoes what comes to port 7.
func twoHosts(t *testing.T) (w *wires, near, far *host) {
	if !look(t.TempDir()).hosts {
		t.Skip("hosts of its own need root, /dev/net/tun and iproute2")
	}
	var err error
	near, err = newHost("near", true, netip.AddrFrom4([4]byte{10, 77, 0, 1}))
	require.NoError(t, err)
	far, err = newHost("far", true, netip.AddrFrom4([4]byte{10, 77, 0, 2}))
	require.NoError(t, err)
	w = newWires(1, []*host{near, far})
	var l net.Listener
	far.do(func() { l, err = net.Listen("tcp", "10.77.0.2:7") })
	require.NoError(t, err)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				buffer := make([]byte, 1)
				for {
					if _, err := conn.Read(buffer); err != nil {
						conn.Close()
						return
					}
					_, _ = conn.Write(buffer) // the next read tells
				}
			}()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		near.close()
		far.close()
		w.close()
	})
	return w, near, far
}

// dialFrom connects from a host to the one that echoes.
func dialFrom(t *testing.T, h *host) net.Conn {
	var conn net.Conn
	var err error
	h.do(func() { conn, err = net.DialTimeout("tcp", "10.77.0.2:7", patience) })
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	return conn
}

// echo is how long a byte takes there and back; false: longer than limit.
func echo(t *testing.T, conn net.Conn, limit time.Duration) (time.Duration, bool) {
	begun := time.Now()
	require.NoError(t, conn.SetDeadline(begun.Add(limit)))
	_, err := conn.Write([]byte{1})
	require.NoError(t, err)
	_, err = conn.Read(make([]byte, 1))
	return time.Since(begun), err == nil
}

func TestWires_CarryDelayAndLosePackets(t *testing.T) {
	w, near, far := twoHosts(t)
	conn := dialFrom(t, near)
	_, ok := echo(t, conn, patience)
	require.True(t, ok)
	w.spoil(badDelay, badLoss)
	for range 10 {
		took, ok := echo(t, conn, patience)
		require.True(t, ok, "TCP makes up for what is lost")
		require.GreaterOrEqual(t, took, 2*badDelay, "there and back")
	}
	w.spoil(0, 0)
	for name, way := range map[string][2]bool{"from": {true, false}, "to": {false, true}, "both": {true, true}} {
		conn := dialFrom(t, near)
		w.sever(far, way[0], way[1], true)
		_, ok = echo(t, conn, 300*time.Millisecond)
		require.False(t, ok, name)
		w.sever(far, way[0], way[1], false)
		require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
		_, err := conn.Read(make([]byte, 1))
		require.NoError(t, err, "what was sent meanwhile comes late")
	}
}

func TestHosts_ShareNoLoopback(t *testing.T) {
	_, near, far := twoHosts(t)
	var l net.Listener
	var err error
	near.do(func() { l, err = net.Listen("tcp", "127.0.0.1:8") })
	require.NoError(t, err)
	defer l.Close()
	far.do(func() { _, err = net.Dial("tcp", "127.0.0.1:8") })
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
}
