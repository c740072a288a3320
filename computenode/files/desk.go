package files

import (
	"context"
	"io/fs"
	"log/slog"
	"path"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"

	"spillway/computenode/workspace"
	"spillway/job"
)

// The folders of the workspace: of the files that are whole, and of those that are
// being received or made.
const (
	shelf = "files"
	bench = "making"
)

// Native does what needs native code, in child processes. Paths are absolute, and lie
// in the workspace. Errors: those of [job.Media], as *job.Error; ResourceExhausted for
// a disk that is full.
type Native interface {
	// Metadata describes the video at path.
	Metadata(ctx context.Context, path string) (job.VideoInfo, error)
	// Extract writes the pictures that e asks for into dir, as 0.png, 1.png and so on,
	// and returns how many. The name in e is not looked at.
	Extract(ctx context.Context, path, dir string, e job.Extraction) (int, error)
	// Create makes the video that c asks for at out; the names in c are paths, too.
	Create(ctx context.Context, c job.Creation, out string) error
	// DetectFace is the 68 points of the first face; none where there is no face.
	DetectFace(ctx context.Context, path string) ([]job.Point, error)
	// DrawMesh writes a copy of the picture with the mesh of face to out.
	DrawMesh(ctx context.Context, path, out string, face []job.Point) error
}

// Config says what a Desk works with. Space and Native must be set.
type Config struct {
	Space  *workspace.Workspace
	Native Native
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
