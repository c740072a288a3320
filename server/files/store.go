// Package files keeps what users of the HTTP API upload: folders that are the sources
// of jobs, each with an input_dir, and an output_dir once a job has run. Files lie there
// whole or not at all: until then they have a hidden folder of their own.
package files

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/tus/tusd/v2/pkg/memorylocker"
	"golang.org/x/sys/unix"

	"spillway/job"
)

// The directories of a folder.
const (
	InputDir  = "input_dir"
	OutputDir = "output_dir"
)

// Uploads is a name that no folder has: the paths of uploads begin with it.
const Uploads = "uploads"

// hidden holds what is not whole yet.
const hidden = job.HiddenPrefix + Uploads

// Config of a Store. Dir must be there.
type Config struct {
	// Dir is made where it is not. It belongs to one store at a time.
	Dir string
	// Quota bounds all files together, with what unfinished uploads are to have, in
	// bytes. What jobs write is counted, too, but late. Default: no bound.
	Quota int64
	// Spare is what is left free on the disk, in bytes. Default 64 MiB.
	Spare int64
	// Unfinished bounds the uploads that are not whole; one user can have a fourth of
	// them. Default 256.
	Unfinished int
	// Expire is how long an upload may go without a byte. Default 24 h.
	Expire time.Duration
	// Now and Free are the clock and the free bytes of the disk below Dir; of the
	// system by default.
	Now  func() time.Time
	Free func() (int64, error)
	// Locate makes the source of a job an absolute path. Default: it is one.
	Locate func(source string) (string, error)
	// Log gets what the disk says when it fails. Default: nothing does.
	Log *slog.Logger
}

// Store is the folders below one directory. It may be used concurrently.
type Store struct {
	cfg  Config
	dir  string // absolute
	root *os.Root
	lock *os.File // held while the store is open
	// locks has one call at a time work on an upload.
	locks locks
	gone  chan struct{} // full while a folder was removed that lies on the disk

	mu       sync.Mutex
	claims   map[string]claim // of "folder/name" that is coming
	used     int64            // bytes of all files when they were counted
	counted  time.Time
	placings []string // uploads of which it is known that they are whole, the oldest first
}

// Open opens the store, and removes what was cut off for good when it was last open.
// Errors: FailedPrecondition (another process has it), InvalidArgument (no directory),
// Unavailable.
func Open(cfg Config) (*Store, error) {
	cfg.Spare = cmp.Or(cfg.Spare, 64<<20)
	cfg.Unfinished = cmp.Or(cfg.Unfinished, 256)
	cfg.Expire = cmp.Or(cfg.Expire, 24*time.Hour)
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Locate == nil {
		cfg.Locate = filepath.Abs
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	s := &Store{cfg: cfg, claims: map[string]claim{}, locks: locks{memorylocker.New()}, gone: make(chan struct{}, 1)}
	var err error
	if s.dir, err = filepath.Abs(cfg.Dir); err == nil {
		err = os.MkdirAll(filepath.Join(s.dir, hidden), 0o750)
	}
	if err == nil {
		s.root, err = os.OpenRoot(s.dir)
	}
	if err != nil {
		return nil, job.E(job.InvalidArgument, "--files", err, "name a directory that the server may write in")
	}
	if s.cfg.Free == nil {
		s.cfg.Free = s.spare
	}
	if s.lock, err = s.root.OpenFile(path.Join(hidden, "lock"), os.O_CREATE|os.O_RDWR, 0o600); err == nil {
		err = unix.Flock(int(s.lock.Fd()), unix.LOCK_EX|unix.LOCK_NB) //nolint:gosec // a descriptor is an int
	}
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, errors.Join(job.E(job.FailedPrecondition, "--files", fmt.Errorf("another server has %s", s.dir), "each server needs a directory of its own: choose one with --files"), s.Close())
	}
	if err == nil {
		err = s.adopt()
	}
	if err != nil {
		return nil, errors.Join(job.E(job.InvalidArgument, "--files", err, "name a directory that the server may write in"), s.Close())
	}
	return s, nil
}

// Close gives the directory free.
func (s *Store) Close() error {
	if s.lock == nil {
		return s.root.Close()
	}
	return errors.Join(s.lock.Close(), s.root.Close())
}

// Dir is the absolute path of the store.
func (s *Store) Dir() string { return s.dir }

// Source is the path of a folder as jobs take it.
func (s *Store) Source(folder string) string { return filepath.Join(s.dir, folder) }

// partSuffix ends the names of what cannot go on after a restart.
const partSuffix = ".part"

// goneSuffix ends the names of folders that were removed, and still lie on the disk.
const goneSuffix = ".gone"

// spare is what the disk has for users without privileges.
func (s *Store) spare() (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(s.dir, &st); err != nil {
		return 0, err
	}
	return int64(st.Bavail) * st.Bsize, nil //nolint:gosec // no disk has 2^63 blocks
}

// ErrFull is wrapped where there is no room.
var ErrFull = errors.New("there is no room for it")

// ErrSum is wrapped where what came is not what was sent.
var ErrSum = errors.New("what came has another sum")

// trouble is what a caller is told of an error of the disk: no paths, which only the log
// gets.
func (s *Store) trouble(op string, err error) error {
	known, is := errors.AsType[*job.Error](err)
	switch {
	case err == nil:
		return nil
	case is:
		return known
	case errors.Is(err, fs.ErrNotExist):
		return job.E(job.NotFound, op, errors.New("there is none"), "GET /files lists the folders")
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return job.E(job.ResourceExhausted, op, ErrFull, "delete what is not needed, or ask for a greater disk")
	case errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.EISDIR), errors.Is(err, syscall.ELOOP):
		return job.E(job.NotFound, op, errors.New("it is no file"), "GET /files/{folder} lists the files")
	}
	s.cfg.Log.Error("files: the disk failed", "op", op, "err", err)
	return job.E(job.Unavailable, op, errors.New("the disk failed"), "the server's log has the cause; try again later")
}
