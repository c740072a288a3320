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

// parted keeps a job of inputs that were split, of which "me" is the owner.
func parted(t *testing.T, s keeper, id job.ID, n int, steps ...job.Step) store.Job {
	listed := false
	inputs := numbered(n)
	j, created, err := s.Submit(t.Context(), store.Submission{
		Spec: job.Spec{ID: id, Source: "data"}, Owner: "me", Lease: time.Hour, Created: noon(),
		Inputs: func(ctx context.Context, yield func(string) bool) error { listed = true; return inputs(ctx, yield) },
		Steps: func() []job.Step {
			require.True(t, listed, "not before the inputs are known")
			return steps
		},
	})
	require.NoError(t, err)
	require.True(t, created)
	return j
}

func splitStep(number int64, name string) job.Step {
	return job.Step{Number: number, Kind: job.SplitStep, At: noon(), Name: name, Parts: 16, Took: 800 * time.Millisecond}
}

func joinStep(number int64, name string) job.Step {
	return job.Step{Number: number, Kind: job.JoinedStep, At: noon(), Name: name, Parts: 16, Took: time.Second, Bytes: 1 << 40}
}

func keepsSteps(t *testing.T, s keeper) {
	first, hostile := splitStep(10, "a.avi"), splitStep(11, "ü\xff\n.avi")
	j := parted(t, s, "a", 2, first, hostile)
	require.Equal(t, []job.Step{first, hostile}, j.Steps, "with the job")
	require.Equal(t, j, reread(t, s, "a"))

	good, bad := joinStep(20, "a.avi"), joinStep(1<<60, hostile.Name)
	bad.Bytes, bad.Err = 0, job.E(job.DataLoss, "join b.avi", errors.New("a frame is missing"), "submit it again")
	require.NoError(t, s.Step(t.Context(), "a", 1, good))
	require.NoError(t, s.Step(t.Context(), "a", 1, good), "told again")
	require.NoError(t, s.Step(t.Context(), "a", 1, bad))
	require.Greater(t, reread(t, s, "a").Version, j.Version, "who watches hears of it")
	require.Equal(t, []job.Step{first, hostile, good, bad}, reread(t, s, "a").Steps)

	require.NoError(t, s.Release(t.Context(), "me"))
	claimed, err := s.Claim(t.Context(), "you", time.Hour)
	require.NoError(t, err)
	require.Equal(t, []job.Step{first, hostile, good, bad}, claimed[0].Steps, "the next server knows them")
	require.ErrorIs(t, s.Step(t.Context(), "a", 1, splitStep(30, "x")), store.ErrStale, "a former owner tells nothing")
	end(t, s, "a", 2, job.Failed, noon())
	require.ErrorIs(t, s.Step(t.Context(), "a", 2, splitStep(30, "x")), store.ErrStale, "it has ended")
	require.Equal(t, job.NotFound, job.CodeOf(s.Step(t.Context(), "none", 1, first)))

	for after, want := range map[int64][]job.Step{-1: {first, hostile}, 10: {hostile, good}, 20: {bad}, 1 << 60: nil} {
		steps, err := s.Steps(t.Context(), "a", after, 2)
		require.NoError(t, err)
		require.Equal(t, want, append([]job.Step(nil), steps...), "after %d", after)
	}
	_, err = s.Steps(t.Context(), "none", -1, 1)
	require.Equal(t, job.NotFound, job.CodeOf(err))

	_, err = s.Expire(t.Context(), noon().Add(time.Hour), time.Minute)
	require.NoError(t, err)
	require.Empty(t, submit(t, s, "a", 1).Steps, "the id is free, and nothing of the old job is left")
}

func boundsSteps(t *testing.T, s keeper) {
	var steps []job.Step
	for i := range int64(3 * job.MaxSteps) {
		steps = append(steps, splitStep(100+i, "a.avi"))
	}
	require.Equal(t, steps[2*job.MaxSteps:], parted(t, s, "a", 1, steps...).Steps, "the latest")
	all, err := s.Steps(t.Context(), "a", -1, len(steps))
	require.NoError(t, err)
	require.Equal(t, steps, all, "and none is lost")
}

func redoesWhatIsAskedFor(t *testing.T, s keeper) {
	submit(t, s, "a", 8)
	delayed := done("a", 1, 2)
	delayed.Last.Delayed, delayed.Last.Node = true, "node_1"
	finish(t, s, done("a", 1, 0), done("a", 1, 1), delayed, broken("a", 1, 3, 2), done("a", 1, 4), done("a", 1, 6), done("a", 1, 7))
	end(t, s, "a", 1, job.Failed, noon())
	before := reread(t, s, "a")

	redo := store.Spans{}.Add(2).Add(3).Add(4).Add(7)
	require.Equal(t, store.Spans{{2, 4}, {7, 7}}, redo)
	j, err := s.Retry(t.Context(), store.Again{Job: "a", At: noon(), Epoch: before.Epoch, Redo: redo})
	require.NoError(t, err)
	require.EqualValues(t, 3, j.Done)
	require.Zero(t, j.Failed)
	require.Equal(t, []int64{2, 3, 4, 5, 7}, pending(t, s, "a"))
	require.Equal(t, []job.Tally{{Node: "node_0", Done: 3, Busy: 6 * time.Millisecond}, {Node: "node_1"}}, j.Nodes,
		"the nodes' rows count what is done, and no task twice")
	inputs, err := s.Pending(t.Context(), "a", 1, 1)
	require.NoError(t, err)
	require.Equal(t, 1, inputs[0].Number, "the numbers of attempts go on")
	require.Zero(t, inputs[0].Attempts)
	tasks, err := s.Tasks(t.Context(), "a", job.TaskFilter{After: 1, Limit: 1})
	require.NoError(t, err)
	require.Equal(t, []job.Attempt{delayed.Last}, tasks[0].Attempts, "what was is on record")

	claimed, err := s.Claim(t.Context(), "me", time.Hour)
	require.NoError(t, err)
	for _, i := range []int64{2, 3, 4, 5, 7} {
		finish(t, s, done("a", claimed[0].Epoch, i))
	}
	end(t, s, "a", claimed[0].Epoch, job.Succeeded, noon())
	require.EqualValues(t, 8, reread(t, s, "a").Done)
	_, err = s.Retry(t.Context(), store.Again{Job: "a", At: noon(), Redo: redo})
	require.Equal(t, job.FailedPrecondition, job.CodeOf(err), "what has succeeded is not done again")
}

func redoesThoughAllIsDone(t *testing.T, s keeper) {
	submit(t, s, "a", 2)
	finish(t, s, done("a", 1, 0), done("a", 1, 1))
	end(t, s, "a", 1, job.Failed, noon())
	before := reread(t, s, "a")
	for why, again := range map[string]store.Again{
		"all is done":           {Job: "a"},
		"no such tasks":         {Job: "a", Redo: store.Spans{{5, 1 << 40}}},
		"somebody was faster":   {Job: "a", Epoch: 7, Redo: store.Spans{{0, 1}}},
		"nothing before a task": {Job: "a", Redo: store.Spans{{-9, -1}}},
	} {
		_, err := s.Retry(t.Context(), again)
		require.Equal(t, job.FailedPrecondition, job.CodeOf(err), why)
		require.Equal(t, before, reread(t, s, "a"), why)
	}
	j, err := s.Retry(t.Context(), store.Again{Job: "a", Epoch: 1, Redo: store.Spans{{0, 1}}})
	require.NoError(t, err)
	require.Zero(t, j.Done)
	require.Equal(t, []int64{0, 1}, pending(t, s, "a"))
}
