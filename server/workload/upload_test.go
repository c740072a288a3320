package workload_test

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"spillway/job"
	"spillway/server/workload"
)

func TestReceive_WhatIsNoPictureOrHasNoPlaceLeavesNothing(t *testing.T) {
	dir, free := t.TempDir(), int64(1<<30)
	w, l := open(t, workload.Config{Dir: dir, Quota: 45, Images: 2, Workloads: 1, Free: func() (int64, error) { return free, nil }}, newService())
	send := func(to int64, body string, size int64) job.Code {
		u, err := w.Receive(t.Context(), strings.NewReader(body), size)
		if err == nil {
			_, err = w.Keep(t.Context(), to, u)
		}
		w.Drop(u)
		if err == nil {
			return ""
		}
		return job.CodeOf(err)
	}
	size := int64(len(jpeg))
	require.Equal(t, job.InvalidArgument, send(l.ID, "<html>", 6))
	for range 9 { // the room is given back
		require.Equal(t, job.NotFound, send(9, jpeg, size))
	}
	require.Equal(t, job.ResourceExhausted, send(l.ID, jpeg, 46), "the quota")
	require.Equal(t, job.ResourceExhausted, send(l.ID, jpeg, -1), "a length that is not told counts as 1 MiB at first")
	free = 1 << 20
	require.Equal(t, job.ResourceExhausted, send(l.ID, jpeg, size), "the disk")
	free = 1 << 30
	require.Empty(t, files(t, dir))
	require.Empty(t, send(l.ID, jpeg, size))
	require.Empty(t, send(l.ID, jpeg, size))
	require.Equal(t, job.ResourceExhausted, send(l.ID, jpeg, size), "more images than may be")
	_, err := w.Create(t.Context(), "b", job.Operation{Name: "blur"})
	require.Equal(t, job.ResourceExhausted, job.CodeOf(err))
	for _, name := range []string{"", "..", "a/b", "../x", ".batches", "a\x00"} {
		_, err := w.Create(t.Context(), name, job.Operation{Name: "blur"})
		require.Equal(t, job.InvalidArgument, job.CodeOf(err), "%q", name)
	}
	require.NoError(t, w.Delete(t.Context(), l.ID))
	require.Empty(t, files(t, dir))
	l = create(t, w)
	for range 2 { // the room is given back
		require.Empty(t, send(l.ID, jpeg, size))
	}
}

func TestKeep_ManyAtOnceGetEachAnIDOfTheirOwn(t *testing.T) {
	w, l := open(t, workload.Config{Dir: t.TempDir()}, newService())
	ids, errs := make([]int64, 50), make([]error, 50)
	var all sync.WaitGroup
	for n := range ids {
		all.Go(func() {
			u, err := w.Receive(t.Context(), strings.NewReader(jpeg), -1)
			if err == nil {
				var i job.Image
				i, err = w.Keep(t.Context(), l.ID, u)
				ids[n] = i.ID
			}
			errs[n] = err
		})
	}
	all.Wait()
	require.NoError(t, errors.Join(errs...))
	slices.Sort(ids)
	for n, id := range ids {
		require.EqualValues(t, n, id)
	}
	waiting, err := w.Images(t.Context(), l.ID, job.ImageWaiting, -1, 100)
	require.NoError(t, err)
	require.Len(t, waiting, 50)
}
