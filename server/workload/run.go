package workload

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"time"

	"spillway/job"
)

// again is when what could not be done is tried again.
const again = 2 * time.Second

// together is for how long images are gathered that go into one job.
const together = 20 * time.Millisecond

// Run has images processed as they come, and goes on with what a former server left,
// until ctx ends. It returns when nothing that it started runs any more. Jobs go on.
func (w *Workloads) Run(ctx context.Context) error {
	var following sync.WaitGroup
	defer following.Wait()
	err := w.recover(ctx)
	if err == nil {
		err = w.sweep(ctx)
	}
	if w.cfg.Quota > 0 {
		w.room.give(sizeOf(w.batches()) - sizeOf(w.cfg.Dir)) // of links to what is counted
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
		select {
		case <-ctx.Done():
		case <-time.After(together):
		}
	}
}

// each calls f with every workload that has images to be filtered.
func (w *Workloads) each(ctx context.Context, f func(job.Workload) error) error {
	var after int64
	for {
		all, err := w.OpenWorkloads(ctx, false, after, page)
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
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.arriveAgain(ctx, l)
	})
}

// arriveAgain names the files of images that were left on their way; mu is held, so that
// none is on its way now.
func (w *Workloads) arriveAgain(ctx context.Context, l job.Workload) error {
	for {
		arriving, err := w.Images(ctx, l.ID, job.ImageArriving, -1, page)
		if err != nil || len(arriving) == 0 {
			return err
		}
		if err := w.arrive(ctx, l, arriving); err != nil {
			return err
		}
	}
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

// round makes jobs of what waits, and follows those that nobody follows. What one
// workload fails with, which may stay so, holds up no other; the first such error is told.
func (w *Workloads) round(ctx context.Context, following *sync.WaitGroup) error {
	var first error
	err := w.each(ctx, func(l job.Workload) error {
		if err := w.proceed(ctx, l, following); err != nil && first == nil {
			first = err
		}
		return ctx.Err()
	})
	return cmp.Or(err, first)
}

// proceed is the round of one workload.
func (w *Workloads) proceed(ctx context.Context, l job.Workload, following *sync.WaitGroup) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.arriveAgain(ctx, l); err != nil {
		return fmt.Errorf("workload %d: %w", l.ID, err)
	}
	working, err := w.Images(ctx, l.ID, job.ImageWorking, -1, jobsAtOnce*imagesOfJob)
	if err != nil {
		return err
	}
	jobs, batches := map[job.ID]bool{}, map[job.ID]*batch{}
	for id, b := range w.follows {
		jobs[id] = b.of.ID == l.ID
	}
	maps.DeleteFunc(jobs, func(_ job.ID, mine bool) bool { return !mine })
	for _, i := range working {
		jobs[i.Job] = true
		if w.follows[i.Job] != nil {
			continue
		}
		if batches[i.Job] == nil {
			batches[i.Job] = &batch{w: w, of: l, id: i.Job, open: map[string]job.Image{}}
		}
		batches[i.Job].open[i.Original] = i
	}
	for id, b := range batches {
		w.follows[id] = b
		following.Go(func() { b.follow(ctx) })
	}
	if len(jobs) >= jobsAtOnce {
		return nil
	}
	return w.gather(ctx, l)
}

// gather gives images that wait a job, which is named after the first of them, so that a
// server that comes after finds it; mu is held.
func (w *Workloads) gather(ctx context.Context, l job.Workload) error {
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
