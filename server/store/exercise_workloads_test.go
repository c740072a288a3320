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
	AddImage(ctx context.Context, i job.Image) (job.Image, error)
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
	errs := make([]error, 4)
	for n := range errs {
		wg.Go(func() {
			_, errs[n] = s.AddImage(ctx, job.Image{Workload: w.ID, State: job.ImageWaiting, Original: ".jpg", Upload: "u"})
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
	_, err = s.AddImage(ctx, job.Image{Workload: w.ID})
	require.Equal(t, job.NotFound, job.CodeOf(err))
}
