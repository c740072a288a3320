//go:build linux

package rpc

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// stranger is a user that is neither root nor, in all likelihood, ours.
const stranger = 54321

// serveAll is an echo server on a listener and its Unix socket.
func serveAll(t *testing.T, addr string, o ListenOptions) (l *Listener, port string) {
	t.Helper()
	l, err := Listen(addr, o)
	require.NoError(t, err)
	serveEcho(t, make(chan error, 100), l.All()...)
	_, port, err = net.SplitHostPort(l.Addr().String())
	require.NoError(t, err)
	return l, port
}

// reach dials, checks that the peer answers, and tells over which network.
func reach(t *testing.T, addr string, c *Credentials) (network string) {
	t.Helper()
	nc, err := dialer(addr, c)(soon(t))
	require.NoError(t, err)
	defer nc.Close()
	require.NoError(t, echo(t, nc))
	return nc.RemoteAddr().Network()
}

func hasIPv6() bool {
	l, err := net.Listen("tcp", "[::1]:0")
	if err == nil {
		l.Close()
	}
	return err == nil
}

func TestDialer_TakesTheUnixSocketOfAPeerOnThisMachine(t *testing.T) {
	rows := []struct{ listen, dial string }{
		{"127.0.0.1:0", "127.0.0.1"},
		{"127.0.0.1:0", "::ffff:127.0.0.1"},
		{"localhost:0", "localhost"},
		{"127.8.9.10:0", "127.8.9.10"},
		{"0.0.0.0:0", "127.0.0.1"},
		{":0", "127.0.0.1"},
		{":0", "localhost"},
		{":0", "127.8.9.10"},
	}
	if hasIPv6() {
		rows = append(rows, struct{ listen, dial string }{"[::1]:0", "::1"}, struct{ listen, dial string }{"[::]:0", "::1"})
	}
	if addrs, err := net.InterfaceAddrs(); err == nil {
		for _, a := range addrs {
			if ip := a.(*net.IPNet).IP; ip.To4() != nil && !ip.IsLoopback() {
				rows = append(rows, struct{ listen, dial string }{ip.String() + ":0", ip.String()}, struct{ listen, dial string }{":0", ip.String()})
			}
		}
	}
	for _, row := range rows {
		t.Run(row.listen+" from "+row.dial, func(t *testing.T) {
			_, port := serveAll(t, row.listen, ListenOptions{Insecure: true})
			require.Equal(t, "unix", reach(t, net.JoinHostPort(row.dial, port), nil))
		})
	}
}

func TestDialer_TakesTCPWhereNobodyAcceptsOnTheUnixSocket(t *testing.T) {
	l, err := Listen("127.0.0.1:0", ListenOptions{})
	require.NoError(t, err)
	serveEcho(t, make(chan error, 1), l) // never asks for All
	require.Equal(t, "tcp", reach(t, l.Addr().String(), nil))
}

func TestDialer_TakesTCPForTLS(t *testing.T) {
	c := newAuthority(t).credentials(nil)
	l, port := serveAll(t, "127.0.0.1:0", ListenOptions{TLS: c})
	require.Len(t, l.All(), 1)
	squatter, err := net.Listen("unix", "@spillway/127.0.0.1:"+port) // of our own user, even
	require.NoError(t, err)
	defer squatter.Close()
	require.Equal(t, "tcp", reach(t, l.Addr().String(), c))
}

func TestDialer_DoesNotBypassAProxy(t *testing.T) {
	for _, listen := range []string{"127.0.0.1:0", ":0"} {
		node, port := serveAll(t, listen, ListenOptions{Insecure: true})
		proxy, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		passed := make(chan string, 1)
		go func() {
			defer close(passed)
			near, err := proxy.Accept()
			if err != nil {
				return
			}
			defer near.Close()
			passed <- near.RemoteAddr().Network()
			far, err := net.Dial("tcp", "127.0.0.1:"+port)
			if err != nil {
				return
			}
			defer far.Close()
			_, _ = io.CopyN(far, near, 5)
			_, _ = io.CopyN(near, far, 5)
		}()
		require.Equal(t, "tcp", reach(t, proxy.Addr().String(), nil))
		require.Equal(t, "tcp", <-passed)
		<-passed
		proxy.Close()
		node.Close()
	}
}

func TestDialer_SaysWhatTCPSays(t *testing.T) {
	l, err := Listen("127.0.0.1:0", ListenOptions{})
	require.NoError(t, err)
	require.Len(t, l.All(), 2)
	require.NoError(t, l.Close())
	for addr, want := range map[string]string{
		l.Addr().String():           "connection refused",
		"no.such.host.invalid:5000": "no.such.host.invalid",
		"127.0.0.1":                 "missing port",
		"127.0.0.1:what":            "what",
		"127.0.0.1:70000":           "invalid port",
	} {
		_, err := dialer(addr, nil)(soon(t))
		require.ErrorContains(t, err, want)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = dialer("127.0.0.1:1", nil)(ctx)
	require.Error(t, err)
}

// listenFree opens a Unix socket named after an address and a free port.
func listenFree(t *testing.T, ip netip.Addr) netip.AddrPort {
	t.Helper()
	for port := uint16(20000); port < 30000; port++ {
		at := netip.AddrPortFrom(ip, port)
		if l, err := net.Listen("unix", unixName(at)); err == nil {
			t.Cleanup(func() { l.Close() })
			return at
		}
	}
	require.Fail(t, "no name is free")
	return netip.AddrPort{}
}

func TestDialLocal_LeavesAddressesOfOtherMachinesAlone(t *testing.T) {
	far := netip.MustParseAddr("192.0.2.1")
	very := listenFree(t, far)
	all := listenFree(t, netip.IPv6Unspecified())
	require.Nil(t, dialLocal(t.Context(), []netip.Addr{far}, very.Port()), "the address has moved away")
	require.Nil(t, dialLocal(t.Context(), []netip.Addr{far}, all.Port()))
	nc := dialLocal(t.Context(), []netip.Addr{far, netip.MustParseAddr("127.0.0.1")}, all.Port())
	require.NotNil(t, nc, "the name stands for this machine too")
	nc.Close()
}

// asStranger runs f in a thread that acts as another user, which takes root.
func asStranger(t *testing.T, f func() error) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can act as another user")
	}
	act := func(uid uintptr) error {
		if _, _, errno := syscall.RawSyscall(syscall.SYS_SETRESUID, ^uintptr(0), uid, ^uintptr(0)); errno != 0 {
			return errno
		}
		return nil
	}
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := act(stranger)
		if err == nil {
			err = errors.Join(f(), act(0))
		}
		done <- err
	}()
	require.NoError(t, <-done)
}

func TestDialer_LeavesASocketOfAnotherUserAlone(t *testing.T) {
	l, err := Listen("127.0.0.1:0", ListenOptions{})
	require.NoError(t, err)
	serveEcho(t, make(chan error, 1), l)
	for _, name := range []string{"@spillway/" + l.Addr().String(), "@spillway/*:" + strconv.Itoa(l.Addr().(*net.TCPAddr).Port)} {
		var squatter net.Listener
		asStranger(t, func() (err error) {
			squatter, err = net.Listen("unix", name)
			return err
		})
		defer squatter.Close()
	}
	require.Equal(t, "tcp", reach(t, l.Addr().String(), nil))
}

func TestDialer_PassesASquatterByForTheSocketOfAllAddresses(t *testing.T) {
	_, port := serveAll(t, ":0", ListenOptions{Insecure: true})
	var squatter net.Listener
	asStranger(t, func() (err error) {
		squatter, err = net.Listen("unix", "@spillway/127.0.0.1:"+port)
		return err
	})
	defer squatter.Close()
	require.Equal(t, "unix", reach(t, "127.0.0.1:"+port, nil))
}

func TestDialer_TrustsRootFromEveryUser(t *testing.T) {
	l, _ := serveAll(t, "127.0.0.1:0", ListenOptions{})
	asStranger(t, func() error {
		nc, err := dialer(l.Addr().String(), nil)(t.Context())
		if err != nil {
			return err
		}
		defer nc.Close()
		if nc.RemoteAddr().Network() != "unix" {
			return errors.New("not over the Unix socket")
		}
		return nil
	})
}

func TestMayServe_OwnUserAndRoot(t *testing.T) {
	for name, row := range map[string]struct {
		user, own uint32
		want      bool
	}{
		"the same":          {1000, 1000, true},
		"root for a user":   {0, 1000, true},
		"root for root":     {0, 0, true},
		"another":           {1001, 1000, false},
		"a user for root":   {1000, 0, false},
		"nobody for nobody": {nobody, nobody, false},
		"root for nobody":   {0, nobody, true},
		"nobody for a user": {nobody, 1000, false},
	} {
		require.Equal(t, row.want, mayServe(row.user, row.own), name)
	}
}

func TestPeerUser_IsNotGuessed(t *testing.T) {
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	_, ok := peerUser(near)
	require.False(t, ok)
}

func TestUnixName_CarriesAddressAndPort(t *testing.T) {
	for at, want := range map[string]string{
		"127.0.0.1:5001":    "@spillway/127.0.0.1:5001",
		"[::1]:5001":        "@spillway/[::1]:5001",
		"0.0.0.0:5000":      "@spillway/*:5000",
		"[::]:5000":         "@spillway/*:5000",
		"[fe80::1%eth0]:50": "",
	} {
		require.Equal(t, want, unixName(netip.MustParseAddrPort(at)))
	}
}

func TestDialUnix_DoesNotWaitForAPeerThatDoesNotAccept(t *testing.T) {
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	defer syscall.Close(fd)
	at := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(os.Getpid()))
	require.NoError(t, syscall.Bind(fd, &syscall.SockaddrUnix{Name: unixName(at)}))
	require.NoError(t, syscall.Listen(fd, 0))
	for range 10 { // until its queue is full
		nc := dialUnix(soon(t), at)
		if nc == nil {
			return
		}
		defer nc.Close()
	}
	require.Fail(t, "the queue never filled")
}

func TestListener_CloseFreesPortAndName(t *testing.T) {
	l, err := Listen("127.0.0.1:0", ListenOptions{})
	require.NoError(t, err)
	addr := l.Addr().String()
	for range 20 {
		require.Len(t, l.All(), 2)
		require.Len(t, l.All(), 2, "as often as one likes")
		require.NoError(t, l.Close())
		require.Len(t, l.All(), 1, "closed: nothing is opened any more")
		l, err = Listen(addr, ListenOptions{})
		require.NoError(t, err)
	}
	sockets := l.All()
	require.NoError(t, sockets[1].Close(), "a server closes each")
	require.NoError(t, l.Close())
	_, err = sockets[1].Accept()
	require.ErrorIs(t, err, net.ErrClosed)
}

func TestListener_CloseWakesWhoAccepts(t *testing.T) {
	l, err := Listen("127.0.0.1:0", ListenOptions{})
	require.NoError(t, err)
	var wg sync.WaitGroup
	for _, socket := range l.All() {
		wg.Go(func() {
			if _, err := socket.Accept(); !errors.Is(err, net.ErrClosed) {
				t.Errorf("accept: %v", err)
			}
		})
	}
	require.NoError(t, l.Close())
	wg.Wait()
}

func TestListener_ServesTCPWhereTheNameIsTaken(t *testing.T) {
	l, err := Listen("127.0.0.1:0", ListenOptions{})
	require.NoError(t, err)
	defer l.Close()
	squatter, err := net.Listen("unix", "@spillway/"+l.Addr().String())
	require.NoError(t, err)
	require.Equal(t, []net.Listener{l}, l.All())
	require.NoError(t, squatter.Close())
}

// childListen makes the test binary a program that listens there.
const childListen = "RPC_TEST_LISTEN"

func TestListener_UnixSocketGoesWithTheProcess(t *testing.T) {
	if addr := os.Getenv(childListen); addr != "" {
		l, err := Listen(addr, ListenOptions{})
		require.NoError(t, err)
		require.Len(t, l.All(), 2)
		fmt.Println("listens on", l.Addr())
		_, _ = io.Copy(io.Discard, os.Stdin)
		return
	}
	exe, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(exe, "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), childListen+"=127.0.0.1:0")
	_, err = cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	defer func() { _ = cmd.Process.Kill() }()
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	addr, found := strings.CutPrefix(strings.TrimSpace(line), "listens on ")
	require.True(t, found, line)
	nc, err := dialer(addr, nil)(soon(t))
	require.NoError(t, err)
	require.Equal(t, "unix", nc.RemoteAddr().Network())

	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait())
	_, err = nc.Read(make([]byte, 1))
	require.Error(t, err)
	require.NoError(t, nc.Close())
	_, err = dialer(addr, nil)(soon(t))
	require.ErrorContains(t, err, "connection refused", "what TCP says")
	l, err := Listen(addr, ListenOptions{})
	require.NoError(t, err)
	require.Len(t, l.All(), 2, "the name is free again")
	require.NoError(t, l.Close())
}
