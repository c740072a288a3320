package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver pgx
	_ "modernc.org/sqlite"             // the driver sqlite
)

// faketime makes a program believe in another time.
const faketime = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"

// postgresBin is the folder of PostgreSQL's programs; "" where it is not installed.
func postgresBin() string {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil || len(found) == 0 {
		return ""
	}
	return filepath.Dir(slices.Max(found))
}

// postgresUser is who PostgreSQL runs as: it refuses to be root.
func postgresUser() (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil //nolint:nilnil // nil is this very user
	}
	who, err := user.Lookup("postgres")
	if err != nil {
		who, err = user.Lookup("nobody")
	}
	if err != nil {
		return nil, err
	}
	uid, err := strconv.Atoi(who.Uid)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.Atoi(who.Gid)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, err
}

// makeTemplate makes an empty database in dir, to be copied for each run.
func makeTemplate(dir string) error {
	creds, err := postgresUser()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if creds != nil {
		if err := os.Chown(dir, int(creds.Uid), int(creds.Gid)); err != nil {
			return err
		}
	}
	cmd := exec.Command(filepath.Join(postgresBin(), "initdb"), "-D", dir, "-U", "chaos", "-A", "trust", "-E", "UTF8",
		"--locale=C", "-N", "--wal-segsize=1")
	cmd.Dir, cmd.Env = dir, []string{"LC_ALL=C", "PATH=" + os.Getenv("PATH")}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: creds}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, out)
	}
	return nil
}

// database is a PostgreSQL of a run's own, on a Unix socket in its folder.
type database struct {
	*process
	clock string // the file that says how far its clock is off; "": it cannot be set
}

// newDatabase copies the template below dir.
func newDatabase(k *kit, dir string, at *host, clock bool) (*database, error) {
	home := filepath.Join(dir, "db")
	creds, err := postgresUser()
	if err != nil {
		return nil, err
	}
	if out, err := exec.Command("cp", "-a", k.template, home).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("copy the empty database: %w: %s", err, out)
	}
	d := &database{process: &process{
		name: "postgres", host: at, path: filepath.Join(postgresBin(), "postgres"), dir: dir, creds: creds,
		log:  filepath.Join(dir, "logs", "postgres.log"),
		args: []string{"-D", home, "-k", home, "-c", "listen_addresses=", "-c", "max_connections=50", "-c", "deadlock_timeout=100ms"},
		env:  []string{"LC_ALL=C"},
	}}
	if clock {
		d.clock = filepath.Join(dir, "clock")
		d.env = append(d.env, "LD_PRELOAD="+faketime, "FAKETIME_TIMESTAMP_FILE="+d.clock, "FAKETIME_NO_CACHE=1", "FAKETIME_DONT_FAKE_MONOTONIC=1")
		if err := d.jump(0); err != nil {
			return nil, err
		}
	}
	return d, d.up()
}

// url names the database.
func (d *database) url() string {
	return "postgres://chaos@/postgres?" + url.Values{"host": {filepath.Join(d.dir, "db")}}.Encode()
}

// up starts the database and waits until it serves. What a killed one left may
// keep it from that for a moment.
func (d *database) up() error {
	db, err := sql.Open("pgx", d.url())
	if err != nil {
		return err
	}
	defer db.Close()
	for begun := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		if err := d.start(); err != nil {
			return err
		}
		if err = db.PingContext(context.Background()); err == nil {
			return nil
		}
		if time.Since(begun) > patience {
			return fmt.Errorf("PostgreSQL does not start: %w: %s", err, d.tail(5))
		}
	}
}

// kill ends the database and its workers at once, as a crash would.
func (d *database) kill() error {
	pid := d.pid()
	if pid == 0 {
		return nil
	}
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	err = errors.Join(err, d.end(syscall.SIGKILL))
	for child := range strings.FieldsSeq(string(children)) {
		if n, bad := strconv.Atoi(child); bad == nil {
			_ = syscall.Kill(n, syscall.SIGKILL) // it may have ended by itself
		}
	}
	return err
}

// jump sets how far the database's clock is off.
func (d *database) jump(by time.Duration) error {
	text := fmt.Sprintf("%+d\n", int64(by/time.Second))
	if err := os.WriteFile(d.clock+".new", []byte(text), 0o644); err != nil {
		return err
	}
	return os.Rename(d.clock+".new", d.clock)
}
