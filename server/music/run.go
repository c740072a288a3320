package music

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"spillway/job"
)

// again is when what the store or the service could not do is tried again.
const again = 5 * time.Second

// Run does what was asked for, and goes on with what a former server left, until ctx
// ends. It returns when nothing that it started runs any more. Jobs that run then go on.
func (m *Music) Run(ctx context.Context) error {
	if err := m.sweep(ctx); err != nil && ctx.Err() == nil {
		m.log.Warn("folders of songs that are no more may be left", "err", err)
	}
	var group errgroup.Group
	defer func() { _ = group.Wait() }() // works tell nothing
	slots := make(chan struct{}, m.cfg.Songs)
	m.nudge()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-m.wake:
		}
		if err := m.begin(ctx, &group, slots); err != nil && ctx.Err() == nil {
			m.log.Warn("the songs cannot be read; they are looked at again soon", "err", err)
			group.Go(func() error { m.later(ctx); return nil })
		}
	}
}

// later nudges after a while.
func (m *Music) later(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(again):
		m.nudge()
	}
}

// begin starts the work on songs that are due, as many as there is room for.
func (m *Music) begin(ctx context.Context, group *errgroup.Group, slots chan struct{}) error {
	m.settling.Lock()
	defer m.settling.Unlock()
	songs, err := m.store.AllMusic(ctx)
	if err != nil {
		return err
	}
	for _, song := range songs {
		if !song.Due() || m.busy(song.ID) {
			continue
		}
		select {
		case slots <- struct{}{}:
		default:
			return nil // the work that ends first nudges
		}
		own, stop := context.WithCancel(ctx)
		w := &work{stop: stop, done: make(chan struct{})}
		m.mu.Lock()
		m.works[song.ID] = w
		m.mu.Unlock()
		group.Go(func() error {
			defer stop()
			retry := m.tend(own, song.ID)
			m.mu.Lock()
			delete(m.works, song.ID)
			delete(m.percent, song.ID)
			m.mu.Unlock()
			close(w.done)
			<-slots
			if retry {
				m.later(own)
			}
			m.nudge()
			return nil
		})
	}
	return nil
}

// busy tells that a song is worked on.
func (m *Music) busy(id int64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, on := m.works[id]
	return on
}

// tend does what was asked of a song. It tells whether it is to be tried again.
func (m *Music) tend(ctx context.Context, id int64) (retry bool) {
	for {
		song, err := m.store.Music(ctx, id)
		if err != nil || !song.Due() {
			return err != nil && job.CodeOf(err) != job.NotFound
		}
		if !song.Separated {
			err = m.separate(ctx, &song)
		} else {
			err = m.mixed(ctx, &song)
		}
		switch {
		case ctx.Err() != nil:
			return false
		case err == nil:
			continue // what is asked for may have changed
		case job.CodeOf(err) == job.Unavailable || job.CodeOf(err) == job.ResourceExhausted:
			m.log.Warn("song waits", "music", id, "err", err)
			return true
		}
		m.log.Warn("song given up", "music", id, "err", err)
		song.Err = job.AsError(err)
		if err := m.store.SetMusic(ctx, song); err != nil {
			return job.CodeOf(err) != job.NotFound
		}
		// Another choice that came meanwhile has not failed, and is looked at next.
	}
}

// separate has the nodes take a song apart. What is remembered of the song stays what
// is kept. Errors: why the job ended; Unavailable, ResourceExhausted (later).
func (m *Music) separate(ctx context.Context, song *job.Music) error {
	if song.Job == "" {
		song.Job = job.NewID() // kept before it is submitted, so that it is one job after a crash, too
		if err := m.store.SetMusic(ctx, *song); err != nil {
			return err
		}
	}
	spec := job.Spec{ID: song.Job, Source: m.folder(song.ID), Operation: job.Operation{Name: job.Stems}}
	if _, err := m.jobs.Submit(ctx, spec); err != nil {
		if job.CodeOf(err) != job.Unavailable && job.CodeOf(err) != job.ResourceExhausted {
			song.Job = ""
		}
		return err
	}
	j, err := m.follow(ctx, *song)
	switch {
	case err != nil:
		if job.CodeOf(err) == job.NotFound { // forgotten: it is done anew
			song.Job = ""
		}
		return err
	case j.State == job.Succeeded:
		song.Separated = true
		return m.store.SetMusic(ctx, *song)
	case j.Stalled(): // nobody asked for an end: it goes on as soon as nodes work again
		if err := m.jobs.Retry(ctx, song.Job); err != nil {
			return job.E(job.Unavailable, "retry", err, "")
		}
		return job.E(job.Unavailable, "", errors.New("no node worked on it for long; it goes on"), "")
	}
	song.Job = ""
	return failure(j)
}

// failure is why a job did not do it.
func failure(j job.Job) error {
	const hint = "POST the tracks again to have it tried again"
	switch {
	case j.State == job.Cancelled:
		return job.E(job.CancelledCode, "", errors.New("the job was cancelled"), hint)
	case j.Err != nil:
		return j.Err
	case len(j.Failures) > 0 && j.Failures[0].Err != nil:
		return j.Failures[0].Err
	}
	return job.E(job.Internal, "", errors.New("the job failed"), hint)
}

// follow waits for the end of a song's job, and keeps what becomes of its parts.
func (m *Music) follow(ctx context.Context, song job.Music) (job.Job, error) {
	events, err := m.jobs.Watch(ctx, song.Job, job.NoSteps)
	if err != nil {
		return job.Job{}, err
	}
	var last job.Job
	ended := int64(-1)
	for e := range events {
		last = e.Job
		if last.Total > 0 {
			m.mu.Lock()
			m.percent[song.ID] = int(min(separated-1, separated*last.Done/last.Total))
			m.mu.Unlock()
		}
		if !last.Counted || last.Ended() == ended && !last.State.Final() {
			continue
		}
		if err := m.keepParts(ctx, song); err != nil && ctx.Err() == nil {
			m.log.Warn("what is known of a song's parts is not kept", "music", song.ID, "err", err)
			continue
		}
		ended = last.Ended()
	}
	if !last.State.Final() {
		if ctx.Err() != nil {
			return last, ctx.Err()
		}
		return last, job.E(job.Unavailable, "follow the job", errors.New("the service was lost"), "")
	}
	return last, nil
}

// keepParts keeps what is known of a song's parts.
func (m *Music) keepParts(ctx context.Context, song job.Music) error {
	tasks, err := m.jobs.Tasks(ctx, song.Job, job.TaskFilter{After: -1, Limit: job.MaxSongParts})
	if err != nil {
		return err
	}
	return m.store.KeepMusicParts(ctx, song.ID, partsOf(song, tasks))
}

// partsOf are the parts of a song, of the job's tasks. A song that is not cut is one.
func partsOf(song job.Music, tasks []job.TaskInfo) []job.MusicPart {
	parts := make([]job.MusicPart, len(tasks))
	var all int64
	for _, t := range tasks {
		if p, ok := job.ParsePart(t.Name); ok {
			all += p.Count
		}
	}
	for i, t := range tasks {
		parts[i] = job.MusicPart{Music: song.ID, Number: i + 1, Bytes: song.Bytes}
		if p, ok := job.ParsePart(t.Name); ok {
			parts[i].Number = p.Number
			parts[i].Bytes = int64(float64(song.Bytes) * (float64(p.Count) / float64(max(1, all))))
		}
		if n := len(t.Attempts); t.State == job.TaskDone && n > 0 {
			parts[i].Took = t.Attempts[n-1].Run
		}
	}
	return parts
}

// Reset cancels the work on all songs, waits for its end, and removes them with their
// files. Errors: Unavailable; nothing is removed then, and it may be tried again.
func (m *Music) Reset(ctx context.Context) error {
	m.settling.Lock()
	defer m.settling.Unlock()
	m.mu.Lock()
	works := make([]*work, 0, len(m.works))
	for _, w := range m.works {
		w.stop()
		works = append(works, w)
	}
	m.mu.Unlock()
	for _, w := range works {
		select {
		case <-w.done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	songs, err := m.store.AllMusic(ctx)
	if err != nil {
		m.nudge() // what was stopped goes on
		return err
	}
	for _, song := range songs {
		if err := m.cancel(ctx, song); err != nil {
			m.nudge() // what was stopped goes on
			return err
		}
	}
	if err := m.store.ClearMusic(ctx); err != nil {
		m.nudge()
		return err
	}
	for _, song := range songs {
		if err := os.RemoveAll(m.folder(song.ID)); err != nil {
			m.log.Warn("a song's folder is removed when the server starts again", "music", song.ID, "err", err)
		}
	}
	m.log.Info("music reset", "songs", len(songs))
	return nil
}

// cancel ends the job of a song, and waits for it.
func (m *Music) cancel(ctx context.Context, song job.Music) error {
	if song.Job == "" || song.Separated {
		return nil
	}
	switch err := m.jobs.Cancel(ctx, song.Job); {
	case job.CodeOf(err) == job.NotFound: // never submitted, or forgotten
		return nil
	case err != nil:
		return err
	}
	j, err := m.follow(ctx, song)
	if err == nil && !j.State.Final() {
		err = fmt.Errorf("job %s goes on", song.Job)
	}
	return err
}

// sweep removes what is left of songs that are no more, or never were.
func (m *Music) sweep(ctx context.Context) error {
	m.settling.Lock()
	defer m.settling.Unlock()
	songs, err := m.store.AllMusic(ctx)
	if err != nil {
		return err
	}
	known := map[string]bool{}
	for _, song := range songs {
		known[strconv.FormatInt(song.ID, 10)] = true
	}
	entries, err := os.ReadDir(m.cfg.Dir)
	if err != nil {
		return err
	}
	var failed []error
	for _, e := range entries {
		_, err := strconv.ParseInt(e.Name(), 10, 64)
		ours := err == nil || strings.HasPrefix(e.Name(), job.HiddenPrefix)
		if ours && !known[e.Name()] {
			failed = append(failed, os.RemoveAll(filepath.Join(m.cfg.Dir, e.Name())))
		}
	}
	return errors.Join(failed...)
}
