package workload

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"spillway/job"
)

// batch is a job of a workload, and its images that have not ended.
type batch struct {
	w    *Workloads
	of   job.Workload
	id   job.ID
	open map[string]job.Image // by the name of the file; guarded by w.mu
	// stopped tells that the job is to be cancelled as soon as it is there.
	stopped atomic.Bool
}

func (b *batch) dir() string { return filepath.Join(b.w.batches(), string(b.id)) }

// follow runs the job and takes its results until it has ended, or the next round is to
// try again. What is to be cancelled is tried again here, where that is known.
func (b *batch) follow(ctx context.Context) {
	for left := false; !left; {
		err := b.once(ctx)
		b.w.mu.Lock()
		if left = err == nil || ctx.Err() != nil || !b.stopped.Load(); left {
			delete(b.w.follows, b.id)
		}
		b.w.mu.Unlock()
	}
	b.w.nudge()
}

// once is one try of follow, with a pause where it fails.
func (b *batch) once(ctx context.Context) error {
	err := b.run(ctx)
	if err != nil && ctx.Err() == nil && permanent(err) {
		err = b.fail(ctx, job.AsError(err))
	}
	if err != nil && ctx.Err() == nil {
		b.w.log.Warn("a job of a workload is looked at again soon", "job", b.id, "err", err)
	}
	if err == nil {
		err = os.RemoveAll(b.dir())
	}
	if err != nil {
		select {
		case <-ctx.Done():
		case <-time.After(again):
		}
	}
	return err
}

func permanent(err error) bool { return job.CodeOf(err).Permanent() }

func (b *batch) run(ctx context.Context) error {
	if err := b.link(); err != nil {
		return err
	}
	spec := job.Spec{ID: b.id, Source: b.dir(), Operation: b.of.Filter}
	_, err := b.w.jobs.Submit(ctx, spec)
	if b.stopped.Load() { // while the job was on its way
		if err = b.w.jobs.Cancel(ctx, b.id); job.CodeOf(err) == job.NotFound {
			return b.fail(ctx, cancelled())
		}
	}
	if err != nil {
		return err
	}
	events, err := b.w.jobs.Watch(ctx, b.id, job.AllSteps)
	if err != nil {
		return err
	}
	for e := range events {
		if e.Job.State.Final() {
			return b.settle(ctx, e.Job)
		}
		if err := b.steps(ctx, e.Steps); err != nil {
			return err
		}
	}
	return job.E(job.Unavailable, "watch", errors.New("the service is lost"), "")
}

// link lays the originals into the job's folder, which costs no room.
func (b *batch) link() error {
	in := filepath.Join(b.dir(), job.InputDir)
	if err := os.MkdirAll(in, 0o755); err != nil {
		return full(err)
	}
	b.w.mu.Lock()
	open := maps.Clone(b.open)
	b.w.mu.Unlock()
	for name, i := range open {
		err := os.Link(b.w.original(b.of, i), filepath.Join(in, name))
		if err != nil && !errors.Is(err, os.ErrExist) && !errors.Is(err, os.ErrNotExist) {
			return full(err)
		}
	}
	return nil
}

// ending is how a task has ended.
type ending struct {
	name  string
	state job.TaskState
	why   *job.Error
}

// mayYet tells of a task that failed since no node took it, or gave it back: its job may
// have stalled, and then goes on.
func mayYet(state job.TaskState, why *job.Error) bool {
	if state != job.TaskFailed || why == nil {
		return false
	}
	return why.Code == job.Unavailable || why.Code == job.DeadlineExceeded || why.Code == job.ResourceExhausted
}

// steps takes what tasks have ended with.
func (b *batch) steps(ctx context.Context, steps []job.Step) error {
	var ends []ending
	for _, s := range steps {
		if s.Kind == job.TaskStep && !mayYet(s.State, s.Err) {
			ends = append(ends, ending{s.Name, s.State, s.Err})
		}
	}
	return b.take(ctx, ends)
}

// settle ends all images of a job that has ended. One that has stalled goes on as soon as
// nodes work again: nobody asked for an end.
func (b *batch) settle(ctx context.Context, j job.Job) error {
	stalled := j.Stalled() && !b.stopped.Load()
	if err := b.tasks(ctx, stalled); err != nil {
		return err
	}
	b.w.mu.Lock()
	left := len(b.open)
	b.w.mu.Unlock()
	if stalled && left > 0 {
		if err := b.w.jobs.Retry(ctx, b.id); err != nil { // never for good: the next round knows more
			return job.E(job.Unavailable, "retry", err, "")
		}
		return job.E(job.Unavailable, "", errors.New("no node worked on it for long; it goes on"), "")
	}
	why := j.Err
	if j.State == job.Cancelled {
		why = cancelled()
	}
	return b.fail(ctx, why)
}

// tasks takes what the tasks of an ended job came to; of one that goes on, not those that
// will be tried again.
func (b *batch) tasks(ctx context.Context, goesOn bool) error {
	for after := int64(-1); ; {
		tasks, err := b.w.jobs.Tasks(ctx, b.id, job.TaskFilter{After: after, Limit: page})
		if err != nil || len(tasks) == 0 {
			return err
		}
		var ends []ending
		for _, t := range tasks {
			after = t.Index
			end := ending{t.Name, t.State, nil}
			if len(t.Attempts) > 0 {
				end.why = t.Attempts[len(t.Attempts)-1].Err
			}
			open := t.State == job.TaskPending || t.State == job.TaskRunning || goesOn && mayYet(t.State, end.why)
			if !open {
				ends = append(ends, end)
			}
		}
		if err := b.take(ctx, ends); err != nil {
			return err
		}
	}
}

// take takes the results of images, or why there are none.
func (b *batch) take(ctx context.Context, ends []ending) error {
	b.w.mu.Lock()
	defer b.w.mu.Unlock()
	if _, err := b.w.Workload(ctx, b.of.ID); err != nil {
		if job.CodeOf(err) == job.NotFound { // its folder's name may be another's by now
			clear(b.open)
			return nil
		}
		return err
	}
	var images []job.Image
	for _, e := range ends {
		i, open := b.open[e.name]
		if !open {
			continue
		}
		i.State, i.Err = job.ImageFailed, reason(e.why)
		if e.state == job.TaskDone {
			result, err := b.land(i)
			if err != nil {
				return err
			}
			if result != "" {
				i.State, i.Result, i.Err = job.ImageDone, result, nil
			}
		}
		images = append(images, i)
	}
	return b.keep(ctx, images)
}

// reason is why an image failed, which must be something. What the nodes' absence ended
// has no mend of its own.
func reason(why *job.Error) *job.Error {
	if why == nil {
		return job.E(job.Internal, "", errors.New("the job made nothing of it"), "upload it again")
	}
	if why.Hint == "" && (why.Code == job.Unavailable || why.Code == job.DeadlineExceeded) {
		return job.E(why.Code, why.Op, why.Err, "upload it again when GET /nodes shows a node that answers")
	}
	return why
}

// land moves the result of an image into the workload's folder; "": there is none. Done
// again after a crash, it finds the result there. w.mu is held.
func (b *batch) land(i job.Image) (string, error) {
	to := b.w.folder(b.of)
	stem := strings.TrimSuffix(i.Original, filepath.Ext(i.Original))
	made := filepath.Join(b.dir(), job.OutputDir) + string(filepath.Separator)
	if b.of.Filter.Name == "face_mesh" { // which makes mesh-NAME of NAME
		made += "mesh-"
	}
	for _, at := range []string{made, to + string(filepath.Separator)} {
		for _, extension := range job.PictureExtensions() {
			result := stem + extension
			err := os.Rename(at+result, filepath.Join(to, result))
			if err == nil {
				b.w.room.give(-sizeOf(filepath.Join(to, result)))
				return result, nil
			}
			if !errors.Is(err, os.ErrNotExist) {
				return "", full(err)
			}
		}
	}
	return "", nil
}

// fail ends all images that have not ended.
func (b *batch) fail(ctx context.Context, why *job.Error) error {
	b.w.mu.Lock()
	defer b.w.mu.Unlock()
	return b.keep(ctx, failed(slices.Collect(maps.Values(b.open)), reason(why)))
}

// keep remembers how images ended; w.mu is held. Of a deleted workload there is nothing
// to remember.
func (b *batch) keep(ctx context.Context, images []job.Image) error {
	if len(images) == 0 {
		return nil
	}
	if err := b.w.SetImages(ctx, images...); err != nil && job.CodeOf(err) != job.NotFound {
		return err
	}
	for _, i := range images {
		delete(b.open, i.Original)
	}
	return nil
}
