package workload

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"spillway/job"
)

// KeepTwin makes an upload the filtered twin of an image, in place of what the server
// made or would make of it; of the first one without a twin where image is nil. Where by
// is a node, it must have the image's task.
// Errors: NotFound, PermissionDenied, FailedPrecondition (no image lacks one),
// Unavailable.
func (w *Workloads) KeepTwin(ctx context.Context, workload int64, image *int64, u job.Upload, by job.NodeID) (job.Image, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	l, err := w.Workload(ctx, workload)
	if err != nil {
		return job.Image{}, orDenied(err, by)
	}
	i, err := w.lacking(ctx, workload, image)
	if err == nil && by != "" {
		err = w.holds(i, by)
	}
	if err != nil {
		return i, orDenied(err, by)
	}
	before, result := i.Result, fmt.Sprintf("%d%s", i.ID, u.Extension)
	to := filepath.Join(w.folder(l), result)
	w.room.give(sizeOf(to))
	err = os.Rename(filepath.Join(w.uploads(), u.Name), to)
	if err == nil {
		err = syncDir(w.folder(l))
	}
	if err != nil {
		return i, full(err)
	}
	i.State, i.Result, i.Err = job.ImageDone, result, nil
	if err := w.SetImages(context.WithoutCancel(ctx), i); err != nil {
		return i, err
	}
	if b := w.follows[i.Job]; b != nil {
		delete(b.open, i.Original) // what the job makes of it counts no more
	}
	if before != "" && before != result {
		old := filepath.Join(w.folder(l), before)
		w.room.give(sizeOf(old))
		_ = os.Remove(old) // nothing names it any more
	}
	return i, nil
}

// lacking is the image with that id, or where there is none named, the first without a
// twin.
func (w *Workloads) lacking(ctx context.Context, workload int64, image *int64) (job.Image, error) {
	if image != nil {
		return w.Image(ctx, workload, *image)
	}
	var first *job.Image
	for _, state := range []job.ImageState{job.ImageArriving, job.ImageWaiting, job.ImageWorking, job.ImageFailed} {
		some, err := w.Images(ctx, workload, state, -1, 1)
		if err != nil {
			return job.Image{}, err
		}
		if len(some) > 0 && (first == nil || some[0].ID < first.ID) {
			first = &some[0]
		}
	}
	if first == nil {
		return job.Image{}, job.E(job.FailedPrecondition, fmt.Sprintf("workload %d", workload), errors.New("each of its images has its filtered twin"), "name the image with image_id, or upload its original first")
	}
	return *first, nil
}

// Holds reports why a node may not have an image: it must have its task at the moment.
// Errors: PermissionDenied, also where there is no such image; Unavailable.
func (w *Workloads) Holds(ctx context.Context, workload, image int64, node job.NodeID) error {
	i, err := w.Image(ctx, workload, image)
	if err != nil {
		return orDenied(err, node)
	}
	return w.holds(i, node)
}

func (w *Workloads) holds(i job.Image, node job.NodeID) error {
	if i.State == job.ImageWorking && slices.Contains(w.cfg.NodesWith(i.Job, i.Original), node) {
		return nil
	}
	return notHeld()
}

// orDenied keeps from a node what there is and what not.
func orDenied(err error, by job.NodeID) error {
	if code := job.CodeOf(err); by != "" && (code == job.NotFound || code == job.FailedPrecondition) {
		return notHeld()
	}
	return err
}

func notHeld() error {
	return job.E(job.PermissionDenied, "image", errors.New("the node has no task of this image"), "fetch and deliver what the node works on, while it does")
}
