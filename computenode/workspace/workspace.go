// Package workspace keeps a node's own files: those of tasks whose folder the node
// does not see. They lie in one directory, which nothing leads out of, and are
// bounded by a quota. Nothing in it outlives the process.
package workspace

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"spillway/job"
)

// Defaults of a [Config].
const (
	DefaultQuota = 10 << 30
	DefaultIdle  = 10 * time.Minute
)

// Config of a workspace. The zero value takes every default.
type Config struct {
	// Dir is the directory in which each node makes one of its own. It must exist.
	// Default: the system's directory for temporary files.
	Dir string
	// Quota bounds the files, in bytes. Default 10 GiB.
	Quota int64
	// Idle is how long the files of a transfer that does not go on are kept.
	// Default 10 min.
	Idle time.Duration
	// Keep is how long an input that tasks share is kept without a user, see
	// [Workspace.Share]. Default 2 min.
	Keep time.Duration
}

// Validate reports the first value that cannot be used. Errors: InvalidArgument.
func (c Config) Validate() error {
	if c.Quota < 0 {
		return job.E(job.InvalidArgument, "--workspace-quota", fmt.Errorf("%d is negative", c.Quota), "use a size such as 10GiB")
	}
	return nil
}

func (c Config) withDefaults() Config {
	if c.Dir == "" {
		c.Dir = os.TempDir()
	}
	if c.Quota == 0 {
		c.Quota = DefaultQuota
	}
	if c.Idle == 0 {
		c.Idle = DefaultIdle
	}
	if c.Keep == 0 {
		c.Keep = DefaultKeep
	}
	return c
}

// prefix begins the names of workspaces, and lockName is the file within that is
// locked while the process lives.
const (
	prefix   = "spillway-workspace-"
	lockName = "lock"
)

// Workspace is the files of one node. Files are named by slash-separated paths. It
// may be used concurrently.
type Workspace struct {
	cfg  Config
	log  *slog.Logger
	path string
	root *os.Root
	lock *os.File

	mu        sync.Mutex // guards what follows
	used      int64      // reserved or taken, in bytes
	files     map[string]int64
	transfers map[string]*transfer
	kept      keeper
}

// Open makes an empty workspace, and removes those that processes which died have
// left in the same directory, which is made where it is missing. The caller closes it.
//
// Errors: InvalidArgument (the directory cannot be used).
func Open(cfg Config, log *slog.Logger) (*Workspace, error) {
	cfg = cfg.withDefaults()
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, unusable(cfg.Dir, err)
	}
	sweep(cfg.Dir, log)
	path, err := os.MkdirTemp(cfg.Dir, prefix)
	if err != nil {
		return nil, unusable(cfg.Dir, err)
	}
	w := &Workspace{
		cfg: cfg, log: log, path: path, files: map[string]int64{}, transfers: map[string]*transfer{}, kept: keeper{of: map[Input]*kept{}},
	}
	if w.root, err = os.OpenRoot(path); err == nil {
		w.lock, err = lock(w.root)
	}
	if err != nil {
		return nil, errors.Join(unusable(cfg.Dir, err), os.RemoveAll(path))
	}
	if w.path, err = direct(path); err != nil {
		return nil, errors.Join(unusable(cfg.Dir, err), w.Close())
	}
	return w, nil
}

// direct is path without links, absolute.
func direct(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(abs)
}

func unusable(dir string, err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		err = p.Err
	}
	return job.E(job.InvalidArgument, "workspace in "+job.Shown(dir), err, "name a directory that the node may write to with --workspace")
}

// Path is the workspace's absolute path, for those that work on its files.
func (w *Workspace) Path() string { return w.path }

// Used is how many bytes are taken or reserved.
func (w *Workspace) Used() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.used
}

// Close removes the workspace with all its files.
func (w *Workspace) Close() error {
	w.mu.Lock()
	for _, t := range w.transfers {
		t.file.Close()
	}
	w.transfers = map[string]*transfer{}
	w.mu.Unlock()
	return errors.Join(w.root.Close(), os.RemoveAll(w.path), w.lock.Close()) // locked until it is gone
}

// Run removes, until ctx ends, what transfers have left that do not go on, and inputs
// that nobody uses any more.
func (w *Workspace) Run(ctx context.Context) {
	tick := time.NewTicker(min(w.cfg.Idle, w.cfg.Keep) / 4)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			for _, name := range w.stale(time.Now().Add(-w.cfg.Idle)) {
				w.log.Warn("unfinished transfer removed", "file", name)
			}
			w.unused(time.Now().Add(-w.cfg.Keep))
		}
	}
}

// stale drops the transfers that were last touched before then.
func (w *Workspace) stale(then time.Time) (names []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for name, t := range w.transfers {
		if t.touched.Before(then) {
			w.drop(t)
			names = append(names, name)
		}
	}
	return names
}

// lock marks the workspace as one whose process lives. The file has its name only
// once it is locked, so that nobody finds it otherwise.
func lock(root *os.Root) (*os.File, error) {
	const early = lockName + ".new"
	file, err := root.OpenFile(early, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err == nil {
		err = root.Rename(early, lockName)
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

// fresh is how old a workspace without a lock must be to count as left behind.
const fresh = time.Minute

// sweep removes the workspaces in dir whose processes have died.
func sweep(dir string, log *slog.Logger) {
	parent, err := os.OpenRoot(dir)
	if err != nil {
		return // Open tells
	}
	defer parent.Close()
	entries, _ := fs.ReadDir(parent.FS(), ".")
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), prefix) || !e.IsDir() || alive(parent, e.Name()) {
			continue
		}
		if err := parent.RemoveAll(e.Name()); err != nil {
			log.Warn("workspace left behind by another process stays", "path", filepath.Join(dir, e.Name()), "err", err)
		}
	}
}

// alive reports whether a process has the workspace, or may be about to.
func alive(parent *os.Root, name string) bool {
	file, err := parent.OpenFile(filepath.Join(name, lockName), os.O_RDWR, 0)
	if err != nil {
		info, statErr := parent.Lstat(name)
		return !errors.Is(err, fs.ErrNotExist) || statErr != nil || time.Since(info.ModTime()) < fresh
	}
	defer file.Close()
	return unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil
}
