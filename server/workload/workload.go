// Package workload keeps workloads: streams of uploaded images to which one operation
// is done as they come. Images that wait are gathered into jobs of their own.
package workload

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"spillway/job"
)

// Store keeps workloads and images; store.SQL and store.Memory do.
type Store interface {
	AddWorkload(ctx context.Context, w job.Workload) (job.Workload, error)
	Workload(ctx context.Context, id int64) (job.Workload, error)
	Workloads(ctx context.Context, after int64, most int) ([]job.Workload, error)
	RenameWorkload(ctx context.Context, id int64, name string) error
	RemoveWorkload(ctx context.Context, id int64) error
	AddImage(ctx context.Context, i job.Image) (job.Image, error)
	SetImages(ctx context.Context, images ...job.Image) error
	Image(ctx context.Context, workload, id int64) (job.Image, error)
	Images(ctx context.Context, workload int64, state job.ImageState, after int64, most int) ([]job.Image, error)
}

// Config of the workloads.
type Config struct {
	// Dir is the absolute folder for all files, which jobs may read.
	Dir string
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
	// began is when this server did: what is older in the hidden folders is another's.
	began time.Time

	mu      sync.Mutex
	follows map[job.ID]int64 // the workloads of the jobs that are followed
}

// New makes the folders. It starts nothing.
// Errors: Unavailable.
func New(cfg Config, jobs job.Service, kept Store, log *slog.Logger) (*Workloads, error) {
	w := &Workloads{Store: kept, cfg: cfg, jobs: jobs, log: log, wake: make(chan struct{}, 1), follows: map[job.ID]int64{}, began: time.Now()}
	for _, dir := range []string{w.uploads(), w.batches(), cfg.Dir} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, job.E(job.Unavailable, "--files", err, "")
		}
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

// Create makes a workload. Errors: InvalidArgument (the name), Unavailable.
func (w *Workloads) Create(ctx context.Context, name string, filter job.Operation) (job.Workload, error) {
	if err := job.CheckWorkloadName(name); err != nil {
		return job.Workload{}, err
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

// Upload keeps an image, and has it processed. Errors: NotFound (the workload),
// InvalidArgument (it is no picture), Unavailable, and those of body.
func (w *Workloads) Upload(ctx context.Context, workload int64, body io.Reader) (job.Image, error) {
	l, err := w.Workload(ctx, workload)
	if err != nil {
		return job.Image{}, err
	}
	head := make([]byte, 16)
	n, err := io.ReadFull(body, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return job.Image{}, err
	}
	extension := extensionOf(head[:n])
	if extension == "" {
		return job.Image{}, job.E(job.InvalidArgument, "image", errors.New("the file is no picture, by its first bytes"), "send JPEG, PNG, WebP, BMP or TIFF")
	}
	upload := string(job.NewID())
	if err := w.receive(upload, head[:n], body); err != nil {
		return job.Image{}, err
	}
	i, err := w.AddImage(ctx, job.Image{Workload: workload, State: job.ImageArriving, Original: extension, Upload: upload})
	if err != nil {
		_ = os.Remove(filepath.Join(w.uploads(), upload)) // it is nobody's
		return i, err
	}
	if i, err = w.arrive(context.WithoutCancel(ctx), l, i); err != nil {
		return i, err
	}
	w.nudge()
	return i, nil
}

// receive writes an upload to the disk, whole or not at all.
func (w *Workloads) receive(name string, head []byte, body io.Reader) (err error) {
	path := filepath.Join(w.uploads(), name)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return full(err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(path)
		}
	}()
	_, err = f.Write(head)
	if err == nil {
		_, err = io.Copy(f, body)
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func full(err error) error {
	return job.E(job.Unavailable, "keep the file", errors.New(rootCause(err)), "the server's disk may be full")
}

// rootCause is err without the server's paths.
func rootCause(err error) string {
	if p, ok := errors.AsType[*os.PathError](err); ok {
		err = p.Err
	}
	if l, ok := errors.AsType[*os.LinkError](err); ok {
		err = l.Err
	}
	return err.Error()
}

// arrive gives an image's file its name. It may be done again after a crash.
func (w *Workloads) arrive(ctx context.Context, l job.Workload, i job.Image) (job.Image, error) {
	to := w.original(l, i)
	err := os.MkdirAll(filepath.Dir(to), 0o755)
	if err == nil {
		err = os.Rename(filepath.Join(w.uploads(), i.Upload), to)
	}
	if _, gone := os.Stat(to); err != nil && gone != nil {
		i.State, i.Err = job.ImageFailed, job.AsError(full(err))
		return i, errors.Join(i.Err, w.SetImages(ctx, i))
	}
	i.State = job.ImageWaiting
	return i, w.SetImages(ctx, i)
}

// extensionOf is the ending of a picture that begins so; "": it is none.
func extensionOf(head []byte) string {
	h := string(head)
	has := func(at int, what string) bool { return len(h) >= at+len(what) && h[at:at+len(what)] == what }
	switch {
	case has(0, "\xff\xd8\xff"):
		return ".jpg"
	case has(0, "\x89PNG\r\n\x1a\n"):
		return ".png"
	case has(0, "RIFF") && has(8, "WEBP"):
		return ".webp"
	case has(0, "BM"):
		return ".bmp"
	case has(0, "II*\x00"), has(0, "MM\x00*"):
		return ".tif"
	}
	return ""
}

// Open opens the original of an image, or its filtered twin. Errors: NotFound,
// FailedPrecondition (it is not filtered yet), the code why it failed, Unavailable.
func (w *Workloads) Open(ctx context.Context, workload, id int64, filtered bool) (*os.File, error) {
	l, err := w.Workload(ctx, workload)
	if err != nil {
		return nil, err
	}
	i, err := w.Image(ctx, workload, id)
	if err != nil {
		return nil, err
	}
	path := w.original(l, i)
	if filtered {
		op := "image " + strconv.FormatInt(id, 10)
		switch i.State {
		case job.ImageDone:
			path = filepath.Join(w.folder(l), i.Result)
		case job.ImageFailed:
			return nil, job.E(job.NotFound, op, errors.New("it could not be filtered: "+i.Err.Error()), i.Err.Hint)
		default:
			return nil, job.E(job.AlreadyExists, op, errors.New("it is not filtered yet"), "ask again soon; filtered_images lists those that are")
		}
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, job.E(job.NotFound, "image", errors.New(rootCause(err)), "its file is gone from the server's disk")
	}
	return f, nil
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
		for n := range waiting {
			waiting[n].State, waiting[n].Err = job.ImageFailed, cancelled()
		}
		if err := w.SetImages(ctx, waiting...); err != nil {
			return err
		}
	}
}

func cancelled() *job.Error {
	return job.E(job.CancelledCode, "", errors.New("the workload was cancelled"), "upload it again")
}

// stop cancels the jobs of a workload; mu is held.
func (w *Workloads) stop(ctx context.Context, id int64) error {
	var errs []error
	for j, of := range w.follows {
		if of != id {
			continue
		}
		if err := w.jobs.Cancel(ctx, j); err != nil && job.CodeOf(err) != job.NotFound {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// Delete forgets a workload with all its files. Errors: NotFound, Unavailable.
func (w *Workloads) Delete(ctx context.Context, id int64) error {
	l, err := w.Workload(ctx, id)
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.stop(ctx, id); err != nil {
		return err
	}
	if err := w.RemoveWorkload(ctx, id); err != nil {
		return err
	}
	if err := os.RemoveAll(w.folder(l)); err != nil {
		w.log.Warn("files of a deleted workload are left", "workload", id, "err", err)
	}
	return nil
}

// nudge has Run look for images that wait.
func (w *Workloads) nudge() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}
