package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"syscall"

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"spillway/job"
)

// OpenSQLite opens the store in a directory of its own, and makes what is
// missing. As long as it is open, no other server can open it; so whoever owned
// its jobs is gone, and their leases end.
//
// Errors: FailedPrecondition (another server has it open, or a newer program
// wrote it), PermissionDenied, Unavailable.
func OpenSQLite(ctx context.Context, dir string, cfg Config) (*SQL, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	release, err := claimDir(dir)
	if err != nil {
		return nil, err
	}
	s := &SQL{cfg: cfg, release: release, dialect: sqliteDialect(dir)}
	s.cfg.Observer = nil // whose steps name no files
	file, err := s.openFiles(dir)
	if err == nil {
		err = s.open(ctx, goose.DialectSQLite3)
	}
	if err == nil {
		err = s.write(ctx, "open "+file, func(tx *sql.Tx) error {
			_, err := s.exec(ctx, tx, "UPDATE jobs SET owner = '', lease = 0 WHERE state IN ('queued', 'running')")
			return err
		})
	}
	if err != nil {
		return nil, errors.Join(s.dialect.trouble("open "+file, err), s.abandon())
	}
	s.cfg.Observer = cfg.Observer
	return s, nil
}

// OpenSQLiteBeside is as OpenSQLite, but where a server has the store open it opens it,
// too. It is for changing accounts alone: the jobs are that server's.
//
// Errors: FailedPrecondition (a newer program wrote it), PermissionDenied,
// Unavailable.
func OpenSQLiteBeside(ctx context.Context, dir string, cfg Config) (*SQL, error) {
	s, err := OpenSQLite(ctx, dir, cfg)
	if !errors.Is(err, errInUse) {
		return s, err
	}
	s = &SQL{cfg: cfg, dialect: sqliteDialect(dir)}
	file, err := s.openFiles(dir)
	if err != nil {
		return nil, errors.Join(s.dialect.trouble("open "+file, err), s.abandon())
	}
	return s, nil
}

// openFiles opens the database of the directory, and tells its name.
func (s *SQL) openFiles(dir string) (file string, err error) {
	file = filepath.Join(dir, "spillway.db")
	if s.writer, err = openFile(file, "_txlock=immediate", 1); err == nil {
		s.reader, err = openFile(file, "_pragma=query_only(1)", 4)
	}
	return file, err
}

// errInUse tells that another server has the directory open.
var errInUse = errors.New("another server uses it")

func sqliteDialect(dir string) dialect {
	return dialect{
		now:   "CAST(unixepoch('now', 'subsec') * 1000 AS INTEGER)",
		rows:  64,
		again: func(error) bool { return false }, // there is one writer
		lost:  sqliteLost,
		mend:  "free space on the disk of " + dir + " or mend it, then try again",
	}
}

// sqliteLost reports whether the disk is at fault.
func sqliteLost(err error) bool {
	e, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return false
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_BUSY:
		return true
	}
	return false
}

// openFile opens the file for at most so many uses at once. A commit is on the
// disk before it is told.
func openFile(file, option string, conns int) (*sql.DB, error) {
	where := url.URL{Scheme: "file", Opaque: (&url.URL{Path: file}).EscapedPath()}
	db, err := sql.Open("sqlite", where.String()+"?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)"+
		"&_pragma=synchronous(FULL)&_pragma=foreign_keys(1)&_pragma=cache_size(-16384)&"+option)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", file, err)
	}
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	return db, nil
}

// claimDir makes the directory and keeps every other server out of it, until it
// is given back or this program ends in whatever way.
func claimDir(dir string) (func() error, error) {
	step := "open " + job.Shown(dir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, job.E(job.PermissionDenied, step, err, "name a directory that this server may write, with --state")
	}
	file, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, job.E(job.PermissionDenied, step, err, "name a directory that this server may write, with --state")
	}
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		return file.Close, nil
	}
	file.Close()
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, job.E(job.FailedPrecondition, step, errInUse,
			"stop that server, or give this one another directory with --state; several servers share a PostgreSQL, with --db")
	}
	return nil, job.E(job.Unavailable, step, fmt.Errorf("lock: %w", err), "put the state on a file system that has locks, with --state")
}
