package store

import (
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
)

// witness is an observer that remembers.
type witness struct {
	mu     sync.Mutex
	steps  map[string]int
	failed map[string]int
	groups []int
}

func (w *witness) Transacted(step string, _ time.Duration, failed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.steps[step]++
	if failed {
		w.failed[step]++
	}
}

func (w *witness) Grouped(ends int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.groups = append(w.groups, ends)
}

func TestObserver_HearsOfTransactionsAndGroups(t *testing.T) {
	w := &witness{steps: map[string]int{}, failed: map[string]int{}}
	s, err := OpenSQLite(t.Context(), t.TempDir(), Config{Observer: w})
	require.NoError(t, err)
	require.Empty(t, w.steps, "of opening it hears nothing, whose step names a file")
	sub := Submission{
		Spec: job.Spec{ID: "a", Source: "data"}, Owner: "me", Lease: time.Hour, Created: time.Now(), Inputs: names(5),
	}
	_, _, err = s.Submit(t.Context(), sub)
	require.NoError(t, err)
	require.Zero(t, s.Unkept())
	for i := range int64(5) {
		require.NoError(t, s.Finish(t.Context(), Outcome{Job: "a", Epoch: 1, Index: i, State: job.TaskDone}))
	}
	require.ErrorIs(t, s.Finish(t.Context(), Outcome{Job: "a", Epoch: 1, Index: 4, State: job.TaskDone}), ErrStale)
	_, err = s.Job(t.Context(), "nobody")
	require.Equal(t, job.NotFound, job.CodeOf(err))
	require.Equal(t, []int{1, 1, 1, 1, 1, 1}, w.groups)
	require.Empty(t, w.failed, "an answer is no failure")
	require.GreaterOrEqual(t, w.steps["keep results"], 6)
	require.Positive(t, w.steps["read job"])
	before := w.steps["keep results"]
	s.Note(Interim{Job: "a", Epoch: 1, Tally: job.Tally{Node: "node_0", Rejected: 1}})
	require.NoError(t, s.Close())
	require.Equal(t, before+1, w.steps["keep results"])
	require.Len(t, w.groups, 6, "notes alone are no group")
	_, err = s.Job(t.Context(), "a")
	require.Equal(t, job.Unavailable, job.CodeOf(err))
	require.Equal(t, map[string]int{"read job": 1}, maps.Clone(w.failed))
}

func TestUnkept_CountsWhatWaitsForTheNextCommit(t *testing.T) {
	s := &SQL{}
	require.Zero(t, s.Unkept())
	s.queue.next = &group{outcomes: make([]outcome, 2), ends: make([]ending, 1)}
	require.Equal(t, 3, s.Unkept())
}
