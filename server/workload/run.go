package workload

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"spillway/job"
)

// again is when what could not be done is tried again.
const again = 2 * time.Second

// Run has images processed as they come, and goes on with what a former server left,
// until ctx ends. It returns when nothing that it started runs any more. Jobs go on.
func (w *Workloads) Run(ctx context.Context) error {
	var following sync.WaitGroup
	defer following.Wait()
	err := w.recover(ctx)
	if err == nil {
		err = w.sweep(ctx)
	}
	if err != nil && ctx.Err() == nil {
		w.log.Warn("what uploads left is not looked after", "err", err)
	}
	for {
		if err := w.round(ctx, &following); err != nil && ctx.Err() == nil {
			w.log.Warn("workloads are looked at again soon", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-w.wake:
		case <-time.After(again):
		}
	}
}

// each calls f with every workload.
func (w *Workloads) each(ctx context.Context, f func(job.Workload) error) error {
	var after int64
	for {
		all, err := w.Workloads(ctx, after, page)
		if err != nil || len(all) == 0 {
			return err
		}
		for _, l := range all {
			if err := f(l); err != nil {
				return err
			}
			after = l.ID
		}
	}
}

// recover names the files of images that were arriving when a former server ended.
func (w *Workloads) recover(ctx context.Context) error {
	return w.each(ctx, func(l job.Workload) error {
		arriving, err := w.Images(ctx, l.ID, job.ImageArriving, -1, page)
		for _, i := range arriving {
			_, lost := w.arrive(ctx, l, i)
			err = errors.Join(err, lost)
		}
		return err
	})
}

// sweep removes the files of uploads and jobs that a former server did not end.
func (w *Workloads) sweep(ctx context.Context) error {
	working := map[string]bool{}
	err := w.each(ctx, func(l job.Workload) error {
		images, err := w.Images(ctx, l.ID, job.ImageWorking, -1, jobsAtOnce*imagesOfJob)
		for _, i := range images {
			working[string(i.Job)] = true
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, dir := range []string{w.uploads(), w.batches()} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return err
		}
		for _, e := range entries {
			info, err := e.Info()
			if err == nil && info.ModTime().Before(w.began) && !working[e.Name()] {
				err = os.RemoveAll(filepath.Join(dir, e.Name()))
			}
			if err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
		}
	}
	return nil
}

// round makes jobs of what waits, and follows those that nobody follows.
func (w *Workloads) round(ctx context.Context, following *sync.WaitGroup) error {
	return w.each(ctx, func(l job.Workload) error {
		w.mu.Lock()
		defer w.mu.Unlock()
		working, err := w.Images(ctx, l.ID, job.ImageWorking, -1, jobsAtOnce*imagesOfJob)
		if err != nil {
			return err
		}
		batches := map[job.ID]*batch{}
		for _, i := range working {
			if _, on := w.follows[i.Job]; on {
				continue
			}
			if batches[i.Job] == nil {
				batches[i.Job] = &batch{w: w, of: l, id: i.Job, open: map[string]job.Image{}}
			}
			batches[i.Job].open[i.Original] = i
		}
		for id, b := range batches {
			w.follows[id] = l.ID
			following.Go(func() { b.follow(ctx) })
		}
		return w.gather(ctx, l)
	})
}

// gather gives images that wait a job, which is named after the first of them, so that a
// server that comes after finds it; mu is held.
func (w *Workloads) gather(ctx context.Context, l job.Workload) error {
	jobs := 0
	for _, of := range w.follows {
		if of == l.ID {
			jobs++
		}
	}
	if jobs >= jobsAtOnce {
		return nil
	}
	waiting, err := w.Images(ctx, l.ID, job.ImageWaiting, -1, imagesOfJob)
	if err != nil || len(waiting) == 0 {
		return err
	}
	for n := range waiting {
		waiting[n].State = job.ImageWorking
		waiting[n].Job = job.ID(fmt.Sprintf("workload-%d-%d-%d", l.Created.UnixMilli(), l.ID, waiting[0].ID))
	}
	if err := w.SetImages(ctx, waiting...); err != nil {
		return err
	}
	w.nudge() // the next round follows it
	return nil
}

// batch is a job of a workload, and its images that have not ended.
type batch struct {
	w    *Workloads
	of   job.Workload
	id   job.ID
	open map[string]job.Image // by the name of the file
}

func (b *batch) dir() string { return filepath.Join(b.w.batches(), string(b.id)) }

// follow runs the job and takes its results until it has ended.
func (b *batch) follow(ctx context.Context) {
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
	if err != nil { // the next round tries again
		select {
		case <-ctx.Done():
		case <-time.After(again):
		}
	}
	b.w.mu.Lock()
	delete(b.w.follows, b.id)
	b.w.mu.Unlock()
	b.w.nudge()
}

func permanent(err error) bool { return job.CodeOf(err).Permanent() }

func (b *batch) run(ctx context.Context) error {
	if err := b.link(); err != nil {
		return err
	}
	spec := job.Spec{ID: b.id, Source: b.dir(), Operation: b.of.Filter}
	if _, err := b.w.jobs.Submit(ctx, spec); err != nil {
		return err
	}
	if _, err := b.w.Workload(ctx, b.of.ID); job.CodeOf(err) == job.NotFound && err != nil {
		_ = b.w.jobs.Cancel(ctx, b.id) // it was deleted while the job was on its way
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
	for name, i := range b.open {
		err := os.Link(b.w.original(b.of, i), filepath.Join(in, name))
		if err != nil && !errors.Is(err, os.ErrExist) && !errors.Is(err, os.ErrNotExist) {
			return full(err)
		}
	}
	return nil
}

// steps takes what tasks have ended with.
func (b *batch) steps(ctx context.Context, steps []job.Step) error {
	for _, s := range steps {
		if s.Kind == job.TaskStep {
			if err := b.end(ctx, s.Name, s.State, s.Err); err != nil {
				return err
			}
		}
	}
	return nil
}

// settle ends all images of a job that has ended.
func (b *batch) settle(ctx context.Context, j job.Job) error {
	for after := int64(-1); ; {
		tasks, err := b.w.jobs.Tasks(ctx, b.id, job.TaskFilter{After: after, Limit: page})
		if err != nil {
			return err
		}
		for _, t := range tasks {
			after = t.Index
			var why *job.Error
			if len(t.Attempts) > 0 {
				why = t.Attempts[len(t.Attempts)-1].Err
			}
			if t.State == job.TaskPending || t.State == job.TaskRunning {
				continue
			}
			if err := b.end(ctx, t.Name, t.State, why); err != nil {
				return err
			}
		}
		if len(tasks) == 0 {
			break
		}
	}
	why := j.Err
	if j.State == job.Cancelled {
		why = cancelled()
	}
	return b.fail(ctx, why)
}

// end takes the result of one image, or why there is none.
func (b *batch) end(ctx context.Context, name string, state job.TaskState, why *job.Error) error {
	i, open := b.open[name]
	if !open {
		return nil
	}
	i.State, i.Err = job.ImageFailed, reason(why)
	if state == job.TaskDone {
		result, err := b.land(i)
		if err != nil {
			return err
		}
		if result != "" {
			i.State, i.Result, i.Err = job.ImageDone, result, nil
		}
	}
	return b.keep(ctx, i)
}

// reason is why an image failed, which must be something.
func reason(why *job.Error) *job.Error {
	if why == nil {
		return job.E(job.Internal, "", errors.New("the job made nothing of it"), "upload it again")
	}
	return why
}

// land moves the result of an image into the workload's folder; "": there is none. Done
// again after a crash, it finds the result there.
func (b *batch) land(i job.Image) (string, error) {
	stem := strings.TrimSuffix(i.Original, filepath.Ext(i.Original))
	for _, dir := range []string{filepath.Join(b.dir(), job.OutputDir), b.w.folder(b.of)} {
		for _, extension := range job.PictureExtensions() {
			result := stem + extension
			err := os.Rename(filepath.Join(dir, result), filepath.Join(b.w.folder(b.of), result))
			if err == nil {
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
	for _, i := range b.open {
		i.State, i.Err = job.ImageFailed, reason(why)
		if err := b.keep(ctx, i); err != nil {
			return err
		}
	}
	return nil
}

// keep remembers how an image ended. Of a deleted workload, nothing is left.
func (b *batch) keep(ctx context.Context, i job.Image) error {
	err := b.w.SetImages(ctx, i)
	if err != nil && job.CodeOf(err) != job.NotFound {
		return err
	}
	if err != nil {
		_ = os.RemoveAll(b.w.folder(b.of))
	}
	delete(b.open, i.Original)
	return nil
}
