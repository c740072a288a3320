package store_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
	"spillway/server/store"
)

func finishesOnce(t *testing.T, s keeper) {
	before := submit(t, s, "a", 3)
	finish(t, s, done("a", 1, 1))
	require.ErrorIs(t, s.Finish(t.Context(), done("a", 1, 1)), store.ErrStale)
	require.ErrorIs(t, s.Finish(t.Context(), broken("a", 1, 1, 2)), store.ErrStale, "whatever the outcome")
	quarantined := broken("a", 1, 2, 3)
	quarantined.State = job.TaskQuarantined
	finish(t, s, quarantined)
	j := reread(t, s, "a")
	require.Greater(t, j.Version, before.Version)
	require.Equal(t, []int64{1, 0, 1}, []int64{j.Done, j.Failed, j.Quarantined})
	require.Equal(t, []int64{0}, pending(t, s, "a"))
}

func finishesOnceAtOnce(t *testing.T, s keeper) {
	const tasks, callers = 300, 8
	submit(t, s, "a", tasks)
	submit(t, s, "b", tasks)
	var kept, stale atomic.Int64
	var all sync.WaitGroup
	for range callers {
		for i := range int64(tasks) {
			all.Go(func() {
				id := job.ID("a")
				if i%2 == 0 {
					id = "b"
				}
				switch err := s.Finish(t.Context(), done(id, 1, i)); {
				case err == nil:
					kept.Add(1)
				case errors.Is(err, store.ErrStale):
					stale.Add(1)
				default:
					t.Error(err)
				}
			})
		}
	}
	all.Wait()
	require.EqualValues(t, tasks, kept.Load())
	require.EqualValues(t, tasks*(callers-1), stale.Load())
	require.EqualValues(t, tasks/2, reread(t, s, "a").Done)
	require.EqualValues(t, tasks/2, reread(t, s, "b").Done)
}

func refusesNonsense(t *testing.T, s keeper) {
	submit(t, s, "a", 1)
	for name, o := range map[string]store.Outcome{
		"no such task":    done("a", 1, 1),
		"below the first": done("a", 1, -1),
		"still pending":   {Job: "a", Epoch: 1, State: job.TaskPending},
		"no state":        {Job: "a", Epoch: 1},
	} {
		require.Equal(t, job.InvalidArgument, job.CodeOf(s.Finish(t.Context(), o)), name)
	}
	require.ErrorIs(t, s.Finish(t.Context(), done("none", 1, 0)), store.ErrStale)
	require.Equal(t, job.InvalidArgument, job.CodeOf(s.End(t.Context(), store.Ending{Job: "a", Epoch: 1, State: job.Running})))
	require.Equal(t, job.NotFound, job.CodeOf(s.End(t.Context(), store.Ending{Job: "none", Epoch: 1, State: job.Failed})))
	require.EqualValues(t, 1, reread(t, s, "a").Version)
}

func tellsFailures(t *testing.T, s keeper) {
	const n = job.MaxFailures + 500
	submit(t, s, "a", n+1)
	var all sync.WaitGroup
	for i := range int64(n) {
		all.Go(func() {
			o := broken("a", 1, i+1, 2)
			if i == 0 {
				o.State = job.TaskQuarantined
			}
			if err := s.Finish(t.Context(), o); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	finish(t, s, done("a", 1, 0))
	j := reread(t, s, "a")
	require.EqualValues(t, n-1, j.Failed)
	require.EqualValues(t, 1, j.Quarantined)
	require.Len(t, j.Failures, job.MaxFailures)
	require.Equal(t, job.Failure{
		Name: "image_0000001.jpg", Attempts: 2, Nodes: []job.NodeID{"node_0", "node_1"}, Quarantined: true,
		Err: job.E(job.DataLoss, "read x.jpg", errors.New("it is damaged"), "look at it"),
	}, j.Failures[0])
	require.False(t, j.Failures[1].Quarantined)
}

func addsNotes(t *testing.T, s keeper) {
	submit(t, s, "a", 2)
	lost := job.Attempt{Number: 2, Node: "node_1", Sent: noon(), Took: time.Second, Err: job.E(job.Unavailable, "send", errors.New("gone"), "")}
	for range 3 {
		s.Note(store.Interim{Job: "a", Epoch: 1, Tally: job.Tally{Node: "node_1", Rejected: 2, Busy: time.Second}})
	}
	s.Note(store.Interim{Job: "a", Epoch: 1, Tally: job.Tally{Node: "node_0", Done: 1, Delayed: 1, Failed: 1}})
	s.Note(store.Interim{Job: "a", Epoch: 1, Index: 1, Attempt: lost})
	s.Note(store.Interim{Job: "a", Epoch: 7, Index: 1, Attempt: lost, Tally: job.Tally{Node: "node_9", Done: 1}})
	s.Note(store.Interim{Job: "none", Epoch: 1, Tally: job.Tally{Node: "node_9", Done: 1}})
	s.Note(store.Interim{Job: "a", Epoch: 1})
	require.Eventually(t, func() bool { return len(reread(t, s, "a").Nodes) == 2 }, 10*time.Second, time.Millisecond,
		"they leave without a Finish")
	require.Equal(t, []job.Tally{
		{Node: "node_0", Done: 1, Delayed: 1, Failed: 1},
		{Node: "node_1", Rejected: 6, Busy: 3 * time.Second},
	}, reread(t, s, "a").Nodes)

	inputs, err := s.Pending(t.Context(), "a", -1, 10)
	require.NoError(t, err)
	require.Equal(t, []store.Input{
		{Index: 0, Name: "image_0000000.jpg"},
		{Index: 1, Name: "image_0000001.jpg", Attempts: 1, Tried: []job.Attempt{lost}, Number: 2},
	}, inputs)
}

func endsLast(t *testing.T, s keeper) {
	const n = 200
	submit(t, s, "a", n)
	var all sync.WaitGroup
	for i := range int64(n) {
		all.Go(func() {
			if err := s.Finish(t.Context(), done("a", 1, i)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	s.Note(store.Interim{Job: "a", Epoch: 1, Tally: job.Tally{Node: "node_1", Rejected: 1}})
	end(t, s, "a", 1, job.Succeeded, noon())
	j := reread(t, s, "a")
	require.EqualValues(t, n, j.Done)
	require.Equal(t, []job.Tally{{Node: "node_0", Done: n, Busy: n * 2 * time.Millisecond}, {Node: "node_1", Rejected: 1}}, j.Nodes)

	s.Note(store.Interim{Job: "a", Epoch: 1, Tally: job.Tally{Node: "node_1", Rejected: 1}})
	require.ErrorIs(t, s.Finish(t.Context(), done("a", 1, 0)), store.ErrStale)
	require.ErrorIs(t, s.End(t.Context(), store.Ending{Job: "a", Epoch: 1, State: job.Failed}), store.ErrStale)
	require.Equal(t, j, reread(t, s, "a"), "an ended job never changes")
}
