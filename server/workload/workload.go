// Package workload keeps workloads: streams of uploaded images to which one operation
// is done as they come. Images that wait are gathered into jobs of their own.
//
// In Config.Dir, each workload has a folder with its results, ID.EXT, and within it
// original/ with what was uploaded. What is not whole yet is in .uploads, and the jobs'
// folders, of hard links, are in .batches.
package workload

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"spillway/job"
)

// Store keeps workloads and images; store.SQL and store.Memory do.
type Store interface {
	AddWorkload(ctx context.Context, w job.Workload) (job.Workload, error)
	Workload(ctx context.Context, id int64) (job.Workload, error)
	Workloads(ctx context.Context, after int64, most int) ([]job.Workload, error)
	OpenWorkloads(ctx context.Context, idle bool, after int64, most int) ([]job.Workload, error)
	WorkloadProgress(ctx context.Context, id int64) (job.Progress, error)
	CountWorkloads(ctx context.Context) (int64, error)
	RenameWorkload(ctx context.Context, id int64, name string) error
	RemoveWorkload(ctx context.Context, id int64) error
	AddImages(ctx context.Context, workload int64, images ...job.Image) ([]job.Image, error)
	SetImages(ctx context.Context, images ...job.Image) error
	Image(ctx context.Context, workload, id int64) (job.Image, error)
	Images(ctx context.Context, workload int64, state job.ImageState, after int64, most int) ([]job.Image, error)
}

// Config of the workloads.
type Config struct {
	// Dir is the absolute folder for all files, which jobs may read. It belongs to one
	// server at a time.
	Dir string
	// Quota bounds all files together, in bytes. Default: no bound but the disk.
	Quota int64
	// Spare is what is left free on the disk, in bytes. Default 64 MiB.
	Spare int64
	// Workloads and Images bound how many workloads there are, and images in one of
	// them. Default 10,000 and 100,000.
	Workloads, Images int64
	// NodesWith are the nodes that have a task of a job at the moment, by its name.
	// Default: none has.
	NodesWith func(id job.ID, task string) []job.NodeID
	// Free is the free bytes of the disk below Dir; of the system by default.
	Free func() (int64, error)
}

// The bounds of what is worked on at once.
const (
	jobsAtOnce  = 3    // of one workload
	imagesOfJob = 1000 // at most
	page        = 1000 // rows read at once
)

// Workloads are all of a server. All methods may be called concurrently.
type Workloads struct {
	Store
	cfg  Config
	jobs job.Service
	log  *slog.Logger
	wake chan struct{}
	room room
	// began is when this server did: what is older in the hidden folders is another's.
	began time.Time
	line  line // of uploads that are whole, and have no id yet

	// mu guards follows, what batches have open, and every change of an image's state
	// with the move of its file, so that nothing lands in a folder that is gone.
	mu      sync.Mutex
	follows map[job.ID]*batch // the jobs that are followed
}

// New makes the folders. It starts nothing.
// Errors: Unavailable.
func New(cfg Config, jobs job.Service, kept Store, log *slog.Logger) (*Workloads, error) {
	cfg.Spare = cmp.Or(cfg.Spare, 64<<20)
	cfg.Workloads = cmp.Or(cfg.Workloads, 10_000)
	cfg.Images = cmp.Or(cfg.Images, 100_000)
	if cfg.NodesWith == nil {
		cfg.NodesWith = func(job.ID, string) []job.NodeID { return nil }
	}
	w := &Workloads{Store: kept, cfg: cfg, jobs: jobs, log: log, wake: make(chan struct{}, 1), follows: map[job.ID]*batch{}, began: time.Now()}
	for _, dir := range []string{w.uploads(), w.batches(), cfg.Dir} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, job.E(job.Unavailable, "--files", err, "name a directory that the server may write in")
		}
	}
	w.room = room{quota: cfg.Quota, spare: cfg.Spare, free: cfg.Free}
	if cfg.Free == nil {
		w.room.free = func() (int64, error) { return freeBytes(cfg.Dir) }
	}
	return w, nil
}

func (w *Workloads) uploads() string { return filepath.Join(w.cfg.Dir, ".uploads") }
func (w *Workloads) batches() string { return filepath.Join(w.cfg.Dir, ".batches") }
func (w *Workloads) folder(l job.Workload) string {
	return filepath.Join(w.cfg.Dir, l.Dir)
}

func (w *Workloads) original(l job.Workload, i job.Image) string {
	return filepath.Join(w.folder(l), "original", i.Original)
}

// Create makes a workload. Errors: InvalidArgument (the name), ResourceExhausted (there
// are as many as may be), Unavailable.
func (w *Workloads) Create(ctx context.Context, name string, filter job.Operation) (job.Workload, error) {
	if err := job.CheckWorkloadName(name); err != nil {
		return job.Workload{}, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	n, err := w.CountWorkloads(ctx)
	if err != nil {
		return job.Workload{}, err
	}
	if n >= w.cfg.Workloads {
		return job.Workload{}, job.E(job.ResourceExhausted, "workload", fmt.Errorf("there are %d, as many as may be", n), "delete some")
	}
	return w.AddWorkload(ctx, job.Workload{Name: name, Filter: filter, Created: time.Now()})
}

// Rename gives a workload another name; its folder stays. Errors: InvalidArgument,
// NotFound, Unavailable.
func (w *Workloads) Rename(ctx context.Context, id int64, name string) error {
	if err := job.CheckWorkloadName(name); err != nil {
		return err
	}
	return w.RenameWorkload(ctx, id, name)
}

// Cancel ends the work on all images of a workload that are not filtered yet.
// Errors: NotFound, Unavailable.
func (w *Workloads) Cancel(ctx context.Context, id int64) error {
	if _, err := w.Workload(ctx, id); err != nil {
		return err
	}
	w.mu.Lock() // no batch is made meanwhile
	defer w.mu.Unlock()
	for {
		waiting, err := w.Images(ctx, id, job.ImageWaiting, -1, page)
		if err != nil {
			return err
		}
		if len(waiting) == 0 {
			return w.stop(ctx, id)
		}
		if err := w.SetImages(ctx, failed(waiting, cancelled())...); err != nil {
			return err
		}
	}
}

func cancelled() *job.Error {
	return job.E(job.CancelledCode, "", errors.New("the workload was cancelled"), "upload it again")
}

// failed are the images, failed.
func failed(images []job.Image, why *job.Error) []job.Image {
	for n := range images {
		images[n].State, images[n].Err = job.ImageFailed, why
	}
	return images
}

// stop cancels the jobs of a workload; mu is held. A job that is followed and not
// submitted yet is cancelled by who follows it; of one that is neither, the images end.
func (w *Workloads) stop(ctx context.Context, id int64) error {
	working, err := w.Images(ctx, id, job.ImageWorking, -1, jobsAtOnce*imagesOfJob)
	if err != nil {
		return err
	}
	byJob := map[job.ID][]job.Image{}
	for _, i := range working {
		byJob[i.Job] = append(byJob[i.Job], i)
	}
	var errs []error
	for j, images := range byJob {
		b := w.follows[j]
		if b != nil {
			b.stopped.Store(true)
		}
		err := w.jobs.Cancel(ctx, j)
		if err != nil && job.CodeOf(err) == job.NotFound {
			if err = nil; b == nil {
				err = w.SetImages(ctx, failed(images, cancelled())...)
			}
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// Delete forgets a workload with all its files. Errors: NotFound, Unavailable.
func (w *Workloads) Delete(ctx context.Context, id int64) error {
	l, gone, err := w.forget(ctx, id)
	if err != nil {
		return err
	}
	w.room.give(sizeOf(gone))
	if err := os.RemoveAll(gone); err != nil {
		w.log.Warn("files of a deleted workload are left", "workload", l.ID, "err", err)
	}
	return nil
}

// forget takes a workload's folder out of the way, since its name may be given again at
// once, and tells where it is. The folder goes first: a server that ends in between leaves
// a workload without files, which can be deleted again, and not files that the next of
// that name would have.
func (w *Workloads) forget(ctx context.Context, id int64) (l job.Workload, gone string, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if l, err = w.Workload(ctx, id); err != nil {
		return l, "", err
	}
	if err := w.stop(ctx, id); err != nil {
		return l, "", err
	}
	gone = filepath.Join(w.uploads(), string(job.NewID()))
	if err := os.Rename(w.folder(l), gone); err != nil && !errors.Is(err, os.ErrNotExist) {
		return l, "", full(err)
	}
	if err := w.RemoveWorkload(ctx, id); err != nil {
		_ = os.Rename(gone, w.folder(l)) // where there was one
		return l, "", err
	}
	return l, gone, nil
}

// nudge has Run look for images that wait.
func (w *Workloads) nudge() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}
