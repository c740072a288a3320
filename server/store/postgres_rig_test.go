package store_test

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"spillway/server/store"
)

// postgres is a PostgreSQL server of a test's own, on a Unix socket.
type postgres struct {
	dir     string
	bin     string
	who     *syscall.SysProcAttr
	process *exec.Cmd
	schemas atomic.Int64
}

// startPostgres starts a server that ends with the test. Without PostgreSQL the
// test is skipped.
func startPostgres(t testing.TB) *postgres {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	require.NoError(t, err)
	if len(found) == 0 {
		t.Skip("PostgreSQL is not installed; on Debian: apt-get install postgresql")
	}
	dir := t.TempDir()
	p := &postgres{dir: dir, bin: filepath.Dir(slices.Max(found)), who: &syscall.SysProcAttr{Pdeathsig: syscall.SIGQUIT}}
	if os.Getuid() == 0 { // as which it refuses to run
		p.who.Credential = nobody(t, dir)
	}
	p.run(t, "initdb", "-D", filepath.Join(dir, "data"), "-U", "test", "-A", "trust", "-E", "UTF8", "--locale=C", "-N")
	p.start(t)
	t.Cleanup(func() { p.stop(t, syscall.SIGINT) })
	return p
}

// nobody is a user who is not root, and owns dir from now on.
func nobody(t testing.TB, dir string) *syscall.Credential {
	who, err := user.Lookup("postgres")
	if err != nil {
		who, err = user.Lookup("nobody")
	}
	require.NoError(t, err)
	uid, err := strconv.Atoi(who.Uid)
	require.NoError(t, err)
	gid, err := strconv.Atoi(who.Gid)
	require.NoError(t, err)
	require.NoError(t, os.Chown(dir, uid, gid))
	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o755))
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

func (p *postgres) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(p.bin, name), args...)
	cmd.Dir, cmd.SysProcAttr = p.dir, p.who
	cmd.Env = []string{"LC_ALL=C", "PATH=" + os.Getenv("PATH"), "HOME=" + p.dir}
	return cmd
}

func (p *postgres) run(t testing.TB, name string, args ...string) {
	out, err := p.command(t.Context(), name, args...).CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// start starts the server and waits until it serves.
func (p *postgres) start(t testing.TB) {
	log, err := os.OpenFile(filepath.Join(p.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	require.NoError(t, err)
	defer log.Close()
	// It is ended by stop, and not by the test's context, which is over before cleanups.
	p.process = p.command(context.WithoutCancel(t.Context()), "postgres", "-D", filepath.Join(p.dir, "data"), "-k", p.dir,
		"-c", "listen_addresses=", "-c", "max_connections=50", "-c", "deadlock_timeout=100ms")
	p.process.Stdout, p.process.Stderr = log, log
	require.NoError(t, p.process.Start())
	require.Eventually(t, func() bool {
		conn, err := pgx.Connect(t.Context(), p.url(""))
		if err != nil {
			return false
		}
		return conn.Close(t.Context()) == nil
	}, 60*time.Second, 20*time.Millisecond, "it does not start")
}

// stop ends the server by a signal: SIGINT for an orderly end, SIGQUIT for a crash.
func (p *postgres) stop(t testing.TB, signal os.Signal) {
	require.NoError(t, p.process.Process.Signal(signal))
	_ = p.process.Wait() // after a crash it does not end well
}

// url names the database, and a schema of it where one is given.
func (p *postgres) url(schema string) string {
	query := url.Values{"host": {p.dir}}
	if schema != "" {
		query.Set("search_path", schema)
	}
	return "postgres://test@/postgres?" + query.Encode()
}

// schema makes an empty schema, as good as a database of its own, and gives its url.
func (p *postgres) schema(t testing.TB) string {
	name := fmt.Sprintf("s%d", p.schemas.Add(1))
	conn, err := pgx.Connect(t.Context(), p.url(""))
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), "CREATE SCHEMA "+name)
	require.NoError(t, err)
	require.NoError(t, conn.Close(t.Context()))
	return p.url(name)
}

func openPostgres(t testing.TB, at string) *store.SQL {
	s, err := store.OpenPostgres(t.Context(), at, store.Config{NoteDelay: time.Millisecond})
	require.NoError(t, err)
	return s
}
