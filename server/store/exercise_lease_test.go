package store_test

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
	"spillway/server/store"
)

func fences(t *testing.T, s keeper) {
	submit(t, s, "a", 3)
	finish(t, s, done("a", 1, 0))
	require.NoError(t, s.Release(t.Context(), "me"))
	finish(t, s, done("a", 1, 1)) // nobody has claimed it yet
	claimed, err := s.Claim(t.Context(), "you", time.Hour)
	require.NoError(t, err)
	require.Len(t, claimed, 1)
	require.Equal(t, reread(t, s, "a"), claimed[0])
	require.EqualValues(t, 2, claimed[0].Epoch)
	require.Equal(t, "you", claimed[0].Owner)

	before := reread(t, s, "a")
	require.ErrorIs(t, s.Finish(t.Context(), done("a", 1, 2)), store.ErrStale)
	require.ErrorIs(t, s.Start(t.Context(), "a", 1, noon()), store.ErrStale)
	require.ErrorIs(t, s.End(t.Context(), store.Ending{Job: "a", Epoch: 1, State: job.Cancelled}), store.ErrStale)
	s.Note(store.Interim{Job: "a", Epoch: 1, Tally: job.Tally{Node: "node_0", Done: 1}})
	lost, cancels, err := s.Renew(t.Context(), "me", time.Hour, map[job.ID]int64{"a": 1, "gone": 1})
	require.NoError(t, err)
	require.Equal(t, []job.ID{"a", "gone"}, lost)
	require.Empty(t, cancels)
	require.NoError(t, s.Release(t.Context(), "me"))
	require.ErrorIs(t, s.Finish(t.Context(), done("a", 1, 2)), store.ErrStale) // takes the note along
	require.Equal(t, before, reread(t, s, "a"))
	finish(t, s, done("a", 2, 2))
}

func leases(t *testing.T, s keeper) {
	_, _, err := s.Submit(t.Context(), store.Submission{
		Spec: job.Spec{ID: "short", Source: "data"}, Owner: "me", Lease: time.Millisecond, Created: noon(), Inputs: numbered(1),
	})
	require.NoError(t, err)
	submit(t, s, "long", 1)
	var claimed []store.Job
	require.Eventually(t, func() bool {
		claimed, err = s.Claim(t.Context(), "you", time.Hour)
		return err != nil || len(claimed) > 0
	}, 10*time.Second, time.Millisecond)
	require.NoError(t, err)
	require.Len(t, claimed, 1)
	require.Equal(t, job.ID("short"), claimed[0].ID)
	none, err := s.Claim(t.Context(), "me", time.Hour)
	require.NoError(t, err)
	require.Empty(t, none, "both are owned")

	lost, _, err := s.Renew(t.Context(), "you", time.Millisecond, map[job.ID]int64{"short": 2})
	require.NoError(t, err)
	require.Empty(t, lost)
	require.Eventually(t, func() bool {
		claimed, err = s.Claim(t.Context(), "me", time.Hour)
		return err != nil || len(claimed) > 0
	}, 10*time.Second, time.Millisecond, "a renewal counts from now")
	require.NoError(t, err)
	require.EqualValues(t, 3, claimed[0].Epoch)

	end(t, s, "short", 3, job.Cancelled, noon())
	lost, _, err = s.Renew(t.Context(), "me", time.Hour, map[job.ID]int64{"short": 3, "long": 1})
	require.NoError(t, err)
	require.Empty(t, lost, "one's own ended job is not lost")
	require.NoError(t, s.Release(t.Context(), "me"))
	claimed, err = s.Claim(t.Context(), "you", time.Hour)
	require.NoError(t, err)
	require.Len(t, claimed, 1, "an ended job is not claimed")
}

// A clock that has gone back leaves leases that lie further ahead than any that is
// given now.
func leasesOfAnotherTime(t *testing.T, s keeper) {
	submit(t, s, "a", 1) // for an hour
	none, err := s.Claim(t.Context(), "you", 40*time.Minute)
	require.NoError(t, err)
	require.Empty(t, none, "it may be the lease of a server that is more patient")
	claimed, err := s.Claim(t.Context(), "you", 20*time.Minute)
	require.NoError(t, err)
	require.Len(t, claimed, 1)
	require.EqualValues(t, 2, claimed[0].Epoch)
	lost, _, err := s.Renew(t.Context(), "me", time.Hour, map[job.ID]int64{"a": 1})
	require.NoError(t, err)
	require.Equal(t, []job.ID{"a"}, lost)
}

func claimsInOrder(t *testing.T, s keeper) {
	for _, row := range []struct {
		id       job.ID
		priority int
	}{{"a", 0}, {"b", job.MinPriority}, {"c", 5}, {"d", 0}, {"e", 5}} {
		j, _, err := s.Submit(t.Context(), store.Submission{
			Spec: job.Spec{ID: row.id, Source: "data", Priority: row.priority}, Created: noon(), Inputs: numbered(1),
		})
		require.NoError(t, err)
		require.Zero(t, j.Epoch, "nobody has it")
		require.Empty(t, j.Owner)
	}
	claimed, err := s.Claim(t.Context(), "me", time.Hour)
	require.NoError(t, err)
	require.Equal(t, []job.ID{"c", "e", "a", "d", "b"}, ids(claimed))
	require.EqualValues(t, 1, claimed[0].Epoch)
}

func queuesWhatItGives(t *testing.T, s keeper) {
	submit(t, s, "a", 1)
	require.NoError(t, s.Start(t.Context(), "a", 1, noon()))
	require.NoError(t, s.Release(t.Context(), "me"))
	claimed, err := s.Claim(t.Context(), "you", time.Hour)
	require.NoError(t, err)
	require.Equal(t, job.Queued, claimed[0].State)
	require.Equal(t, noon(), claimed[0].Started)
	require.Equal(t, claimed[0], reread(t, s, "a"))
	require.NoError(t, s.Start(t.Context(), "a", 2, noon().Add(time.Hour)))
	j := reread(t, s, "a")
	require.Equal(t, job.Running, j.State)
	require.Equal(t, noon(), j.Started, "it began when it was first started")
}

func claimsOnce(t *testing.T, s keeper) {
	const jobs, servers = 20, 4
	for i := range jobs {
		_, _, err := s.Submit(t.Context(), store.Submission{
			Spec: job.Spec{ID: job.ID('a' + rune(i)), Source: "data"}, Created: noon(), Inputs: numbered(1),
		})
		require.NoError(t, err)
	}
	var mu sync.Mutex
	var all []job.ID
	var callers sync.WaitGroup
	for i := range servers {
		callers.Go(func() {
			for range 5 {
				claimed, err := s.Claim(t.Context(), string(rune('a'+i)), time.Hour)
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				all = append(all, ids(claimed)...)
				mu.Unlock()
			}
		})
	}
	callers.Wait()
	rest, err := s.Claim(t.Context(), "last", time.Hour)
	require.NoError(t, err)
	all = append(all, ids(rest)...)
	require.Len(t, all, jobs)
	seen := map[job.ID]bool{}
	for _, id := range all {
		seen[id] = true
	}
	require.Len(t, seen, jobs)
}

func cancels(t *testing.T, s keeper) {
	submit(t, s, "a", 1)
	_, _, err := s.Submit(t.Context(), store.Submission{Spec: job.Spec{ID: "b", Source: "data"}, Created: noon(), Inputs: numbered(1)})
	require.NoError(t, err)
	for _, id := range []job.ID{"a", "b", "a"} {
		require.NoError(t, s.AskCancel(t.Context(), id))
	}
	require.Equal(t, job.NotFound, job.CodeOf(s.AskCancel(t.Context(), "none")))
	_, wanted, err := s.Renew(t.Context(), "me", time.Hour, map[job.ID]int64{"a": 1})
	require.NoError(t, err)
	require.Equal(t, []job.ID{"a"}, wanted)
	claimed, err := s.Claim(t.Context(), "you", time.Hour)
	require.NoError(t, err)
	require.True(t, claimed[0].CancelAsked)
	end(t, s, "a", 1, job.Cancelled, noon())
	before := reread(t, s, "a")
	require.NoError(t, s.AskCancel(t.Context(), "a"))
	require.Equal(t, before, reread(t, s, "a"))
	_, wanted, err = s.Renew(t.Context(), "me", time.Hour, map[job.ID]int64{"a": 1})
	require.NoError(t, err)
	require.Empty(t, wanted, "it has ended")
}

func ids(jobs []store.Job) []job.ID {
	list := make([]job.ID, 0, len(jobs))
	for _, j := range jobs {
		list = append(list, j.ID)
	}
	return list
}
