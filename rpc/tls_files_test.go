package rpc

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"spillway/job"
)

func TestTLS_LoadSaysWhichFileIsWrongAndWhatToDo(t *testing.T) {
	a, other := newAuthority(t), newAuthority(t)
	good, second, old, node := a.issue("good", as(ClientRole)), a.issue("second", nil), a.issue("old", expired), a.issue("node", as("node/node_0"))
	odd := good
	odd.Roles = "maybe"
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty.pem")
	require.NoError(t, os.WriteFile(empty, []byte("nothing\n"), 0o600))
	for name, row := range map[string]struct {
		files TLS
		says  string
	}{
		"only a certificate": {TLS{Cert: good.Cert}, "--tls-key: it is missing; give --tls-cert, --tls-key and --tls-ca, or none of them"},
		"only a key":         {TLS{Key: good.Key}, "--tls-cert: it is missing; give"},
		"no authority":       {TLS{Cert: good.Cert, Key: good.Key}, "--tls-ca: it is missing; give"},
		"no such file": {
			TLS{Cert: good.Cert, Key: filepath.Join(dir, "gone.key"), CA: good.CA},
			"--tls-key " + filepath.Join(dir, "gone.key") + ": no such file or directory; name a PEM file that this user may read",
		},
		"a folder":          {TLS{Cert: good.Cert, Key: good.Key, CA: dir}, "--tls-ca " + dir + ": is a directory; name a PEM file"},
		"another's key":     {TLS{Cert: good.Cert, Key: second.Key, CA: good.CA}, "private key does not match public key; name a certificate and the key that it was made for"},
		"key for a cert":    {TLS{Cert: good.Key, Key: good.Key, CA: good.CA}, "--tls-cert " + good.Key + " with --tls-key " + good.Key + ": "},
		"cert for a key":    {TLS{Cert: good.Cert, Key: good.Cert, CA: good.CA}, "found a certificate rather than a key"},
		"no PEM":            {TLS{Cert: empty, Key: good.Key, CA: good.CA}, "failed to find any PEM data in certificate input; name a certificate"},
		"no PEM authority":  {TLS{Cert: good.Cert, Key: good.Key, CA: empty}, "--tls-ca " + empty + ": it has no certificate; name the authority's own"},
		"key for authority": {TLS{Cert: good.Cert, Key: good.Key, CA: good.Key}, "it has no certificate"},
		"expired":           {old, "--tls-cert " + old.Cert + ": the certificate expired at 20"},
		"no role":           {second, "--tls-cert " + second.Cert + ": the certificate is for no role, not for a client; use one that has the URI spillway:client"},
		"another role":      {node, "the certificate is for the node node_0, not for a client; "},
		"odd roles":         {odd, "--tls-roles maybe: it is neither on nor off; use --tls-roles=on or --tls-roles=off"},
		"another authority": {TLS{Cert: good.Cert, Key: good.Key, CA: other.file}, "--tls-cert " + good.Cert + ": the certificate is not from the authority in --tls-ca; " + hintAuthority},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := row.files.Load(ClientRole)
			require.Nil(t, c)
			require.Equal(t, job.InvalidArgument, job.CodeOf(err))
			require.Contains(t, job.Describe(err), row.says)
		})
	}
}

func TestTLS_WithoutFilesThereIsNone(t *testing.T) {
	c, err := TLS{}.Load(ClientRole)
	require.NoError(t, err)
	require.Nil(t, c)
}

func TestTLS_FlagsFillTheFiles(t *testing.T) {
	var files TLS
	got := map[string]*string{}
	files.Flags(func(value *string, name, fallback, usage string) {
		if name == "tls-roles" {
			require.Equal(t, "on", fallback)
		} else {
			require.Empty(t, fallback)
			require.True(t, strings.HasPrefix(usage, "`file` with "), usage)
		}
		got[name] = value
	})
	*got["tls-cert"], *got["tls-key"], *got["tls-ca"] = "a", "b", "c"
	require.Equal(t, TLS{Cert: "a", Key: "b", CA: "c"}, files)
}

// The script of docs/tls.md makes what the programs take.
func TestTLS_CertificatesOfTheScriptWork(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("there is no openssl")
	}
	dir := filepath.Join(t.TempDir(), "certs")
	script := func(args ...string) {
		t.Helper()
		out, err := exec.Command("../tools/certs", append([]string{dir}, args...)...).CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	load := func(name string, as Role) *Credentials {
		t.Helper()
		c, err := TLS{Cert: filepath.Join(dir, name+".pem"), Key: filepath.Join(dir, name+".key"), CA: filepath.Join(dir, "ca.pem")}.Load(as)
		require.NoError(t, err)
		return c
	}
	script("node_0=127.0.0.1,node.example", "client")
	first := load("node_0", NodeRole("node_0"))
	addr, _ := echoServer(t, ListenOptions{TLS: first})
	nc, err := dialer(addr, load("client", ClientRole))(soon(t))
	require.NoError(t, err)
	require.NoError(t, echo(t, nc))
	require.NoError(t, nc.Close())

	script("node_0=127.0.0.1") // renewed, by the same authority
	require.NotEqual(t, first.cert.Certificate, load("node_0", NodeRole("node_0")).cert.Certificate)
	nc, err = dialer(addr, load("node_0", NodeRole("node_0")))(soon(t))
	require.NoError(t, err)
	require.NoError(t, echo(t, nc))
	require.NoError(t, nc.Close())
	for _, secret := range []string{"ca.key", "node_0.key"} {
		info, err := os.Stat(filepath.Join(dir, secret))
		require.NoError(t, err)
		require.Zero(t, info.Mode().Perm()&0o077, "%s is nobody else's", secret)
	}
}

// pythonPing calls ping over the Thrift library's own TLS socket.
const pythonPing = `
import ssl, sys
from thrift.protocol import TBinaryProtocol
from thrift.Thrift import TMessageType, TType
from thrift.transport import TSSLSocket, TTransport
port, ca, cert, key = sys.argv[1:]
socket = TSSLSocket.TSSLSocket("127.0.0.1", int(port), cert_reqs=ssl.CERT_REQUIRED, ca_certs=ca, certfile=cert or None, keyfile=key or None)
transport = TTransport.TBufferedTransport(socket)
transport.open()
protocol = TBinaryProtocol.TBinaryProtocol(transport)
protocol.writeMessageBegin("ping", TMessageType.CALL, 7)
protocol.writeFieldStop()
protocol.writeMessageEnd()
transport.flush()
print(*protocol.readMessageBegin())
transport.close()
`

func TestTLS_PythonClientIsAnsweredWithACertificateOnly(t *testing.T) {
	interpreter := python(t)
	a := newAuthority(t)
	l, err := Listen("127.0.0.1:0", ListenOptions{TLS: a.credentials(nil)})
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- ServeNode(ctx, l, fakeNode{}, quietLog()) }()
	_, port, err := net.SplitHostPort(l.Addr().String())
	require.NoError(t, err)
	files := a.issue("python", nil)
	out, err := exec.CommandContext(soon(t), interpreter, "-c", pythonPing, port, files.CA, files.Cert, files.Key).CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "ping 2 7")
	out, err = exec.CommandContext(soon(t), interpreter, "-c", pythonPing, port, files.CA, "", "").CombinedOutput()
	require.Error(t, err)
	require.NotContains(t, string(out), "ping 2 7")
	stop()
	require.NoError(t, <-ended)
}
