package store_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
	"spillway/server/store"
)

func retries(t *testing.T, s keeper) {
	_, _, err := s.Submit(t.Context(), store.Submission{
		Spec:  job.Spec{ID: "a", Source: "data", Deadline: time.Minute},
		Owner: "me", Lease: time.Hour, Created: noon(), Inputs: numbered(4),
	})
	require.NoError(t, err)
	lost := job.Attempt{Number: 1, Node: "node_1", Sent: noon(), Err: job.E(job.Unavailable, "send", errors.New("gone"), "")}
	s.Note(store.Interim{Job: "a", Epoch: 1, Index: 1, Attempt: lost})
	quarantined := broken("a", 1, 2, 3)
	quarantined.State = job.TaskQuarantined
	s.Note(store.Interim{Job: "a", Epoch: 1, Index: 2, Attempt: quarantined.Last})
	finish(t, s, done("a", 1, 0), broken("a", 1, 1, 2), quarantined)
	tasks, err := s.Tasks(t.Context(), "a", job.TaskFilter{After: 1, Limit: 1})
	require.NoError(t, err)
	require.Equal(t, []job.Attempt{quarantined.Last}, tasks[0].Attempts, "that it was noted does not make it two")
	require.NoError(t, s.AskCancel(t.Context(), "a"))
	end(t, s, "a", 1, job.Cancelled, noon())
	before := reread(t, s, "a")

	j, err := s.Retry(t.Context(), store.Again{Job: "a", At: noon().Add(time.Hour)})
	require.NoError(t, err)
	require.Greater(t, j.Version, before.Version)
	require.Equal(t, store.Job{
		Job: job.Job{
			ID: "a", Spec: before.Spec, State: job.Queued, Version: j.Version, Created: noon(), Total: 4, Counted: true, Done: 1,
			Nodes: []job.Tally{{Node: "node_0", Done: 1, Busy: 2 * time.Millisecond}},
		},
		Asked: before.Asked, Epoch: 2, Seq: before.Seq, Deadline: noon().Add(time.Hour + time.Minute),
	}, j)
	inputs, err := s.Pending(t.Context(), "a", -1, 10)
	require.NoError(t, err)
	require.Equal(t, []store.Input{
		{Index: 1, Name: "image_0000001.jpg", Number: 2},
		{Index: 2, Name: "image_0000002.jpg", Number: 3},
		{Index: 3, Name: "image_0000003.jpg"},
	}, inputs, "they start anew, and their numbers go on")

	claimed, err := s.Claim(t.Context(), "you", time.Hour)
	require.NoError(t, err)
	require.EqualValues(t, 3, claimed[0].Epoch)
	require.False(t, claimed[0].CancelAsked)
	require.ErrorIs(t, s.Finish(t.Context(), done("a", 1, 1)), store.ErrStale)
	again := done("a", 3, 1)
	again.Last.Number = 3
	finish(t, s, again)
	tasks, err = s.Tasks(t.Context(), "a", job.TaskFilter{After: 0, Limit: 2})
	require.NoError(t, err)
	require.Equal(t, []job.TaskInfo{
		{Index: 1, Name: "image_0000001.jpg", State: job.TaskDone, Attempts: []job.Attempt{lost, broken("a", 1, 1, 2).Last, again.Last}},
		{Index: 2, Name: "image_0000002.jpg", State: job.TaskPending, Attempts: []job.Attempt{quarantined.Last}},
	}, tasks)
	finish(t, s, done("a", 3, 2), done("a", 3, 3))
	end(t, s, "a", 3, job.Succeeded, noon())
	require.EqualValues(t, 4, reread(t, s, "a").Done)
}

func refusesRetries(t *testing.T, s keeper) {
	submit(t, s, "a", 1)
	_, err := s.Retry(t.Context(), store.Again{Job: "a", At: noon()})
	require.Equal(t, job.FailedPrecondition, job.CodeOf(err), "it has not ended")
	finish(t, s, done("a", 1, 0))
	end(t, s, "a", 1, job.Succeeded, noon())
	before := reread(t, s, "a")
	_, err = s.Retry(t.Context(), store.Again{Job: "a", At: noon()})
	require.Equal(t, job.FailedPrecondition, job.CodeOf(err), "nothing failed")
	_, err = s.Retry(t.Context(), store.Again{Job: "none", At: noon()})
	require.Equal(t, job.NotFound, job.CodeOf(err))
	require.Equal(t, before, reread(t, s, "a"))
}

func listsJobs(t *testing.T, s keeper) {
	for _, id := range []job.ID{"a", "b", "c", "d"} {
		submit(t, s, id, 1)
	}
	s.Note(store.Interim{Job: "c", Epoch: 1, Tally: job.Tally{Node: "node_0", Done: 1}})
	finish(t, s, done("c", 1, 0))
	end(t, s, "c", 1, job.Succeeded, noon())
	require.NoError(t, s.Start(t.Context(), "a", 1, noon()))
	rows := []struct {
		name   string
		filter job.Filter
		want   []job.ID
	}{
		{"all", job.Filter{}, []job.ID{"d", "c", "b", "a"}},
		{"the newest two", job.Filter{Limit: 2}, []job.ID{"d", "c"}},
		{"the next two", job.Filter{Limit: 2, After: "c"}, []job.ID{"b", "a"}},
		{"after the last", job.Filter{After: "a"}, []job.ID{}},
		{"the oldest", job.Filter{OldestFirst: true, Limit: 2}, []job.ID{"a", "b"}},
		{"the next oldest", job.Filter{OldestFirst: true, After: "b"}, []job.ID{"c", "d"}},
		{"one state", job.Filter{States: []job.State{job.Queued}}, []job.ID{"d", "b"}},
		{"two states", job.Filter{States: []job.State{job.Running, job.Succeeded}, After: "d"}, []job.ID{"c", "a"}},
		{"no such state", job.Filter{States: []job.State{"'\x00"}}, []job.ID{}},
	}
	for _, row := range rows {
		found, err := s.Jobs(t.Context(), row.filter)
		require.NoError(t, err, row.name)
		require.Equal(t, row.want, ids(found), row.name)
	}
	found, err := s.Jobs(t.Context(), job.Filter{After: "d"})
	require.NoError(t, err)
	require.Equal(t, reread(t, s, "c"), found[0])
	_, err = s.Jobs(t.Context(), job.Filter{After: "none"})
	require.Equal(t, job.NotFound, job.CodeOf(err))
}

func listsTasks(t *testing.T, s keeper) {
	const n = 2500
	submit(t, s, "a", n)
	quarantined := broken("a", 1, 1500, 3)
	quarantined.State = job.TaskQuarantined
	finish(t, s, done("a", 1, 0), broken("a", 1, 2, 1), quarantined, done("a", 1, n-1))
	rows := []struct {
		name   string
		filter job.TaskFilter
		want   []int64
	}{
		{"all", job.TaskFilter{After: -1, Limit: 4}, []int64{0, 1, 2, 3}},
		{"done", job.TaskFilter{After: -1, States: []job.TaskState{job.TaskDone}}, []int64{0, n - 1}},
		{"done, next page", job.TaskFilter{After: 0, States: []job.TaskState{job.TaskDone}}, []int64{n - 1}},
		{"undone", job.TaskFilter{After: -1, States: []job.TaskState{job.TaskFailed, job.TaskQuarantined}}, []int64{2, 1500}},
		{"undone, one", job.TaskFilter{After: -1, Limit: 1, States: []job.TaskState{job.TaskFailed, job.TaskQuarantined}}, []int64{2}},
		{"pending", job.TaskFilter{After: 0, Limit: 2, States: []job.TaskState{job.TaskPending}}, []int64{1, 3}},
		{"pending and quarantined", job.TaskFilter{After: 1498, Limit: 2, States: []job.TaskState{job.TaskPending, job.TaskQuarantined}}, []int64{1499, 1500}},
		{"pending, last page", job.TaskFilter{After: n - 3, States: []job.TaskState{job.TaskPending}}, []int64{n - 2}},
		{"running", job.TaskFilter{After: -1, States: []job.TaskState{job.TaskRunning}}, []int64{}},
		{"after the last", job.TaskFilter{After: n}, []int64{}},
	}
	for _, row := range rows {
		tasks, err := s.Tasks(t.Context(), "a", row.filter)
		require.NoError(t, err, row.name)
		got := []int64{}
		for _, task := range tasks {
			got = append(got, task.Index)
		}
		require.Equal(t, row.want, got, row.name)
	}
	tasks, err := s.Tasks(t.Context(), "a", job.TaskFilter{After: 1499, Limit: 1})
	require.NoError(t, err)
	require.Equal(t, []job.TaskInfo{
		{Index: 1500, Name: "image_0001500.jpg", State: job.TaskQuarantined, Attempts: []job.Attempt{quarantined.Last}},
	}, tasks)
	tasks, err = s.Tasks(t.Context(), "a", job.TaskFilter{After: -1})
	require.NoError(t, err)
	require.Len(t, tasks, 100, "the default")
	_, err = s.Tasks(t.Context(), "none", job.TaskFilter{})
	require.Equal(t, job.NotFound, job.CodeOf(err))
}

func expires(t *testing.T, s keeper) {
	submit(t, s, "old", 1500)
	submit(t, s, "new", 1)
	submit(t, s, "runs", 1)
	for id, keep := range map[job.ID]time.Duration{"dear": 48 * time.Hour, "forever": 1<<63 - 1, "brief": time.Second} {
		_, _, err := s.Submit(t.Context(), store.Submission{
			Spec: job.Spec{ID: id, Source: "data", Keep: keep}, Owner: "me", Created: noon(), Inputs: numbered(1),
		})
		require.NoError(t, err)
		end(t, s, id, 1, job.Cancelled, noon())
	}
	s.Note(store.Interim{Job: "old", Epoch: 1, Attempt: broken("old", 1, 0, 1).Last, Tally: job.Tally{Node: "node_0", Failed: 1}})
	finish(t, s, done("old", 1, 1))
	end(t, s, "old", 1, job.Cancelled, noon())
	end(t, s, "new", 1, job.Cancelled, noon().Add(23*time.Hour))
	n, err := s.Expire(t.Context(), noon().Add(25*time.Hour), 24*time.Hour)
	require.NoError(t, err)
	require.Equal(t, 2, n)
	left, err := s.Jobs(t.Context(), job.Filter{})
	require.NoError(t, err)
	require.ElementsMatch(t, []job.ID{"new", "runs", "dear", "forever"}, ids(left))
	_, err = s.Job(t.Context(), "old")
	require.Equal(t, job.NotFound, job.CodeOf(err))
	n, err = s.Expire(t.Context(), noon().Add(25*time.Hour), 24*time.Hour)
	require.NoError(t, err)
	require.Zero(t, n)

	submit(t, s, "old", 2)
	require.Equal(t, []int64{0, 1}, pending(t, s, "old"), "the id is free, and nothing of the old job is left")
	require.Empty(t, reread(t, s, "old").Nodes)
}

func heedsContext(t *testing.T, s keeper) {
	submit(t, s, "a", 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.Job(ctx, "a")
	require.ErrorIs(t, err, context.Canceled)
	_, err = s.Claim(ctx, "me", time.Hour)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, s.AskCancel(ctx, "a"), context.Canceled)
}

func refusesWhenClosed(t *testing.T, s keeper) {
	submit(t, s, "a", 1)
	require.NoError(t, s.Close())
	require.Equal(t, job.Unavailable, job.CodeOf(s.Finish(t.Context(), done("a", 1, 0))))
	require.Equal(t, job.Unavailable, job.CodeOf(s.End(t.Context(), store.Ending{Job: "a", Epoch: 1, State: job.Failed})))
	s.Note(store.Interim{Job: "a", Epoch: 1, Tally: job.Tally{Node: "node_0", Done: 1}})
	_, err := s.Job(t.Context(), "a")
	require.Equal(t, job.Unavailable, job.CodeOf(err))
	require.Equal(t, job.Unavailable, job.CodeOf(s.AskCancel(t.Context(), "a")))
}
