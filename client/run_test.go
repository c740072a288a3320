package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"spillway/job"
	"spillway/rpc"
	"spillway/server/policy"
	"spillway/server/scheduler"
	"spillway/server/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server is a scheduler on loopback, over nodes that do what the test says.
type server struct {
	*scheduler.Scheduler
	addr    string
	execute func(ctx context.Context, t job.Task) (job.Result, error)
	nodes   []job.Node
	stop    func() // ends it, and waits
}

// serve starts a server on a port of its own.
func serve(t *testing.T, execute func(ctx context.Context, t job.Task) (job.Result, error)) *server {
	t.Helper()
	l, err := rpc.Listen("127.0.0.1:0", rpc.ListenOptions{})
	require.NoError(t, err)
	log := slog.New(slog.DiscardHandler)
	s := &server{addr: l.Addr().String(), execute: execute}
	s.Scheduler = scheduler.New(scheduler.Config{Seed: 1}, openFake, s, store.NewMemory(), log)
	s.NodeChanged(0, policy.Node{ID: s.ID(0), Up: true})
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = s.Run(ctx) })
	wg.Go(func() { _ = rpc.ServeService(ctx, l, s, log) })
	s.stop = sync.OnceFunc(func() {
		cancel()
		wg.Wait()
	})
	t.Cleanup(s.stop)
	return s
}

func (s *server) Len() int          { return 1 }
func (s *server) ID(int) job.NodeID { return "node_0" }
func (s *server) Trouble() string   { return "no node answers" }

func (s *server) Policy(isRandom bool) string {
	return map[bool]string{true: "random", false: "balance"}[isRandom]
}

func (s *server) Nodes(context.Context) ([]job.Node, error) { return s.nodes, nil }

func (s *server) Operations() []job.OperationInfo {
	return []job.OperationInfo{{Name: "edges", Summary: "paints edges"}, {Name: "none"}}
}

func (s *server) Probe(context.Context, int) (job.Load, error) { return job.Load{}, nil }

func (s *server) Execute(ctx context.Context, _ int, t job.Task) (job.Result, error) {
	return s.execute(ctx, t)
}

// fake is a folder of three inputs: /three.
type fake string

func openFake(path string, _ job.Operation) (scheduler.Source, error) {
	if path != "/three" {
		return nil, job.E(job.NotFound, "open "+path, errors.New("no such folder"), "name one that exists")
	}
	return fake(path), nil
}

func (f fake) Base() string                                            { return string(f) }
func (f fake) Count(context.Context) (inputs, others int64, err error) { return 3, 0, nil }
func (f fake) Clean(context.Context, string) (int, error)              { return 0, nil }
func (f fake) Close() error                                            { return nil }
func (f fake) Inputs(_ context.Context, yield func(string) bool) error {
	for n := range 3 {
		if !yield(fmt.Sprintf("a%d.png", n)) {
			break
		}
	}
	return nil
}

func works(context.Context, job.Task) (job.Result, error) { return job.Result{}, nil }

// client runs the client; it returns exit code, stdout and stderr.
func client(ctx context.Context, args ...string) (code int, stdout, stderr string) {
	var out, err bytes.Buffer
	code = run(ctx, args, output{stdout: &out, stderr: &err})
	return code, out.String(), err.String()
}

func TestClient_ProcessesAFolderWithOneCall(t *testing.T) {
	s := serve(t, works)
	code, stdout, stderr := client(t.Context(), "--server", s.addr, "/three")
	require.Equal(t, exitDone, code, stderr)
	require.Empty(t, stderr)
	require.Contains(t, stdout, "pull    edges      succeeded")
	require.Contains(t, stdout, "3/3")
	require.Contains(t, stdout, "outputs: /three/output_dir")
}

func TestClient_RunsSeveralPoliciesSideBySide(t *testing.T) {
	s := serve(t, works)
	code, stdout, stderr := client(t.Context(), "--server", s.addr, "--policy", "random,balance", "/three")
	require.Equal(t, exitDone, code, stderr)
	require.Contains(t, stdout, "|  random")
	jobs, err := s.Jobs(t.Context(), job.Filter{})
	require.NoError(t, err)
	require.Equal(t, []string{"balance", "random"}, []string{jobs[0].Spec.Policy, jobs[1].Spec.Policy})
}

func TestClient_FailedTasksAreNamedAndGiveExitCodeOne(t *testing.T) {
	s := serve(t, func(_ context.Context, t job.Task) (job.Result, error) {
		if t.Name == "a1.png" {
			return job.Result{}, job.E(job.DataLoss, "read a1.png", errors.New("it is cut short"), "copy it again")
		}
		return job.Result{}, nil
	})
	code, stdout, _ := client(t.Context(), "--server", s.addr, "/three")
	require.Equal(t, exitFailed, code)
	require.Contains(t, stdout, "failed: 1 of 3\n  a1.png: read a1.png: it is cut short; copy it again\n")

	code, stdout, _ = client(t.Context(), "--server", s.addr, "--json", "/three")
	require.Equal(t, exitFailed, code)
	require.Contains(t, stdout, `"failed":1`)
	require.Equal(t, 1, strings.Count(stdout, "\n"))
}

func TestClient_RefusedJobsGiveOneLine(t *testing.T) {
	s := serve(t, works)
	rows := []struct {
		name string
		args []string
		want string
	}{
		{"folder", []string{"/none"}, "client: open /none: no such folder; name one that exists\n"},
		{"operation", []string{"--op", "melt", "/three"}, `client: operation "melt": no such operation; use one of edges, none` + "\n"},
		{"parameter", []string{"--op", "edges:x=1", "/three"}, `client: operation edges: it has no parameter "x"; edges takes no parameters` + "\n"},
		{"policy", []string{"--policy", "best", "/three"}, `client: policy "best": no such policy; use one of ` + strings.Join(policy.Names(), ", ") + "\n"},
		{"detached", []string{"--detach", "/none"}, "client: open /none: no such folder; name one that exists\n"},
		{"job", []string{"job", "nobody"}, "client: job nobody: no such job; list the jobs with: client jobs\n"},
		{"watch", []string{"watch", "nobody"}, "client: job nobody: no such job; list the jobs with: client jobs\n"},
		{"cancel", []string{"cancel", "nobody"}, "client: job nobody: no such job; list the jobs with: client jobs\n"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			code, stdout, stderr := client(t.Context(), append([]string{"--server", s.addr}, row.args...)...)
			require.Equal(t, row.want, stderr)
			require.Equal(t, exitUsage, code)
			require.Empty(t, stdout)
		})
	}
}

func TestClient_UnreachableServerGivesExitCodeThree(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := l.Addr().String()
	require.NoError(t, l.Close())
	for _, args := range [][]string{{"/three"}, {"jobs"}, {"job", "x"}, {"watch", "x"}, {"cancel", "x"}, {"nodes"}, {"operations"}, {"--detach", "/three"}} {
		code, stdout, stderr := client(t.Context(), append([]string{"--server", addr}, args...)...)
		require.Equal(t, exitUnreachable, code, "%v: %s", args, stderr)
		require.Empty(t, stdout)
		require.Equal(t, 1, strings.Count(stderr, "\n"), stderr)
		require.Contains(t, stderr, addr)
		require.Contains(t, stderr, "start it with bin/server")
	}
}

func TestClient_InterruptCancelsTheJobOnTheServer(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	var once sync.Once
	stopped := make(chan struct{}, 3)
	s := serve(t, func(ctx context.Context, _ job.Task) (job.Result, error) {
		once.Do(interrupt)
		<-ctx.Done()
		stopped <- struct{}{}
		return job.Result{}, ctx.Err()
	})
	code, stdout, _ := client(ctx, "--server", s.addr, "--policy", "random,balance", "/three")
	require.Equal(t, exitInterrupted, code)
	require.Contains(t, stdout, "cancelled")
	<-stopped
	jobs, err := s.Jobs(t.Context(), job.Filter{})
	require.NoError(t, err)
	require.Len(t, jobs, 1, "the second policy was not started")
	require.Equal(t, job.Cancelled, jobs[0].State)
}

func TestClient_AttachesAgainWhenTheConnectionBreaks(t *testing.T) {
	begun := make(chan struct{}, 100)
	s := serve(t, func(ctx context.Context, _ job.Task) (job.Result, error) {
		begun <- struct{}{}
		<-ctx.Done()
		return job.Result{}, ctx.Err()
	})
	// A relay that is cut while the job runs stands for a broken network.
	relay := newRelay(t, s.addr)
	go func() {
		<-begun
		relay.cut()
	}()
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	go func() {
		<-relay.again // it called again
		interrupt()
	}()
	code, stdout, stderr := client(ctx, "--server", relay.addr, "/three")
	require.Equal(t, exitInterrupted, code, stderr)
	jobs, err := s.Jobs(t.Context(), job.Filter{})
	require.NoError(t, err)
	require.Len(t, jobs, 1, "the same id is the same job")
	require.Contains(t, stdout, string(jobs[0].ID))
}

func TestClient_DetachWatchCancelAndLists(t *testing.T) {
	open := make(chan struct{})
	begun := make(chan struct{}, 10)
	s := serve(t, func(ctx context.Context, _ job.Task) (job.Result, error) {
		begun <- struct{}{}
		select {
		case <-open:
			return job.Result{}, nil
		case <-ctx.Done():
			return job.Result{}, ctx.Err()
		}
	})
	s.nodes = []job.Node{
		{
			ID: "node_0", Addr: "127.0.0.1:5001", State: job.Processing, Load: job.Load{Slots: 4, Running: 3}, Outstanding: 3,
			Link:       job.Link{Calls: 7, P50: 500 * time.Microsecond, P99: 20 * time.Millisecond},
			Operations: []job.OperationInfo{{Name: "blur", Summary: "blurs", Params: []job.ParamInfo{{Name: "kernel", Kind: job.IntParam, Default: "3", Min: 1, Max: 31, Odd: true, Summary: "width in pixels"}}}},
		},
		{ID: "node_1", Addr: "127.0.0.1:5002", State: job.Inaccessible, Basic: true, Err: "connection refused"},
	}
	do := func(want int, args ...string) string {
		code, stdout, stderr := client(t.Context(), append([]string{"--server", s.addr}, args...)...)
		require.Equal(t, want, code, "%v: %s", args, stderr)
		return stdout
	}
	id := strings.TrimSpace(do(exitDone, "--detach", "/three"))
	<-begun
	require.Contains(t, do(exitDone, "jobs"), id+"  running  0/3")
	require.Contains(t, do(exitDone, "job", id), "running")
	require.Contains(t, do(exitDone, "--json", "jobs"), `"id":"`+id+`"`)
	require.Contains(t, do(exitDone, "cancel", id), "cancelled")
	require.Contains(t, do(exitDone, "cancel", id), "cancelled", "cancelling twice is no error")
	require.Contains(t, do(exitFailed, "watch", id), "cancelled")

	close(open)
	var detached struct{ ID string }
	decode(t, do(exitDone, "--detach", "--json", "/three"), &detached)
	require.Contains(t, do(exitDone, "watch", detached.ID), "succeeded")

	require.Equal(t, 2, strings.Count(do(exitDone, "--json", "nodes"), "\n"))
	require.Equal(t, "blur: blurs\n    kernel takes an odd whole number from 1 to 31 (default 3): width in pixels\n", do(exitDone, "operations"))
	require.JSONEq(t, `{"name":"blur","summary":"blurs","params":[{"name":"kernel","kind":"int","default":"3","min":1,"max":31,"odd":true,"summary":"width in pixels"}]}`,
		do(exitDone, "--json", "operations"))
}

func TestClient_InterruptedWatchLeavesTheJob(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	s := serve(t, func(ctx context.Context, _ job.Task) (job.Result, error) {
		interrupt()
		<-ctx.Done()
		return job.Result{}, ctx.Err()
	})
	_, err := s.Submit(t.Context(), job.Spec{ID: "mine", Source: "/three"})
	require.NoError(t, err)
	code, _, stderr := client(ctx, "--server", s.addr, "watch", "mine")
	require.Equal(t, exitInterrupted, code)
	require.Equal(t, "client: interrupted; the job goes on; end it with: client cancel mine\n", stderr)
	j, err := s.Job(t.Context(), "mine")
	require.NoError(t, err)
	require.Equal(t, job.Running, j.State)
}

func TestClient_SaysWhatBecomesOfItsJobWhenTheServerStops(t *testing.T) {
	begun := make(chan struct{}, 3)
	s := serve(t, func(ctx context.Context, _ job.Task) (job.Result, error) {
		begun <- struct{}{}
		<-ctx.Done()
		return job.Result{}, ctx.Err()
	})
	go func() {
		<-begun
		s.stop()
	}()
	code, _, stderr := client(t.Context(), "--server", s.addr, "/three")
	require.Equal(t, exitUnreachable, code)
	require.Regexp(t, `job \w+ goes on when the server is back; then: client watch \w+`, stderr)
}

func TestExitCode_TellsWhoActs(t *testing.T) {
	rows := map[job.Code]int{
		job.InvalidArgument: exitUsage, job.NotFound: exitUsage, job.AlreadyExists: exitUsage, job.FailedPrecondition: exitUsage,
		job.Unimplemented: exitUsage, job.PermissionDenied: exitUsage, job.Unavailable: exitUnreachable,
		job.CancelledCode: exitInterrupted, job.DeadlineExceeded: exitFailed, job.ResourceExhausted: exitFailed, job.Internal: exitFailed,
	}
	for code, want := range rows {
		require.Equal(t, want, exitCode(job.E(code, "", errors.New("x"), "")), code)
	}
	require.Equal(t, exitFailed, exitCode(errors.New("x")))
}

func TestParse_WrongCommandLinesGiveOneLineAndExitCodeTwo(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad.txt")
	require.NoError(t, os.WriteFile(bad, []byte("server h:90x\n"), 0o600))
	rows := []struct {
		name string
		args []string
		want string
	}{
		{"nothing", nil, "no folder is named"},
		{"two folders", []string{"a", "b"}, `"b" is one argument too many`},
		{"unknown flag", []string{"--fast", "a"}, "unknown flag: --fast"},
		{"flag without value", []string{"a", "--op"}, "flag needs an argument: --op"},
		{"operation without a name", []string{"--op", ":k=1", "a"}, `operation ":k=1": it has no name`},
		{"parameter without a value", []string{"--op", "blur:kernel", "a"}, `"kernel" is not key=value`},
		{"deadline in the past", []string{"--deadline", "-1s", "a"}, "--deadline -1s is in the past"},
		{"deadline without a unit", []string{"--deadline", "90", "a"}, `--deadline: "90" is no duration; write it with its unit, as in 10s or 1m30s`},
		{"job without id", []string{"job"}, "client job wants the id of a job"},
		{"jobs with an argument", []string{"jobs", "x"}, `"x" is one argument too many`},
		{"detach with two policies", []string{"--detach", "--policy", "random,balance", "a"}, "--detach takes one policy"},
		{"policy without a name", []string{"--policy=", "a"}, "--policy has an empty name"},
		{"one policy too many commas", []string{"--policy", "random,", "a"}, "--policy has an empty name"},
		{"server that is no address", []string{"--server", "h:99999", "a"}, `--server "h:99999" is not HOST:PORT`},
		{"server without a number", []string{"--server", "h:", "a"}, `--server "h:" is not HOST:PORT`},
		{"missing machine.txt", []string{"--machines", filepath.Join(dir, "none.txt"), "a"}, "none.txt: there is no such file"},
		{"malformed machine.txt", []string{"--machines", bad, "a"}, `bad.txt:1: port "90x" is not a number; want NAME HOST[:PORT]`},
		{"half of TLS", []string{"--tls-ca", bad, "a"}, "--tls-cert: it is missing; give --tls-cert, --tls-key and --tls-ca, or none of them"},
		{"missing certificate", []string{"--tls-cert", "none.pem", "--tls-key", bad, "--tls-ca", bad, "a"}, "--tls-cert none.pem: no such file or directory; name a PEM file"},
		{"missing key", []string{"--tls-cert", bad, "--tls-key", "none.key", "--tls-ca", bad, "a"}, "--tls-key none.key: no such file"},
		{"missing authority", []string{"--tls-cert", bad, "--tls-key", bad, "--tls-ca", "none.ca", "a"}, "--tls-ca none.ca: no such file"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			code, stdout, stderr := client(t.Context(), row.args...)
			require.Equal(t, exitUsage, code)
			require.Empty(t, stdout)
			require.Equal(t, 1, strings.Count(stderr, "\n"), stderr)
			require.Contains(t, stderr, row.want)
			require.True(t, strings.HasPrefix(stderr, "client: "), stderr)
		})
	}
}

func TestParse_HelpIsShownOnStdout(t *testing.T) {
	code, stdout, stderr := client(t.Context(), "--help")
	require.Contains(t, stdout, "hedge=0.15: ", "what nearly all policies have is said here, too")
	require.Equal(t, exitDone, code)
	require.Empty(t, stderr)
	for _, want := range []string{"Examples:", "client data", "--policy", "--op", "--deadline", "--json", "--detach", "--tls-cert file"} {
		require.Contains(t, stdout, want)
	}
}

func TestParse_FindsTheServer(t *testing.T) {
	t.Chdir(t.TempDir())
	cfg, err := parse([]string{"data"}, output{})
	require.NoError(t, err)
	require.Equal(t, defaultServer, cfg.server, "no machine.txt")
	require.Equal(t, "data", cfg.arg, "a folder that is not here is the server's to find")

	require.NoError(t, os.WriteFile("machine.txt", []byte("node_0 h\nserver 10.0.0.1:7000\n"), 0o600))
	require.NoError(t, os.Mkdir("data", 0o755))
	cfg, err = parse([]string{"data", "--op", "blur:kernel=7", "--deadline", "90s", "--policy", "random,balance"}, output{})
	require.NoError(t, err)
	require.Equal(t, "10.0.0.1:7000", cfg.server)
	here, err := os.Getwd()
	require.NoError(t, err)
	require.Equal(t, filepath.Join(here, "data"), cfg.arg, "a folder that is here goes by its whole path")
	require.Equal(t, "blur:kernel=7", cfg.op.String())
	require.Equal(t, []string{"random", "balance"}, cfg.policies)

	cfg, err = parse([]string{"--server", "h:1", "jobs"}, output{})
	require.NoError(t, err)
	require.Equal(t, []string{"h:1", "jobs"}, []string{cfg.server, cfg.command})
}
