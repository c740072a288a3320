package store_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
	"spillway/server/store"
)

// writes is a job that does op to the pictures of a folder.
func writes(id job.ID, base, op string) store.Submission {
	return store.Submission{
		Spec: job.Spec{ID: id, Source: "data", Operation: job.Operation{Name: op}}, Base: base,
		Owner: "me", Lease: time.Hour, Created: noon(), Inputs: numbered(3),
	}
}

func refusesCollisions(t *testing.T, s keeper) {
	first := writes("first", "/d\xff", "edges")
	first.Owner = "you"
	for _, sub := range []store.Submission{
		first, writes("same", "/d\xff", "edges"), writes("beside", "/d", "blur"), writes("none", "/d\xff", job.NoOperation),
	} {
		_, created, err := s.Submit(t.Context(), sub)
		require.NoError(t, err)
		require.True(t, created, sub.Spec.ID)
	}
	other := writes("other", "/d\xff", "blur")
	_, created, err := s.Submit(t.Context(), other)
	require.False(t, created)
	require.Equal(t, job.FailedPrecondition, job.CodeOf(err))
	require.ErrorContains(t, err, "job first has not ended, and writes edges into the same output_dir")
	require.Equal(t, "wait for it, or end it with: client cancel first", job.HintOf(err))
	_, err = s.Job(t.Context(), "other")
	require.Equal(t, job.NotFound, job.CodeOf(err), "nothing of it is kept")

	end(t, s, "first", 1, job.Cancelled, noon())
	end(t, s, "same", 1, job.Cancelled, noon())
	_, created, err = s.Submit(t.Context(), other)
	require.NoError(t, err)
	require.True(t, created)
	before := reread(t, s, "first")
	_, err = s.Retry(t.Context(), store.Again{Job: "first", At: noon()})
	require.Equal(t, job.FailedPrecondition, job.CodeOf(err))
	require.ErrorContains(t, err, "job other has not ended, and writes blur")
	require.Equal(t, before, reread(t, s, "first"))
	_, created, err = s.Submit(t.Context(), first)
	require.NoError(t, err, "a repeat is no new job")
	require.False(t, created)
	end(t, s, "other", 1, job.Cancelled, noon())
	_, err = s.Retry(t.Context(), store.Again{Job: "first", At: noon()})
	require.NoError(t, err)
	_, err = s.Retry(t.Context(), store.Again{Job: "other", At: noon()})
	require.ErrorContains(t, err, "job first has not ended, and writes edges")
}

func refusesCollisionsAtOnce(t *testing.T, s keeper) {
	const clients = 6
	for round := range 5 {
		base := fmt.Sprint("/folder", round)
		var callers sync.WaitGroup
		made := make([]bool, clients)
		for i := range clients {
			callers.Go(func() {
				sub := writes(job.ID(fmt.Sprintf("j%d-%d", round, i)), base, fmt.Sprint("op", i))
				_, created, err := s.Submit(t.Context(), sub)
				made[i] = created
				if err != nil && job.CodeOf(err) != job.FailedPrecondition {
					t.Error(err)
				}
			})
		}
		callers.Wait()
		kept := 0
		for _, created := range made {
			if created {
				kept++
			}
		}
		require.Equal(t, 1, kept)
	}
}
