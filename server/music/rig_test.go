package music

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"spillway/job"
	"spillway/server/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// hands is a service whose jobs go on as the test says.
type hands struct {
	job.Service
	mu      sync.Mutex
	refuse  error             // of Submit
	jobs    map[job.ID]*order // guarded by mu
	submits int
	cancels []job.ID
}

type order struct {
	spec    job.Spec
	now     job.Job
	tasks   []job.TaskInfo
	changed chan struct{}
}

// Submit implements job.Service. A job is of two parts.
func (h *hands) Submit(_ context.Context, spec job.Spec) (job.ID, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.refuse != nil {
		return "", h.refuse
	}
	h.submits++
	if h.jobs[spec.ID] == nil {
		parts := []job.TaskInfo{{Index: 0, State: job.TaskPending}, {Index: 1, State: job.TaskPending}}
		parts[0].Name = job.Part{File: "song.mp3", Number: 1, Of: 2, To: 75, Count: 75, Note: "-"}.Name()
		parts[1].Name = job.Part{File: "song.mp3", Number: 2, Of: 2, From: 75, To: 100, Count: 25, Note: "-"}.Name()
		h.jobs[spec.ID] = &order{
			spec: spec, tasks: parts, changed: make(chan struct{}),
			now: job.Job{ID: spec.ID, State: job.Running, Total: 2, Counted: true},
		}
	}
	return spec.ID, nil
}

// refuseWith is what Submit says from now on.
func (h *hands) refuseWith(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.refuse = err
}

// Watch implements job.Service.
func (h *hands) Watch(ctx context.Context, id job.ID, _ int64) (<-chan job.Event, error) {
	events := make(chan job.Event)
	go func() {
		defer close(events)
		for {
			h.mu.Lock()
			o := h.jobs[id]
			now, changed := o.now, o.changed
			h.mu.Unlock()
			select {
			case events <- job.Event{Job: now}:
			case <-ctx.Done():
				return
			}
			if now.State.Final() {
				return
			}
			select {
			case <-changed:
			case <-ctx.Done():
				return
			}
		}
	}()
	return events, nil
}

// Tasks implements job.Service.
func (h *hands) Tasks(_ context.Context, id job.ID, _ job.TaskFilter) ([]job.TaskInfo, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]job.TaskInfo(nil), h.jobs[id].tasks...), nil
}

// Cancel implements job.Service.
func (h *hands) Cancel(_ context.Context, id job.ID) error {
	h.mu.Lock()
	h.cancels = append(h.cancels, id)
	h.mu.Unlock()
	h.set(id, func(o *order) { o.now.State = job.Cancelled })
	return nil
}

// Retry implements job.Service.
func (h *hands) Retry(_ context.Context, id job.ID) error {
	h.set(id, func(o *order) { o.now.State, o.now.Err = job.Running, nil })
	return nil
}

// set changes a job and tells who watches.
func (h *hands) set(id job.ID, f func(*order)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	o := h.jobs[id]
	f(o)
	close(o.changed)
	o.changed = make(chan struct{})
}

// part has one part of the job done.
func (h *hands) part(id job.ID, i int) {
	h.set(id, func(o *order) {
		o.now.Done++
		o.tasks[i].State, o.tasks[i].Attempts = job.TaskDone, []job.Attempt{{Number: 1, Run: time.Duration(i+1) * time.Second}}
	})
}

// end has the job succeed, with its tracks.
func (h *hands) end(t *testing.T, id job.ID) {
	h.set(id, func(o *order) {
		for _, name := range job.SongOutputs(job.Stems, "song.mp3", job.Args{"format": "wav"}) {
			require.NoError(t, os.WriteFile(filepath.Join(o.spec.Source, job.OutputDir, name), []byte(name), 0o600))
		}
		o.now.State = job.Succeeded
	})
}

// rig is the loop with hands for a service, and a mixer that writes how many tracks it got.
type rig struct {
	t     *testing.T
	dir   string
	kept  *store.Memory
	hands *hands
	music *Music
	mixes int
	stop  func()
}

func newRig(t *testing.T) *rig {
	r := &rig{t: t, dir: t.TempDir(), kept: store.NewMemory(), hands: &hands{jobs: map[job.ID]*order{}}}
	r.start()
	return r
}

// start starts the loop, as a server that has just come.
func (r *rig) start() {
	m, err := New(Config{Dir: r.dir}, r.hands, r.kept, slog.New(slog.DiscardHandler))
	require.NoError(r.t, err)
	m.mixer = func(_ context.Context, out, _ *os.File, tracks []*os.File) error {
		r.mixes++
		_, err := out.WriteString(strconv.Itoa(len(tracks)))
		return err
	}
	ctx, cancel := context.WithCancel(r.t.Context())
	done := make(chan error)
	go func() { done <- m.Run(ctx) }()
	r.music, r.stop = m, func() { cancel(); require.NoError(r.t, <-done) }
}

// song keeps a song.
func (r *rig) song() job.Music {
	m, err := r.kept.AddMusic(r.t.Context(), job.Music{Name: "x", File: "song.mp3", Bytes: 1000}, func(id int64) error {
		in := filepath.Join(r.dir, strconv.FormatInt(id, 10), job.InputDir)
		return errors.Join(os.MkdirAll(in, 0o755), os.MkdirAll(filepath.Join(filepath.Dir(in), job.OutputDir), 0o755),
			os.WriteFile(filepath.Join(in, "song.mp3"), nil, 0o600))
	})
	require.NoError(r.t, err)
	return m
}

// choose asks for a mix and waits until nothing moves. It returns the song then.
func (r *rig) choose(id int64, mix job.Mix) job.Music {
	require.NoError(r.t, r.music.Choose(r.t.Context(), id, mix))
	return r.now(id)
}

// now is the song once nothing moves.
func (r *rig) now(id int64) job.Music {
	synctest.Wait()
	m, err := r.music.Song(r.t.Context(), id)
	require.NoError(r.t, err)
	return m
}

// holds requires that a file of the song has that content.
func (r *rig) holds(id int64, name, content string) {
	f, err := r.music.Open(r.t.Context(), id, name)
	require.NoError(r.t, err)
	defer f.Close()
	b, err := os.ReadFile(f.Name())
	require.NoError(r.t, err)
	require.Equal(r.t, content, string(b))
}
