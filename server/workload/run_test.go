package workload_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
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

// service does jobs at once: an image that says "broken" fails, others are copied.
type service struct {
	job.Service
	mu    sync.Mutex
	specs map[job.ID]job.Spec
	names map[job.ID][]string
	calls int // submissions of a new job
}

func (s *service) Submit(_ context.Context, spec job.Spec) (job.ID, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
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
	s.mu.Lock()
	defer s.mu.Unlock()
	events := make(chan job.Event, 1)
	events <- job.Event{Job: job.Job{ID: id, State: job.Failed}}
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
		t := job.TaskInfo{Index: int64(n), Name: name, State: job.TaskDone}
		bytes, err := os.ReadFile(filepath.Join(base, job.InputDir, name))
		if err != nil {
			return nil, err
		}
		if strings.Contains(string(bytes), "broken") {
			t.State = job.TaskFailed
			t.Attempts = []job.Attempt{{Err: job.E(job.DataLoss, "read", errors.New("it is damaged"), "send it whole")}}
		} else if err := errors.Join(os.MkdirAll(filepath.Join(base, job.OutputDir), 0o755), os.WriteFile(filepath.Join(base, job.OutputDir, name), bytes, 0o600)); err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	return all, nil
}

func (s *service) Cancel(context.Context, job.ID) error { return nil }

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
					_, err := w.Upload(ctx, l.ID, strings.NewReader(body))
					require.NoError(t, err)
				}
			}
			go func() { _ = w.Run(ctx) }()
			time.Sleep(time.Minute)
			done, err := w.Images(ctx, l.ID, job.ImageDone, -1, 10)
			require.NoError(t, err)
			require.Len(t, done, 2)
			f, err := w.Open(ctx, l.ID, 2, true)
			require.NoError(t, err)
			require.NoError(t, f.Close())
			_, err = w.Open(ctx, l.ID, 1, true)
			require.ErrorContains(t, err, "it is damaged")
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

func TestUpload_WhatIsNoPictureLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	w, err := workload.New(workload.Config{Dir: dir}, newService(), store.NewMemory(), slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	l, err := w.Create(t.Context(), "a", job.Operation{Name: "blur"})
	require.NoError(t, err)
	_, err = w.Upload(t.Context(), l.ID, strings.NewReader("<html>"))
	require.Equal(t, job.InvalidArgument, job.CodeOf(err))
	_, err = w.Upload(t.Context(), 9, strings.NewReader(jpeg))
	require.Equal(t, job.NotFound, job.CodeOf(err))
	for _, name := range []string{"", "..", "a/b", "../x", ".batches", "a\x00"} {
		_, err := w.Create(t.Context(), name, job.Operation{Name: "blur"})
		require.Equal(t, job.InvalidArgument, job.CodeOf(err), "%q", name)
	}
	left, err := os.ReadDir(filepath.Join(dir, ".uploads"))
	require.NoError(t, err)
	require.Empty(t, left)
	require.NoError(t, w.Delete(t.Context(), l.ID))
}
