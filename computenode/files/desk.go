package files

import (
	"io/fs"
	"log/slog"
	"path"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"

	"spillway/computenode/media"
	"spillway/computenode/workspace"
	"spillway/job"
)

// The folders of the workspace: of the files that are whole, and of those that are
// being received or made.
const (
	shelf = "files"
	bench = "making"
)

// Config says what a Desk works with. Space and Native must be set.
type Config struct {
	Space  *workspace.Workspace
	Native media.Native
	// Slots is how many calls run native code at once; others wait. Zero: one a core.
	Slots int
}

// Desk is the node's file space. All methods may be called concurrently.
type Desk struct {
	cfg    Config
	log    *slog.Logger
	slots  chan struct{}
	tokens atomic.Int64
	naming sync.Mutex // held while a name that is free is chosen and taken

	mu   sync.Mutex // guards what follows
	busy []*job.Activity
	sums map[string]known
}

// known is the SHA-256 of a file as it was.
type known struct {
	info fs.FileInfo
	sum  []byte
}

var (
	_ job.Files = (*Desk)(nil)
	_ job.Media = (*Desk)(nil)
)

// New makes a desk. It starts nothing.
func New(cfg Config, log *slog.Logger) *Desk {
	if cfg.Slots == 0 {
		cfg.Slots = runtime.GOMAXPROCS(0)
	}
	return &Desk{cfg: cfg, log: log, slots: make(chan struct{}, cfg.Slots), sums: map[string]known{}}
}

// onShelf is where a file lies that is whole. Errors: InvalidArgument.
func onShelf(name string) (string, error) {
	if err := job.CheckFileName(name); err != nil {
		return "", err
	}
	return path.Join(shelf, name), nil
}

// newFolder is the name of a folder that nobody else has.
func (d *Desk) newFolder() string {
	return path.Join(bench, strconv.FormatInt(d.tokens.Add(1), 36))
}

// abs is where a file of the workspace lies on the disk.
func (d *Desk) abs(name string) string {
	return filepath.Join(d.cfg.Space.Path(), filepath.FromSlash(name))
}

// Abandoned removes a folder where a call was made that nobody waits for any more, once
// nothing writes there any more; path is absolute. Any other path is left alone.
func (d *Desk) Abandoned(folder string) {
	rel, err := filepath.Rel(d.abs(bench), folder)
	if err == nil && filepath.IsLocal(rel) && rel != "." {
		d.clear(path.Join(bench, filepath.ToSlash(rel)))
	}
}

// clear removes a folder with what was not moved out of it.
func (d *Desk) clear(folder string) {
	if err := d.cfg.Space.Delete(folder); err != nil {
		d.log.Warn("files left behind", "folder", folder, "err", err)
	}
}
