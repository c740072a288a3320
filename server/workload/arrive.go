package workload

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"spillway/job"
)

// line is where uploads wait for their ids. Who comes first gives ids to all that have
// come until then, and hands over to the first of those that came meanwhile: so many
// uploads at once share their commits and the syncing of folders.
type line struct {
	mu      sync.Mutex
	led     bool // somebody gives ids
	waiting []*arrival
}

// arrival is one upload in the line.
type arrival struct {
	workload int64
	upload   job.Upload
	image    job.Image
	err      error
	lead     chan bool // true: it is its turn to give ids; closed: it has one
}

// most bounds the uploads that get their ids together.
const most = 256

// Keep makes an upload the next image of a workload, and has it processed. It is on the
// disk for good, then. Errors: NotFound (the workload), ResourceExhausted (it has as many
// as may be), Unavailable.
func (w *Workloads) Keep(ctx context.Context, workload int64, u job.Upload) (job.Image, error) {
	a := &arrival{workload: workload, upload: u, lead: make(chan bool, 1)}
	w.line.mu.Lock()
	w.line.waiting = append(w.line.waiting, a)
	lead := !w.line.led
	w.line.led = true
	w.line.mu.Unlock()
	if lead || <-a.lead {
		w.lead(context.WithoutCancel(ctx))
	}
	return a.image, a.err
}

// lead gives ids to those in the line; the caller is the first of them.
func (w *Workloads) lead(ctx context.Context) {
	w.line.mu.Lock()
	n := min(len(w.line.waiting), most)
	group := w.line.waiting[:n:n]
	w.line.waiting = w.line.waiting[n:]
	w.line.mu.Unlock()
	defer func() {
		for _, a := range group {
			close(a.lead)
		}
		w.line.mu.Lock()
		defer w.line.mu.Unlock()
		w.line.led = len(w.line.waiting) > 0
		if w.line.led {
			w.line.waiting[0].lead <- true
		}
	}()
	w.mu.Lock()
	defer w.mu.Unlock()
	byWorkload := map[int64][]*arrival{}
	for _, a := range group {
		byWorkload[a.workload] = append(byWorkload[a.workload], a)
	}
	for id, some := range byWorkload {
		if err := w.admit(ctx, id, some); err != nil {
			for _, a := range some {
				if a.err == nil {
					a.err = err
				}
			}
		}
	}
	w.nudge()
}

// admit gives ids to uploads of one workload; mu is held. A server that ends halfway
// leaves images that arrive, which the next one has arrive. The files are on the disk
// already; their names are with the syncing of the last folder.
func (w *Workloads) admit(ctx context.Context, id int64, some []*arrival) error {
	l, err := w.Workload(ctx, id)
	if err != nil {
		return err
	}
	if l.Images+int64(len(some)) > w.cfg.Images {
		fit := max(w.cfg.Images-l.Images, 0)
		for _, a := range some[fit:] {
			a.err = job.E(job.ResourceExhausted, fmt.Sprintf("workload %d", id), fmt.Errorf("it has %d images, as many as may be", w.cfg.Images), "make another workload")
		}
		some = some[:fit]
	}
	if len(some) == 0 {
		return nil
	}
	images := make([]job.Image, len(some))
	for n, a := range some {
		images[n] = job.Image{State: job.ImageArriving, Original: a.upload.Extension, Upload: a.upload.Name}
	}
	images, err = w.AddImages(ctx, id, images...)
	if err == nil {
		err = w.arrive(ctx, l, images)
	}
	for n, a := range some {
		if err == nil {
			a.image = images[n]
			if a.image.State == job.ImageFailed {
				a.err = a.image.Err
			}
		}
	}
	return err
}

// arrive gives the files of images their names; mu is held. It may be done again.
func (w *Workloads) arrive(ctx context.Context, l job.Workload, images []job.Image) error {
	dir := filepath.Join(w.folder(l), "original")
	_, known := os.Stat(dir)
	err := os.MkdirAll(dir, 0o755)
	for n := range images {
		i := &images[n]
		i.State = job.ImageWaiting
		to := filepath.Join(dir, i.Original)
		if e := os.Rename(filepath.Join(w.uploads(), i.Upload), to); e != nil {
			if _, gone := os.Stat(to); gone != nil {
				i.State, i.Err = job.ImageFailed, job.AsError(full(e))
			}
		}
	}
	if err == nil {
		err = syncDir(dir)
	}
	if err == nil && known != nil { // the folders themselves are new
		err = errors.Join(syncDir(w.folder(l)), syncDir(w.cfg.Dir))
	}
	if err != nil {
		return full(err) // they arrive again after a restart
	}
	return w.SetImages(ctx, images...)
}
