package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"spillway/computenode/admission"
)

func TestRun_WrongUsageIsOneClearLine(t *testing.T) {
	t.Chdir(t.TempDir())
	require.NoError(t, os.WriteFile("machine.txt", []byte("server 127.0.0.1\nnode_0 127.0.0.1:1\n"), 0o600))
	require.NoError(t, os.WriteFile("bad.txt", []byte("node_0 127.0.0.1:90x\n"), 0o600))
	require.NoError(t, os.WriteFile("lonely.txt", []byte("client 127.0.0.1\n"), 0o600))
	require.NoError(t, os.WriteFile("file", nil, 0o600))
	tests := []struct {
		name string
		args string // separated by |
		want string
	}{
		{"nothing", "", "load probability: it is missing; write computenode <load_probability>"},
		{"minus one", "-1", `load probability "-1": it is not between 0 and 1; give a number from 0`},
		{"minus a half", "--name|node_0|-0.5", `load probability "-0.5": it is not between 0 and 1`},
		{"minus infinity", "-Inf", `load probability "-Inf": it is not between 0 and 1`},
		{"over one", "1.5", `load probability "1.5": it is not between 0 and 1`},
		{"not a number", "NaN", `load probability "NaN": it is not a number`},
		{"a word", "abc", `load probability "abc": it is not a number`},
		{"empty", "--seed|1|", `load probability "": it is empty`},
		{"after --", "--|-1", `load probability "-1": it is not between 0 and 1`},
		{"two", "0.1|-0.2", `only the load probability stands without a flag`},
		{"unknown flag", "0.1|--bogus", `flag "bogus": there is no such flag; see computenode --help`},
		{"unknown letter", "0.1|-x", `flag "x": there is no such flag`},
		{"no value", "0.1|--seed", `--seed: its value is missing`},
		{"bad delay", "0.1|--delay|3", `--delay "3": it is not a time such as 3s or 250ms`},
		{"negative delay", "0.1|--delay|-3s", "--delay -3s: it is in the past; use a time such as 3s"},
		{"negative grace", "0.1|--grace|-3s", "--grace -3s: it is in the past; use a time such as 3s, or 0 to give up what runs"},
		{"negative crash", "0.1|--crash-after|-3s", "--crash-after -3s: it is in the past; use a time such as 5s, or 0 for never"},
		{"bad seed", "0.1|--seed|-1", `--seed "-1": it is not a whole number from 0 up`},
		{"bad slots", "0.1|--slots|two", `--slots "two": it is not a whole number`},
		{"negative slots", "0.1|--slots|-2", "--slots -2: so many are not possible; use 1 to 4096"},
		{"too many slots", "0.1|--slots=5000", "--slots 5000: so many are not possible"},
		{"bad admission", "0.1|--admission|magic", `--admission "magic": no such controller; use one of codel, gradient, none, probability, queue, red`},
		{"bad parameter", "0.1|--admission|codel:speed=3", `--admission "codel:speed=3": it has no parameter "speed"; write codel:n=VALUE; its parameters are n, factor`},
		{"bad value", "0.1|--admission|queue:k=-1", `--admission "queue:k=-1": k=-1 is no whole number from 0 to 16384; write queue:k=VALUE; its parameters are k`},
		{"values at odds", "0.1|--admission|red:min=5", `--admission "red:min=5": min=5 is not below max=3`},
		{"parameter of none", "0.1|--admission|none:p=1", `--admission "none:p=1": it has no parameter "p"; write none alone: it has no parameters`},
		{"bad isolate", "0.1|--isolate=maybe", `--isolate "maybe": it is neither on nor off`},
		{"no time", "0.1|--task-timeout|0", "--task-timeout 0s: no task could run"},
		{"bad memory", "0.1|--memory|lots", `--memory "lots": it is not a number of bytes; use one such as 2GiB`},
		{"no workspace", "0.1|--workspace-quota|0", `--workspace-quota "0": it is too little; use one such as 2GiB`},
		{"no models", "0.1|--models|/nowhere", `--models /nowhere: it is not a directory that can be read; name the folder that holds the model files`},
		{"models in a file", "0.1|--models|/proc/self/exe", `--models /proc/self/exe: it is not a directory`},
		{"bad workspace", "0.1|--workspace-quota|much", `--workspace-quota "much": it is not a number of bytes`},
		{"little memory", "0.1|--memory|3MiB", `--memory "3MiB": a child process could not start; use 512 MiB or more`},
		{"bad insecure", "0.1|--insecure=perhaps", `--insecure "perhaps": it is not true or false`},
		{"bad level", "0.1|--log-level|loud", `--log-level "loud": no such level; use debug, info, warn or error`},
		{"unknown name", "0.1|--name|node_9", `--name "node_9": no node in machine.txt has that name; use one that it lists, such as node_0`},
		{"a server's name", "0.1|--name|server", `--name "server": no node in machine.txt has that name`},
		{"odd name", "0.1|--name|node 1|--listen|127.0.0.1:0", `--name "node 1": it cannot name a node`},
		{"no machines", "0.1|--machines|none.txt", "none.txt: there is no such file; write one"},
		{"malformed machines", "0.1|--machines|bad.txt", "bad.txt:1: "},
		{"machines without nodes", "0.1|--machines|lonely.txt", "lonely.txt: it names no node"},
		{"no root", "0.1|--root|nowhere", `nowhere": no such file or directory; name a directory that exists`},
		{"root is a file", "0.1|--root|file", `not a directory; name a directory that exists`},
		{"bad address", "0.1|--listen|here", "listen on here: "},
		{"empty address", "0.1|--listen|", "write HOST:PORT, as in 127.0.0.1:5000"},
		{"beyond loopback", "0.1|--listen|0.0.0.0:0", "other machines could reach it without a login; listen on 127.0.0.1, or add --tls-cert, --tls-key and --tls-ca, or --insecure"},
		{"text beyond loopback", "0.1|--listen|127.0.0.1:0|--text|0.0.0.0:0", `--text "0.0.0.0:0": other machines could reach it without a login; listen on this machine, as in --text 127.0.0.1:6001, or add --insecure`},
		{"bad text address", "0.1|--listen|127.0.0.1:0|--text|here", `--text "here": `},
		{"half of TLS", "0.1|--tls-cert|file", "--tls-key: it is missing; give --tls-cert, --tls-key and --tls-ca, or none of them"},
		{"certificate missing", "0.1|--tls-cert|gone.pem|--tls-key|file|--tls-ca|file", "--tls-cert gone.pem: no such file or directory; name a PEM file"},
		{"key missing", "0.1|--tls-cert|file|--tls-key|gone.key|--tls-ca|file", "--tls-key gone.key: no such file"},
		{"authority missing", "0.1|--tls-cert|file|--tls-key|file|--tls-ca|gone.ca", "--tls-ca gone.ca: no such file"},
		{"empty certificate", "0.1|--tls-cert|file|--tls-key|file|--tls-ca|file", "--tls-cert file with --tls-key file: failed to find any PEM data"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var args []string
			if tt.args != "" {
				args = strings.Split(tt.args, "|")
			}
			var out, errs bytes.Buffer
			require.Equal(t, exitUsage, run(t.Context(), args, &out, &errs), errs.String())
			requireOneLine(t, errs.String(), tt.want)
			require.Empty(t, out.String())
		})
	}
}

func TestRun_PortInUseIsOneClearLine(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	var errs bytes.Buffer
	require.Equal(t, exitFault, run(t.Context(), []string{"0.1", "--listen", l.Addr().String()}, nil, &errs))
	requireOneLine(t, errs.String(), "is in use by another program; choose another port with --listen")
}

func TestRun_ServesUntilToldToStop(t *testing.T) {
	for _, isolate := range []string{"on", "off"} {
		t.Run(isolate, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			var errs bytes.Buffer
			args := []string{"--name", "node_7", "0.25", "--listen", "127.0.0.1:0", "--seed=9", "--slots", "3", "--isolate", isolate}
			require.Equal(t, exitDone, run(ctx, args, nil, &errs), errs.String())
			ready, rest, _ := strings.Cut(errs.String(), "\n")
			requireOneLine(t, ready+"\n", "node_7 is ready on 127.0.0.1:")
			requireOneLine(t, rest, "node_7 stopped")
			require.Contains(t, errs.String(), "load probability 0.25, delay 3s, admission probability, seed 9, slots 3, isolate "+isolate)
		})
	}
}

func TestRun_WithTLSListensBeyondLoopback(t *testing.T) {
	dir := t.TempDir()
	peer := httptest.NewTLSServer(nil)
	defer peer.Close()
	cert := peer.TLS.Certificates[0] // its own authority
	der, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	require.NoError(t, err)
	file, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "cert.key")
	require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]}), 0o600))
	require.NoError(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var errs bytes.Buffer
	args := []string{"0.25", "--listen", "0.0.0.0:0", "--isolate", "off", "--tls-cert", file, "--tls-key", key, "--tls-ca", file, "--tls-roles", "off"}
	require.Equal(t, exitDone, run(ctx, args, nil, &errs), errs.String())
}

func TestHelp_ItsExamplesWork(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	require.NoError(t, os.WriteFile("machine.txt", []byte("node_0 127.0.0.1:1\nnode_1 127.0.0.1:2\n"), 0o600))
	var out, errs bytes.Buffer
	require.Equal(t, exitDone, run(t.Context(), []string{"--help"}, &out, &errs))
	require.Empty(t, errs.String())
	_, examples, ok := strings.Cut(out.String(), "Examples:\n")
	require.True(t, ok)
	examples, _, _ = strings.Cut(examples, "\n\n")
	for line := range strings.Lines(examples) {
		command, _, _ := strings.Cut(strings.TrimSpace(line), "   ")
		args := strings.Fields(command)
		require.Equal(t, "computenode", args[0])
		_, err := parse(args[1:])
		require.NoError(t, err, command)
	}
}

func TestHelp_TellsEveryControllerWithItsParameters(t *testing.T) {
	text := help()
	for _, name := range admission.Names() {
		require.Contains(t, text, "\n  "+name+" ")
	}
	for _, param := range []string{"k=4: ", "n=100ms: ", "factor=20: ", "tolerance=1.5: ", "w=0.002: "} {
		require.Contains(t, text, param)
	}
}

func TestMain_StartedAsChildByHandSaysSo(t *testing.T) {
	cmd := program(t, childMode)
	text, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	require.Equal(t, exitUsage, exit.ExitCode())
	requireOneLine(t, string(text), "this mode is for child processes, which the program starts itself")
}

func TestMain_InterruptOfTheGroupEndsNodeAndChildren(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(sig.String(), func(t *testing.T) {
			cmd := program(t, "0", "--listen", "127.0.0.1:0", "--slots", "2")
			cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
			stderr, err := cmd.StderrPipe()
			require.NoError(t, err)
			require.NoError(t, cmd.Start())
			defer func() { _ = cmd.Process.Kill() }()
			line, err := bufio.NewReader(stderr).ReadString('\n')
			require.NoError(t, err)
			require.Contains(t, line, "is ready on")
			children := childrenOf(t, cmd.Process.Pid, 2)
			require.NoError(t, syscall.Kill(-cmd.Process.Pid, sig))
			require.NoError(t, cmd.Wait(), "exit code 0")
			for _, pid := range children {
				require.ErrorIs(t, unix.Kill(pid, 0), unix.ESRCH)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"-1", "0.5|--delay|x", "--name|--|3", "0.1|--listen|a:1", "--|-1", "-", "--=", "--insecure|-2", "0|--memory|1e999GiB"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		_, err := parse(strings.Split(s, "|"))
		if err != nil {
			var errs bytes.Buffer
			exit(&errs, err)
			require.Equal(t, 1, strings.Count(errs.String(), "\n"), errs.String())
		}
	})
}

func TestParseSize(t *testing.T) {
	for in, want := range map[string]int64{
		"2GiB": 2 << 30, "600 MiB": 600 << 20, "1.5GiB": 3 << 29, "1073741824": 1 << 30, "1TiB": 1 << 40, "600000KiB": 600_000 << 10,
	} {
		got, err := parseSize("--memory", in)
		require.NoError(t, err, in)
		require.Equal(t, want, got, in)
	}
	for _, in := range []string{"", "GiB", "-2GiB", "NaN", "Inf", "1e400", "9999999TiB", "2GB", "2 G iB"} {
		_, err := parseSize("--memory", in)
		require.Error(t, err, in)
	}
}

// requireOneLine checks that text is one line that holds want.
func requireOneLine(t *testing.T, text, want string) {
	t.Helper()
	require.Equal(t, 1, strings.Count(text, "\n"), text)
	require.Contains(t, text, want)
	require.True(t, strings.HasPrefix(text, "computenode: "), text)
}

// program is the test binary as the program itself.
func program(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(exe, args...)
	cmd.Env = append(os.Environ(), mainEnv+"=1", "GORACE=atexit_sleep_ms=0")
	return cmd
}

// childrenOf waits until a process has so many children, and returns them.
func childrenOf(t *testing.T, pid, want int) []int {
	t.Helper()
	for {
		var pids []int
		lists, err := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*/children")
		require.NoError(t, err)
		for _, list := range lists {
			text, _ := os.ReadFile(list)
			for field := range strings.FieldsSeq(string(text)) {
				n, err := strconv.Atoi(field)
				require.NoError(t, err)
				pids = append(pids, n)
			}
		}
		if len(pids) == want {
			return pids
		}
		require.Less(t, len(pids), want+1)
	}
}
