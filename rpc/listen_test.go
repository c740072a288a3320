package rpc

import (
	"fmt"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"spillway/job"
)

func TestListen_SaysWhatIsWrongAndWhatToDo(t *testing.T) {
	taken := loopback(t).Addr().(*net.TCPAddr)
	for name, row := range map[string]struct {
		addr string
		code job.Code
		says string
	}{
		"no port":       {"127.0.0.1", job.InvalidArgument, "write HOST:PORT"},
		"empty":         {"", job.InvalidArgument, "write HOST:PORT"},
		"port is text":  {"127.0.0.1:http", job.InvalidArgument, `port "http" is not a number`},
		"port too high": {"127.0.0.1:65536", job.InvalidArgument, `port "65536" is not a number from 0 to 65535`},
		"no such host":  {"no.such.host.invalid:5000", job.InvalidArgument, "no.such.host.invalid"},
		"all addresses": {":0", job.InvalidArgument, "--insecure"},
		"zero address":  {"0.0.0.0:0", job.InvalidArgument, "--insecure"},
		"zero IPv6":     {"[::]:0", job.InvalidArgument, "--insecure"},
		"another host":  {"192.0.2.1:0", job.InvalidArgument, "--insecure"},
		"taken": {
			taken.String(), job.FailedPrecondition,
			fmt.Sprintf("port %d is in use by another program; choose another port with --listen", taken.Port),
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Listen(row.addr, ListenOptions{})
			require.Equal(t, row.code, job.CodeOf(err), "%v", err)
			require.Contains(t, job.Describe(err), row.says)
			require.Contains(t, err.Error(), "listen on "+row.addr)
		})
	}
}

func TestListen_TakesLoopbackUnderAnyName(t *testing.T) {
	for _, addr := range []string{"127.0.0.1:0", "localhost:0", "127.8.9.10:0"} {
		l, err := Listen(addr, ListenOptions{})
		require.NoError(t, err, addr)
		require.True(t, l.Addr().(*net.TCPAddr).IP.IsLoopback())
		require.NoError(t, l.Close())
	}
}

func TestListen_TLSTakesEveryAddress(t *testing.T) {
	l, err := Listen(":0", ListenOptions{TLS: newAuthority(t).credentials(nil)})
	require.NoError(t, err)
	require.NoError(t, l.Close())
}

func TestListen_InsecureTakesEveryAddress(t *testing.T) {
	l, err := Listen("0.0.0.0:0", ListenOptions{Insecure: true})
	require.NoError(t, err)
	require.NoError(t, l.Close())
	_, err = Listen("192.0.2.1:0", ListenOptions{Insecure: true})
	require.Equal(t, job.InvalidArgument, job.CodeOf(err))
	require.ErrorContains(t, err, "no such address")
}
