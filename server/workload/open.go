package workload

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"spillway/confine"
	"spillway/job"
)

// Open opens the original of an image, or its filtered twin; the image tells why there
// is no twin. Errors: NotFound, FailedPrecondition (it is not filtered, or failed),
// Unavailable.
func (w *Workloads) Open(ctx context.Context, workload, id int64, filtered bool) (*os.File, job.Image, error) {
	l, err := w.Workload(ctx, workload)
	if err != nil {
		return nil, job.Image{}, err
	}
	i, err := w.Image(ctx, workload, id)
	if err != nil {
		return nil, i, err
	}
	path := w.original(l, i)
	if filtered {
		if i.State != job.ImageDone {
			return nil, i, job.E(job.FailedPrecondition, "image", errors.New("it has no filtered twin"), "filtered_images lists those that have one")
		}
		path = filepath.Join(w.folder(l), i.Result)
	}
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) && i.State == job.ImageArriving {
		f, err = os.Open(filepath.Join(w.uploads(), i.Upload))
	}
	if err != nil {
		return nil, i, job.E(job.NotFound, "image", confine.WithoutPath(err), "its file is gone from the server's disk")
	}
	return f, i, nil
}
