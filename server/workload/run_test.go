package workload_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
	"spillway/server/store"
	"spillway/server/workload"
)

// jpeg begins as a picture does.
const jpeg = "\xff\xd8\xff\xe0 a picture"

// service does jobs at once: an image that says "broken" fails, one that says "unasked"
// finds no node until its job is tried for the second time, others are copied.
type service struct {
	job.Service
	mu    sync.Mutex
	specs map[job.ID]job.Spec
	names map[job.ID][]string
	calls int           // submissions of a new job
	hold  chan struct{} // unless nil, jobs end when it is closed
	// submit is the same for the sending off of jobs.
	submit chan struct{}
	refuse error // of Submit

	cancelled []job.ID
	retried   int
}

// Retry implements job.Service.
func (s *service) Retry(context.Context, job.ID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.retried++
	return nil
}

// finds tells that nodes are there, by now.
func (s *service) finds() bool { return s.retried >= 2 }

// stalls tells that a job has an image that finds no node.
func (s *service) stalls(id job.ID) bool {
	return !s.finds() && slices.ContainsFunc(s.names[id], func(name string) bool {
		b, _ := os.ReadFile(filepath.Join(s.specs[id].Source, job.InputDir, name)) // one that is gone asks for none
		return strings.Contains(string(b), "unasked")
	})
}

func (s *service) Submit(_ context.Context, spec job.Spec) (job.ID, error) {
	if s.submit != nil {
		<-s.submit
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refuse != nil {
		return "", s.refuse
	}
	if _, known := s.specs[spec.ID]; known {
		return spec.ID, nil
	}
	entries, err := os.ReadDir(filepath.Join(spec.Source, job.InputDir))
	for _, e := range entries {
		s.names[spec.ID] = append(s.names[spec.ID], e.Name())
	}
	s.specs[spec.ID] = spec
	s.calls++
	return spec.ID, err
}

func (s *service) Watch(_ context.Context, id job.ID, _ int64) (<-chan job.Event, error) {
	if s.hold != nil {
		<-s.hold
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	events := make(chan job.Event, 1)
	e := job.Event{Job: job.Job{ID: id, State: job.Failed}}
	if slices.Contains(s.cancelled, id) {
		e.Job.State = job.Cancelled
	} else if s.stalls(id) {
		e.Job.Err = job.E(job.DeadlineExceeded, "job", errors.New("stalled"), "")
	}
	events <- e
	close(events)
	return events, nil
}

func (s *service) Tasks(_ context.Context, id job.ID, f job.TaskFilter) (all []job.TaskInfo, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	base := s.specs[id].Source
	for n, name := range s.names[id] {
		if int64(n) <= f.After {
			continue
		}
		if slices.Contains(s.cancelled, id) {
			all = append(all, job.TaskInfo{Index: int64(n), Name: name, State: job.TaskPending})
			continue
		}
		t := job.TaskInfo{Index: int64(n), Name: name, State: job.TaskDone}
		bytes, err := os.ReadFile(filepath.Join(base, job.InputDir, name))
		if err != nil {
			return nil, err
		}
		made := name
		if s.specs[id].Operation.Name == "face_mesh" {
			made = "mesh-" + name
		}
		if strings.Contains(string(bytes), "unasked") && !s.finds() {
			t.State = job.TaskFailed
			t.Attempts = []job.Attempt{{Err: job.E(job.DeadlineExceeded, "", errors.New("no node took it"), "")}}
		} else if strings.Contains(string(bytes), "broken") {
			t.State = job.TaskFailed
			t.Attempts = []job.Attempt{{Err: job.E(job.DataLoss, "read", errors.New("it is damaged"), "send it whole")}}
		} else if err := errors.Join(os.MkdirAll(filepath.Join(base, job.OutputDir), 0o755), os.WriteFile(filepath.Join(base, job.OutputDir, made), bytes, 0o600)); err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	return all, nil
}

func (s *service) Cancel(_ context.Context, id job.ID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.specs[id]; !known {
		return job.E(job.NotFound, "job", errors.New("there is none"), "")
	}
	s.cancelled = append(s.cancelled, id)
	return nil
}

// NodesWith has each task on node_1 while hold is set.
func (s *service) NodesWith(job.ID, string) []job.NodeID {
	if s.hold == nil {
		return nil
	}
	return []job.NodeID{"node_1"}
}

// refuseWith is what Submit says from now on.
func (s *service) refuseWith(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse = err
}

func newService() *service {
	return &service{specs: map[job.ID]job.Spec{}, names: map[job.ID][]string{}}
}

func TestRun_ImagesThatComeAreFilteredOnceAcrossARestart(t *testing.T) {
	dir, s, kept := t.TempDir(), newService(), store.NewMemory()
	var l job.Workload
	for round := range 2 {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			w, err := workload.New(workload.Config{Dir: dir}, s, kept, slog.New(slog.DiscardHandler))
			require.NoError(t, err)
			if round == 0 {
				l, err = w.Create(ctx, "a[*", job.Operation{Name: "blur"})
				require.NoError(t, err)
				for _, body := range []string{jpeg, jpeg + " broken", jpeg} {
					upload(t, w, l.ID, body)
				}
			}
			go func() { _ = w.Run(ctx) }()
			time.Sleep(time.Minute)
			done, err := w.Images(ctx, l.ID, job.ImageDone, -1, 10)
			require.NoError(t, err)
			require.Len(t, done, 2)
			f, _, err := w.Open(ctx, l.ID, 2, true)
			require.NoError(t, err)
			require.NoError(t, f.Close())
			_, broken, err := w.Open(ctx, l.ID, 1, true)
			require.Equal(t, job.FailedPrecondition, job.CodeOf(err))
			require.Equal(t, job.DataLoss, broken.Err.Code)
			require.ErrorContains(t, broken.Err, "it is damaged")
			cancel()
			synctest.Wait()
		})
	}
	require.Equal(t, 1, s.calls)
	for _, hidden := range []string{".uploads", ".batches"} {
		left, err := os.ReadDir(filepath.Join(dir, hidden))
		require.NoError(t, err)
		require.Empty(t, left)
	}
}

// upload sends a picture, and gives its image.
func upload(t *testing.T, w *workload.Workloads, to int64, body string) job.Image {
	t.Helper()
	u, err := w.Receive(t.Context(), strings.NewReader(body), int64(len(body)))
	require.NoError(t, err)
	defer w.Drop(u)
	i, err := w.Keep(t.Context(), to, u)
	require.NoError(t, err)
	return i
}

// open makes the workloads of a folder, and one of them.
func open(t *testing.T, cfg workload.Config, s *service) (*workload.Workloads, job.Workload) {
	t.Helper()
	cfg.NodesWith = s.NodesWith
	w, err := workload.New(cfg, s, store.NewMemory(), slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	return w, create(t, w)
}

func create(t *testing.T, w *workload.Workloads) job.Workload {
	t.Helper()
	l, err := w.Create(t.Context(), "a", job.Operation{Name: "blur"})
	require.NoError(t, err)
	return l
}

// files are all below a folder, without the folders.
func files(t *testing.T, dir string) (all []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			name, _ := filepath.Rel(dir, path)
			all = append(all, name)
		}
		return err
	}))
	return all
}

func TestRun_WhatAMeshIsCalledMakesNoDifference(t *testing.T) {
	dir, s := t.TempDir(), newService()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		w, err := workload.New(workload.Config{Dir: dir}, s, store.NewMemory(), slog.New(slog.DiscardHandler))
		require.NoError(t, err)
		l, err := w.Create(ctx, "faces", job.Operation{Name: "face_mesh"})
		require.NoError(t, err)
		upload(t, w, l.ID, jpeg)
		go func() { _ = w.Run(ctx) }()
		time.Sleep(time.Minute)
		f, i, err := w.Open(ctx, l.ID, 0, true)
		require.NoError(t, err)
		require.Equal(t, "0.jpg", i.Result)
		require.NoError(t, f.Close())
		cancel()
		synctest.Wait()
	})
}

func TestRun_ImagesThatNoNodeTakesWaitForOne(t *testing.T) {
	dir, s := t.TempDir(), newService()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		w, err := workload.New(workload.Config{Dir: dir}, s, store.NewMemory(), slog.New(slog.DiscardHandler))
		require.NoError(t, err)
		l, err := w.Create(ctx, "waits", job.Operation{Name: "blur"})
		require.NoError(t, err)
		upload(t, w, l.ID, jpeg+" unasked")
		upload(t, w, l.ID, jpeg+" broken")
		upload(t, w, l.ID, jpeg)
		go func() { _ = w.Run(ctx) }()
		states := func() (all []job.ImageState) {
			for id := range int64(3) {
				i, err := w.Image(ctx, l.ID, id)
				require.NoError(t, err)
				all = append(all, i.State)
			}
			return all
		}
		time.Sleep(time.Second)
		require.Equal(t, []job.ImageState{job.ImageWorking, job.ImageFailed, job.ImageDone}, states())
		time.Sleep(time.Minute)
		require.Equal(t, []job.ImageState{job.ImageDone, job.ImageFailed, job.ImageDone}, states())
		require.Equal(t, 2, s.retried)
		cancel()
		synctest.Wait()
	})
}

func TestCancel_EndsWhatNoNodeTakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService()
		w, l := open(t, workload.Config{Dir: t.TempDir()}, s)
		upload(t, w, l.ID, jpeg+" unasked")
		go func() { _ = w.Run(t.Context()) }()
		time.Sleep(time.Second)
		require.NoError(t, w.Cancel(t.Context(), l.ID))
		time.Sleep(time.Minute)
		i, err := w.Image(t.Context(), l.ID, 0)
		require.NoError(t, err)
		require.Equal(t, job.CancelledCode, i.Err.Code)
	})
}

func TestDelete_WhatALateJobMadeDoesNotLandInAnothersFolder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, dir := newService(), t.TempDir()
		s.hold = make(chan struct{})
		w, l := open(t, workload.Config{Dir: dir}, s)
		upload(t, w, l.ID, jpeg)
		go func() { _ = w.Run(t.Context()) }()
		time.Sleep(time.Minute) // it is in a job
		require.NoError(t, w.Delete(t.Context(), l.ID))
		require.Len(t, s.cancelled, 1)
		s.cancelled = nil // the job was done a moment before
		other := create(t, w)
		require.Equal(t, l.Dir, other.Dir)
		upload(t, w, other.ID, jpeg)
		require.NoError(t, w.Cancel(t.Context(), other.ID))
		close(s.hold)
		time.Sleep(time.Minute)
		require.Equal(t, []string{"a/original/0.jpg"}, files(t, dir))
	})
}

func TestCancel_EndsWhatWaitsAndWhatIsInAJob(t *testing.T) {
	for name, row := range map[string]struct {
		wait         time.Duration
		hold, submit bool
	}{
		"before it has a job":       {},
		"while the job runs":        {wait: time.Minute, hold: true},
		"while the job is sent off": {wait: time.Minute, submit: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newService()
				if row.hold {
					s.hold = make(chan struct{})
				}
				if row.submit {
					s.submit = make(chan struct{})
				}
				w, l := open(t, workload.Config{Dir: t.TempDir()}, s)
				upload(t, w, l.ID, jpeg)
				if row.wait > 0 {
					go func() { _ = w.Run(t.Context()) }()
					time.Sleep(row.wait)
				}
				require.NoError(t, w.Cancel(t.Context(), l.ID))
				for _, c := range []chan struct{}{s.hold, s.submit} {
					if c != nil {
						close(c)
					}
				}
				time.Sleep(time.Minute)
				requireCancelled(t, w, l)
			})
		})
	}
}

func requireCancelled(t *testing.T, w *workload.Workloads, l job.Workload) {
	t.Helper()
	p, err := w.WorkloadProgress(t.Context(), l.ID)
	require.NoError(t, err)
	require.Zero(t, p)
	i, err := w.Image(t.Context(), l.ID, 0)
	require.NoError(t, err)
	require.Equal(t, job.CancelledCode, i.Err.Code)
}

func TestCancel_EndsWhatHasAJobThatNobodyHasSentOff(t *testing.T) {
	w, l := open(t, workload.Config{Dir: t.TempDir()}, newService())
	i := upload(t, w, l.ID, jpeg)
	i.State, i.Job = job.ImageWorking, "soon"
	require.NoError(t, w.SetImages(t.Context(), i))
	require.NoError(t, w.Cancel(t.Context(), l.ID))
	requireCancelled(t, w, l)
}
