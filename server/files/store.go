// Package files keeps what users of the HTTP API upload: folders that are the sources
// of jobs, each with an input_dir, and an output_dir once a job has run. Files lie there
// whole or not at all: until then they have a hidden folder of their own.
package files

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

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
	// Unfinished bounds the uploads that are not whole. Default 256.
	Unfinished int
	// Expire is how long an upload may go without a byte. Default 24 h.
	Expire time.Duration
	// Now and Free are the clock and the free bytes of the disk below Dir; of the
	// system by default.
	Now  func() time.Time
	Free func() (int64, error)
}

// Store is the folders below one directory. It may be used concurrently.
type Store struct {
	cfg  Config
	dir  string // absolute
	root *os.Root
	lock *os.File // held while the store is open

	mu      sync.Mutex
	claims  map[string]int64 // "folder/name" that is coming, and the bytes it is to have
	uploads int              // of these, those that may go on later
	used    int64            // bytes of all files when they were counted
	counted time.Time
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
	s := &Store{cfg: cfg, claims: map[string]int64{}}
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
		s.cfg.Free = s.free
	}
	if s.lock, err = s.root.OpenFile(path.Join(hidden, "lock"), os.O_CREATE|os.O_RDWR, 0o600); err == nil {
		err = unix.Flock(int(s.lock.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	}
	if err != nil {
		return nil, errors.Join(job.E(job.FailedPrecondition, "--files "+s.dir, errors.New("another server has it"), "choose another directory with --files"), s.Close())
	}
	if err := errors.Join(s.sweepParts(), s.adopt()); err != nil {
		return nil, errors.Join(trouble("--files", err), s.Close())
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

// sweepParts removes what nobody can go on with.
func (s *Store) sweepParts() error {
	all, err := fs.ReadDir(s.root.FS(), hidden)
	for _, e := range all {
		if strings.HasSuffix(e.Name(), partSuffix) {
			err = errors.Join(err, s.root.RemoveAll(path.Join(hidden, e.Name())))
		}
	}
	return err
}

// free is what the disk has for users without privileges.
func (s *Store) free() (int64, error) {
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

// trouble is what a caller is told of an error of the disk: no paths.
func trouble(op string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return job.E(job.NotFound, op, errors.New("there is none"), "GET /files lists the folders")
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return job.E(job.ResourceExhausted, op, ErrFull, "delete what is not needed, or ask for a greater disk")
	case errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.EISDIR), errors.Is(err, syscall.ELOOP):
		return job.E(job.NotFound, op, errors.New("it is no file"), "GET /files/{folder} lists the files")
	}
	return job.E(job.Unavailable, op, errors.New("the disk failed"), "the server's log has the cause; try again later")
}
