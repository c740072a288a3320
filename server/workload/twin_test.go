package workload_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
	"spillway/server/workload"
)

func TestKeepTwin_OfANodeOnlyWhileItHasTheTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, dir := newService(), t.TempDir()
		w, l := open(t, workload.Config{Dir: dir}, s)
		upload(t, w, l.ID, jpeg)
		twin := func(image int64, by job.NodeID) job.Code {
			u, err := w.Receive(t.Context(), strings.NewReader("\x89PNG\r\n\x1a\n"), -1)
			require.NoError(t, err)
			defer w.Drop(u)
			if _, err = w.KeepTwin(t.Context(), l.ID, &image, u, by); err != nil {
				return job.CodeOf(err)
			}
			return ""
		}
		require.Equal(t, job.PermissionDenied, twin(0, "node_1"), "it waits")
		s.hold = make(chan struct{})
		go func() { _ = w.Run(t.Context()) }()
		time.Sleep(time.Minute)
		require.Equal(t, job.PermissionDenied, twin(0, "node_2"), "another node's")
		require.Equal(t, job.PermissionDenied, twin(1, "node_1"), "no image")
		require.NoError(t, w.Holds(t.Context(), l.ID, 0, "node_1"))
		require.Empty(t, twin(0, "node_1"))
		close(s.hold)
		time.Sleep(time.Minute)
		require.Equal(t, job.PermissionDenied, twin(0, "node_1"), "it is done")
		require.Equal(t, []string{"a/0.png", "a/original/0.jpg"}, files(t, dir), "the twin, and nothing of the job's")
	})
}

func TestKeepTwin_WithoutAnImageGoesToTheFirstThatLacksOne(t *testing.T) {
	w, l := open(t, workload.Config{Dir: t.TempDir()}, newService())
	for range 2 {
		upload(t, w, l.ID, jpeg)
	}
	for _, want := range []int64{0, 1} {
		u, err := w.Receive(t.Context(), strings.NewReader(jpeg), -1)
		require.NoError(t, err)
		i, err := w.KeepTwin(t.Context(), l.ID, nil, u, "")
		require.NoError(t, err)
		require.Equal(t, want, i.ID)
	}
	_, err := w.KeepTwin(t.Context(), l.ID, nil, job.Upload{}, "")
	require.Equal(t, job.FailedPrecondition, job.CodeOf(err))
	p, err := w.WorkloadProgress(t.Context(), l.ID)
	require.NoError(t, err)
	require.Equal(t, job.Progress{Done: []int64{0, 1}}, p)
}
