package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log/slog"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"spillway/job"
	"spillway/rpc"
	"spillway/server/policy"
	"spillway/server/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// inFolder makes a working directory with a machine.txt.
func inFolder(t *testing.T, machines string) string {
	t.Helper()
	dir := t.TempDir()
	t.Chdir(dir)
	require.NoError(t, os.WriteFile("machine.txt", []byte(machines), 0o600))
	return dir
}

// called is what a command line gives.
func called(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	code = command(t.Context(), args, &out, &err)
	return code, out.String(), err.String()
}

func TestServer_WrongCommandLinesGiveOneLineAndExitCodeTwo(t *testing.T) {
	inFolder(t, "node_0 127.0.0.1:1\n")
	require.NoError(t, os.WriteFile("bad.txt", []byte("\n\n\n\n\n\nnode_0 127.0.0.1:90x\n"), 0o600))
	rows := []struct {
		name string
		args []string
		want string
	}{
		{"unknown flag", []string{"--fast"}, "unknown flag: --fast; server --help lists the flags"},
		{"an argument", []string{"data"}, `"data" is one argument too many; server --help lists the flags`},
		{"log level", []string{"--log-level", "loud"}, `--log-level "loud" is none of debug, info, warn, error`},
		{"window zero", []string{"--window", "0"}, "--window 0 leaves no room for a task"},
		{"window negative", []string{"--window", "-4"}, "--window -4 leaves no room for a task"},
		{"files quota", []string{"--files-quota", "-1"}, "--files-quota -1 is no number of GiB from 0 to 2^30"},
		{"window not a number", []string{"--window", "many"}, "--window"},
		{"policy", []string{"--policy", "best"}, `policy "best": no such policy; use one of ` + strings.Join(policy.Names(), ", ")},
		{"balance policy", []string{"--balance-policy", "best"}, `--balance-policy: policy "best": no such policy; use one of ` + strings.Join(policy.Names(), ", ")},
		{"attempt timeout", []string{"--attempt-timeout", "-1s"}, "attempt-timeout: -1s is negative; use a positive value"},
		{"stall timeout", []string{"--stall-timeout", "soon"}, "--stall-timeout"},
		{"root", []string{"--root", "nowhere"}, "--root: "},
		{"root is a file", []string{"--root", "machine.txt"}, "not a directory; name directories that exist"},
		{"machine.txt missing", []string{"--machines", "gone.txt"}, "gone.txt: there is no such file"},
		{"machine.txt malformed", []string{"--machines", "bad.txt"}, `bad.txt:7: port "90x" is not a number; want NAME HOST[:PORT]`},
		{"listen without port", []string{"--listen", "localhost"}, "listen on localhost"},
		{"listen port", []string{"--listen", "127.0.0.1:70000"}, `port "70000" is not a number from 0 to 65535; write HOST:PORT`},
		{"listen beyond loopback", []string{"--listen", "0.0.0.0:0"}, "listen on 127.0.0.1, or add --tls-cert, --tls-key and --tls-ca, or --insecure if the network is trusted"},
		{"half of TLS", []string{"--tls-key", "machine.txt"}, "--tls-cert: it is missing; give --tls-cert, --tls-key and --tls-ca, or none of them"},
		{"certificate missing", []string{"--tls-cert", "gone.pem", "--tls-key", "bad.txt", "--tls-ca", "bad.txt"}, "--tls-cert gone.pem: no such file or directory; name a PEM file"},
		{"key missing", []string{"--tls-cert", "bad.txt", "--tls-key", "gone.key", "--tls-ca", "bad.txt"}, "--tls-key gone.key: no such file"},
		{"authority missing", []string{"--tls-cert", "bad.txt", "--tls-key", "bad.txt", "--tls-ca", "gone.ca"}, "--tls-ca gone.ca: no such file"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			code, stdout, stderr := called(t, row.args...)
			require.Equal(t, exitUsage, code)
			require.Empty(t, stdout)
			require.Equal(t, 1, strings.Count(stderr, "\n"), stderr)
			require.Contains(t, stderr, row.want)
			require.True(t, strings.HasPrefix(stderr, "server: "))
		})
	}
}

func TestServer_HTTPAddressThatWillNotDoGivesTheMend(t *testing.T) {
	inFolder(t, "node_0 127.0.0.1:1\n")
	for _, addr := range []string{"nonsense", "0.0.0.0:0"} {
		code, _, stderr := called(t, "--listen", "127.0.0.1:0", "--http", addr)
		require.Equal(t, exitUsage, code)
		require.Contains(t, stderr, "server: --http: listen on "+addr)
		require.Contains(t, stderr, "or --insecure")
	}
}

func TestServer_ShowsNoPasswordWhereItDoesNotStart(t *testing.T) {
	inFolder(t, "node_0 127.0.0.1:1\n")
	code, _, stderr := called(t, "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--files", "machine.txt")
	require.Equal(t, exitUsage, code)
	require.Contains(t, stderr, "server: --files: ")
	require.NotContains(t, stderr, "password")
}

func TestServer_PortInUseGivesExitCodeOneAndAHint(t *testing.T) {
	inFolder(t, "node_0 127.0.0.1:1\n")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	addr := l.Addr().String()
	code, _, stderr := called(t, "--listen", addr)
	require.Equal(t, exitFailed, code)
	_, port, err := net.SplitHostPort(addr)
	require.NoError(t, err)
	require.Equal(t, "server: listen on "+addr+": port "+port+" is in use by another program; choose another port with --listen, or stop the other program\n", stderr)
}

// tlsFlags makes a certificate that is its own authority, and the flags for it.
func tlsFlags(t *testing.T) []string {
	t.Helper()
	peer := httptest.NewTLSServer(nil)
	defer peer.Close()
	cert := peer.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	require.NoError(t, err)
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]})
	require.NoError(t, os.WriteFile("cert.pem", certPEM, 0o600))
	require.NoError(t, os.WriteFile("cert.key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), 0o600))
	return []string{"--tls-cert", "cert.pem", "--tls-key", "cert.key", "--tls-ca", "cert.pem", "--tls-roles=off"}
}

func TestServer_WithTLSListensBeyondLoopback(t *testing.T) {
	inFolder(t, "node_0 127.0.0.1:1\n")
	cfg, err := parse(append(tlsFlags(t), "--listen", "0.0.0.0:0"), nil)
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	stop()
	require.NoError(t, run(ctx, cfg, io.Discard))
}

func TestServer_HelpIsShownOnStdout(t *testing.T) {
	code, stdout, stderr := called(t, "--help")
	require.Equal(t, exitDone, code)
	require.Empty(t, stderr)
	for _, want := range []string{"Examples:", "--machines", "--root", "--policy", "prequal", "--stall-timeout", "--tls-cert file"} {
		require.Contains(t, stdout, want)
	}
}

func TestServer_TakesItsAddressFromFlagThenMachineTxtThenDefault(t *testing.T) {
	dir := inFolder(t, "server 127.0.0.1:7000\nnode_0 127.0.0.1:1\n")
	require.NoError(t, os.WriteFile("plain.txt", []byte("node_0 127.0.0.1:1\n"), 0o600))
	rows := map[string][]string{
		"127.0.0.1:8000": {"--listen", "127.0.0.1:8000"},
		"127.0.0.1:7000": nil,
		defaultListen:    {"--machines", "plain.txt"},
	}
	for want, args := range rows {
		cfg, err := parse(args, nil)
		require.NoError(t, err)
		require.Equal(t, want, cfg.listen)
	}
	cfg, err := parse([]string{"--stall-timeout", "-1s", "--attempt-timeout", "5s", "--seed", "7", "--window", "9", "--policy", "random"}, nil)
	require.NoError(t, err)
	require.Equal(t, -time.Second, cfg.scheduler.Stall)
	require.Equal(t, 5*time.Second, cfg.cluster.AttemptTimeout)
	require.Equal(t, uint64(7), cfg.scheduler.Seed)
	require.Equal(t, 9, cfg.scheduler.Window)
	require.Equal(t, "random", cfg.scheduler.Policy)
	here, err := filepath.EvalSymlinks(dir)
	require.NoError(t, err)
	require.Equal(t, here, cfg.roots.String(), "the working directory is the root")
}

func TestServer_ServesUntilToldToStopAndGoesOnLater(t *testing.T) {
	dir := inFolder(t, "node_0 127.0.0.1:1\n") // nobody listens there
	require.NoError(t, os.MkdirAll("data/input_dir", 0o755))
	require.NoError(t, os.WriteFile("data/input_dir/a.png", nil, 0o600))
	cfg, err := parse([]string{"--listen", "127.0.0.1:0"}, nil)
	require.NoError(t, err)
	for _, first := range []bool{true, false} {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		addr := make(chan string, 1)
		ended := make(chan error, 1)
		go func() { ended <- run(ctx, cfg, ready(addr)) }()
		conn := rpc.NewServiceConn(<-addr, nil)
		defer func() { _ = conn.Close() }()
		nodes, err := conn.Nodes(t.Context())
		require.NoError(t, err)
		require.Equal(t, job.Inaccessible, nodes[0].State)
		if first {
			_, err = conn.Submit(t.Context(), job.Spec{ID: "mine", Source: "data"})
			require.NoError(t, err)
		}
		_, err = conn.Submit(t.Context(), job.Spec{Source: filepath.Dir(dir)})
		require.Equal(t, job.PermissionDenied, job.CodeOf(err))
		j, err := conn.Job(t.Context(), "mine")
		require.NoError(t, err)
		require.False(t, j.State.Final())
		require.EqualValues(t, 1, j.Total)
		stop()
		require.NoError(t, <-ended)
	}
}

func TestServer_KeepsJobsInMemoryWhereToldTo(t *testing.T) {
	dir := t.TempDir()
	cfg := config{db: inMemory, state: filepath.Join(dir, "state")}
	kept, err := openStore(t.Context(), &cfg, store.Config{Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	require.NoError(t, kept.Close())
	require.NoDirExists(t, cfg.state)
}

func TestService_PolicyOfTheAssignmentsCall(t *testing.T) {
	s := service{balancePolicy: "balance"}
	require.Equal(t, "random", s.Policy(true))
	require.Equal(t, "balance", s.Policy(false))
}

// ready finds the address in the log.
type ready chan<- string

func (r ready) Write(p []byte) (int, error) {
	for word := range strings.FieldsSeq(string(p)) {
		if addr, ok := strings.CutPrefix(word, "address="); ok {
			select {
			case r <- addr:
			default:
			}
		}
	}
	return len(p), nil
}
