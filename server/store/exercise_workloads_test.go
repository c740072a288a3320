package store_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"spillway/job"
)

// albums is what a store keeps of workloads.
type albums interface {
	AddWorkload(ctx context.Context, w job.Workload) (job.Workload, error)
	Workload(ctx context.Context, id int64) (job.Workload, error)
	Workloads(ctx context.Context, after int64, most int) ([]job.Workload, error)
	RenameWorkload(ctx context.Context, id int64, name string) error
	RemoveWorkload(ctx context.Context, id int64) error
	OpenWorkloads(ctx context.Context, idle bool, after int64, most int) ([]job.Workload, error)
	WorkloadProgress(ctx context.Context, id int64) (job.Progress, error)
	CountWorkloads(ctx context.Context) (int64, error)
	AddImages(ctx context.Context, workload int64, images ...job.Image) ([]job.Image, error)
	SetImages(ctx context.Context, images ...job.Image) error
	Image(ctx context.Context, workload, id int64) (job.Image, error)
	Images(ctx context.Context, workload int64, state job.ImageState, after int64, most int) ([]job.Image, error)
}

func addWorkload(t *testing.T, s albums, name string) job.Workload {
	w, err := s.AddWorkload(t.Context(), job.Workload{Name: name, Filter: job.Operation{Name: "blur", Params: map[string]string{"kernel": "7"}}, Created: noon()})
	require.NoError(t, err)
	return w
}

func keepsWorkloads(t *testing.T, k keeper) {
	s, ctx := k.(albums), t.Context()
	first, second, other := addWorkload(t, s, "a'b"), addWorkload(t, s, "a'b"), addWorkload(t, s, "c")
	require.Equal(t, "a'b", first.Dir)
	require.Equal(t, "a'b.2", second.Dir, "the first owns the name")
	kept, err := s.Workload(ctx, second.ID)
	require.NoError(t, err)
	require.Equal(t, second, kept)
	page, err := s.Workloads(ctx, first.ID, 1)
	require.NoError(t, err)
	require.Equal(t, []job.Workload{second}, page)

	require.NoError(t, s.RenameWorkload(ctx, other.ID, "d"))
	kept, err = s.Workload(ctx, other.ID)
	require.NoError(t, err)
	require.Equal(t, "d", kept.Name)
	require.NoError(t, s.RemoveWorkload(ctx, other.ID))
	for _, err := range []error{s.RemoveWorkload(ctx, other.ID), s.RenameWorkload(ctx, other.ID, "e")} {
		require.Equal(t, job.NotFound, job.CodeOf(err))
	}
	require.Greater(t, addWorkload(t, s, "c").ID, other.ID, "no id is given twice")
}

func keepsImages(t *testing.T, k keeper) {
	s, ctx := k.(albums), t.Context()
	w := addWorkload(t, s, "a")
	var wg sync.WaitGroup
	errs := make([]error, 2)
	for n := range errs {
		wg.Go(func() {
			i := job.Image{State: job.ImageWaiting, Original: ".jpg", Upload: "u"}
			_, errs[n] = s.AddImages(ctx, w.ID, i, i)
		})
	}
	wg.Wait()
	require.NoError(t, errors.Join(errs...))
	all, err := s.Images(ctx, w.ID, "", -1, 10)
	require.NoError(t, err)
	require.Len(t, all, 4)
	require.Equal(t, job.Image{Workload: w.ID, ID: 3, State: job.ImageWaiting, Original: "3.jpg", Upload: "u"}, all[3], "ids run from 0")

	all[1].State, all[1].Result = job.ImageDone, "1.png"
	all[2].State, all[2].Job, all[2].Err = job.ImageFailed, "x", job.E(job.DataLoss, "", errors.New("damaged"), "look at it")
	require.NoError(t, s.SetImages(ctx, all[1], all[2]))
	for _, want := range all[1:3] {
		kept, err := s.Image(ctx, w.ID, want.ID)
		require.NoError(t, err)
		require.Equal(t, want, kept)
	}
	waiting, err := s.Images(ctx, w.ID, job.ImageWaiting, 0, 10)
	require.NoError(t, err)
	require.Equal(t, all[3:], waiting)

	changed := all[0]
	changed.State = job.ImageDone
	require.Equal(t, job.NotFound, job.CodeOf(s.SetImages(ctx, changed, job.Image{Workload: w.ID, ID: 9})))
	kept, err := s.Image(ctx, w.ID, 0)
	require.NoError(t, err)
	require.Equal(t, all[0], kept, "all or none change")
	require.NoError(t, s.RemoveWorkload(ctx, w.ID))
	_, err = s.Image(ctx, w.ID, 0)
	require.Equal(t, job.NotFound, job.CodeOf(err))
	_, err = s.AddImages(ctx, w.ID, job.Image{})
	require.Equal(t, job.NotFound, job.CodeOf(err))
}

func countsImages(t *testing.T, k keeper) {
	s, ctx := k.(albums), t.Context()
	idle, ended, busy := addWorkload(t, s, "idle"), addWorkload(t, s, "ended"), addWorkload(t, s, "busy")
	n, err := s.CountWorkloads(ctx)
	require.NoError(t, err)
	require.EqualValues(t, 3, n)
	open := func(with bool, after int64, most int) (ids []int64) {
		all, err := s.OpenWorkloads(ctx, with, after, most)
		require.NoError(t, err)
		for _, w := range all {
			ids = append(ids, w.ID)
		}
		return ids
	}
	for id, states := range map[int64][]job.ImageState{
		ended.ID: {job.ImageDone, job.ImageFailed},
		busy.ID:  {job.ImageFailed, job.ImageDone, job.ImageArriving, job.ImageWorking, job.ImageWaiting, job.ImageDone},
	} {
		for _, state := range states {
			_, err := s.AddImages(ctx, id, job.Image{State: state})
			require.NoError(t, err)
		}
	}
	require.Equal(t, []int64{idle.ID, busy.ID}, open(true, 0, 9))
	require.Equal(t, []int64{busy.ID}, open(false, 0, 9))
	require.Equal(t, []int64{idle.ID}, open(true, 0, 1))
	require.Empty(t, open(true, busy.ID, 9))
	p, err := s.WorkloadProgress(ctx, busy.ID)
	require.NoError(t, err)
	require.Equal(t, job.Progress{Open: 3, Working: 1, Done: []int64{1, 5}}, p)
	p, err = s.WorkloadProgress(ctx, idle.ID)
	require.NoError(t, err)
	require.Zero(t, p)
}
