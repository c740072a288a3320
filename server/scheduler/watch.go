package scheduler

import (
	"context"
	"time"

	"spillway/job"
)

const (
	// watchEvery bounds how often a watcher hears of a job that runs.
	watchEvery = 50 * time.Millisecond
	// lookEvery is how often it is looked how far a job has come that another
	// server runs.
	lookEvery = 500 * time.Millisecond
)

// Watch implements job.Service. It follows the job from server to server.
func (s *Scheduler) Watch(ctx context.Context, id job.ID, after int64) (<-chan job.Event, error) {
	if s.active(id) == nil {
		if _, err := s.store.Job(ctx, id); err != nil {
			return nil, err
		}
	}
	w := &watch{s: s, id: id, out: make(chan job.Event), told: -1, known: job.Known{After: after}}
	go func() {
		defer close(w.out)
		for goesOn := true; goesOn; {
			goesOn = w.follow(ctx) && w.look(ctx)
		}
	}()
	return w.out, nil
}

// watch is one watcher's sight of a job.
type watch struct {
	s    *Scheduler
	id   job.ID
	out  chan job.Event
	told int64 // the version that was told last

	known job.Known
}

// tell tells the watcher how the job stands, unless it knows; false: it is final, or
// ctx has ended.
func (w *watch) tell(ctx context.Context, j job.Job, steps []job.Step) bool {
	if j.Version != w.told || j.State.Final() { // a change may wake it that the last snapshot held already
		select {
		case w.out <- w.known.Next(j, steps):
		case <-ctx.Done():
			return false
		}
		w.told = j.Version
	}
	return !j.State.Final()
}

// follow watches the job while this server runs it; false: there is no more to tell.
func (w *watch) follow(ctx context.Context) bool {
	r := w.s.active(w.id)
	if r == nil {
		return true
	}
	changed, leave := r.subscribe()
	defer leave()
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		over := r.ended()
		if j, steps := w.s.sight(r, w.known.After); !w.tell(ctx, j, steps) {
			return false
		}
		if over {
			return true
		}
		pause.Reset(watchEvery)
		select { // no more often than watchEvery, but the end at once
		case <-pause.C:
		case <-r.over:
		case <-ctx.Done():
			return false
		}
		select {
		case <-changed:
		case <-r.over:
		case <-ctx.Done():
			return false
		}
	}
}

// look tells what the store has of a job that this server does not run, and waits a
// while; false: there is no more to tell, or the server stops.
func (w *watch) look(ctx context.Context) bool {
	j, err := w.s.store.Job(ctx, w.id)
	switch {
	case job.CodeOf(err) == job.NotFound: // it has been forgotten
		return false
	case err != nil && ctx.Err() == nil:
		w.s.log.Warn("the store fails, trying again", "step", "watch job "+string(w.id), "err", err)
	case err == nil && w.s.active(w.id) != nil:
		return true // it has been taken over meanwhile
	case err == nil && !w.tell(ctx, j.Job, w.s.stepsOf(w.id, j.Epoch, j.Steps, w.known.After)):
		return false
	}
	if w.s.isStopped() {
		return false
	}
	timer := time.NewTimer(lookEvery)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
