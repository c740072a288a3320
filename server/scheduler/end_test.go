package scheduler

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
)

func TestScheduler_DeadlineNamesHowManyAndWhich(t *testing.T) {
	inBubble(t, Config{}, []node{rejects, rejects}, func(t *testing.T, r *rig) {
		j := r.run(7, job.Spec{ID: "j", Deadline: 30 * time.Second})
		require.Equal(t, job.Failed, j.State)
		require.Equal(t, 30*time.Second, j.Finished.Sub(j.Created))
		require.Equal(t, job.DeadlineExceeded, j.Err.Code)
		require.Regexp(t, `^job j: the deadline of 30s passed with 7 of 7 tasks not done: (a\d\.png, ){4}a\d\.png and 2 more; give it more time with --deadline, or more nodes$`, job.Describe(j.Err))
		require.Equal(t, int64(7), j.Failed)
		for _, f := range j.Failures {
			require.Equal(t, job.DeadlineExceeded, f.Err.Code)
			require.EqualError(t, f.Err, "not done before the job's deadline")
		}
	})
}

func TestScheduler_DeadlineCountsOnlyWhatIsNotDone(t *testing.T) {
	inBubble(t, Config{Window: 2}, []node{takes(time.Second)}, func(t *testing.T, r *rig) {
		j := r.run(10, job.Spec{ID: "j", Deadline: 2500 * time.Millisecond})
		require.Equal(t, []int64{4, 6, 10}, []int64{j.Done, j.Failed, j.Total})
		require.Regexp(t, `6 of 10 tasks not done: (a\d\.png, ){4}a\d\.png and 1 more$`, j.Err.Error())
		require.Equal(t, []job.Tally{{Node: "node_0", Done: 4, Busy: 4 * time.Second}}, j.Nodes, "an attempt that nobody waits for is no failure of the node")
	})
}

func TestScheduler_DeadlineBoundsTheListingToo(t *testing.T) {
	inBubble(t, Config{}, []node{good}, func(t *testing.T, r *rig) {
		r.folders["/slow"] = func() *folder { return &folder{base: "/slow", n: 3, breaksAt: -1, counting: time.Hour} }
		start := time.Now()
		_, err := r.Submit(t.Context(), job.Spec{ID: "j", Source: "/slow", Deadline: time.Second})
		require.Equal(t, "submit: the deadline of 1s passed while the folder was listed; give it more time with --deadline", job.Describe(err))
		require.Equal(t, job.DeadlineExceeded, job.CodeOf(err))
		require.Equal(t, time.Second, time.Since(start))
		require.Empty(t, r.ids(job.Filter{}))
	})
}

func TestScheduler_WithoutADeadlineTheStallTimeoutEndsTheJob(t *testing.T) {
	rows := []struct {
		name  string
		nodes []node
		up    bool
		why   string
	}{
		{"every node rejects", []node{rejects, rejects}, true, "every node rejects"},
		{"no node answers", []node{good, good}, false, "no node answers"},
		{"every node refuses", []node{refuses, refuses}, true, "no node could do it yet (connection refused: not sent)"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			inBubble(t, Config{}, row.nodes, func(t *testing.T, r *rig) {
				r.set(0, row.up)
				r.set(1, row.up)
				j := r.run(2, job.Spec{ID: "j"})
				require.Equal(t, job.Failed, j.State)
				require.Equal(t, job.DeadlineExceeded, j.Err.Code)
				require.Contains(t, []string{
					"job j: " + row.why + ", with 2 of 2 tasks not done: a0.png, a1.png; look at the nodes with: client nodes",
					"job j: " + row.why + ", with 2 of 2 tasks not done: a1.png, a0.png; look at the nodes with: client nodes",
				}, job.Describe(j.Err))
				require.InDelta(t, time.Minute, j.Finished.Sub(j.Created), float64(6*time.Second))
			})
		})
	}
}

func TestScheduler_SlowWorkIsNoStall(t *testing.T) {
	rows := []struct {
		name  string
		nodes []node
	}{
		{"a task that takes ten minutes, and one that everyone else rejects", []node{takes(10 * time.Minute), rejects}},
		{"a node that takes it just before the stall", []node{answersAfter(59500*time.Millisecond, 5*time.Second)}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			inBubble(t, Config{}, row.nodes, func(t *testing.T, r *rig) {
				require.Equal(t, job.Succeeded, r.run(2, job.Spec{}).State)
			})
		})
	}
}

// answersAfter rejects for a time that begins with the bubble, and then works.
func answersAfter(rejecting, working time.Duration) node {
	epoch := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) // where every bubble begins
	return func(ctx context.Context, t job.Task) (job.Result, error) {
		if time.Since(epoch) < rejecting {
			return rejects(ctx, t)
		}
		return takes(working)(ctx, t)
	}
}

func TestScheduler_AJobThatWaitedForTheWindowIsNotStalled(t *testing.T) {
	inBubble(t, Config{Window: 1}, []node{takes(5 * time.Minute)}, func(t *testing.T, r *rig) {
		r.folder("/data", 1)
		first := r.submit(job.Spec{Source: "/data"})
		time.Sleep(time.Millisecond)
		second := r.submit(job.Spec{Source: "/data"})
		require.Equal(t, job.Succeeded, r.wait(second).State)
		require.Equal(t, job.Succeeded, r.wait(first).State)
	})
}

func TestScheduler_NegativeStallWaitsForEver(t *testing.T) {
	inBubble(t, Config{Stall: -1}, []node{rejects}, func(t *testing.T, r *rig) {
		r.folder("/data", 1)
		id := r.submit(job.Spec{Source: "/data"})
		time.Sleep(2 * time.Hour)
		require.Equal(t, job.Running, r.now(id).State)
		require.NoError(t, r.Cancel(t.Context(), id))
		r.wait(id)
	})
}

func TestScheduler_CancelSendsNothingMoreAndStopsWhatRuns(t *testing.T) {
	inBubble(t, Config{Window: 3}, []node{hangs, hangs}, func(t *testing.T, r *rig) {
		r.folder("/data", 10)
		id := r.submit(job.Spec{ID: "j", Source: "/data"})
		synctest.Wait()
		require.Len(t, r.fleet.sent(), 3)
		require.NoError(t, r.Cancel(t.Context(), id))
		synctest.Wait()
		j := r.now(id)
		require.Equal(t, job.Cancelled, j.State)
		require.Equal(t, job.CancelledCode, j.Err.Code)
		require.Contains(t, j.Err.Error(), "job j: cancelled with 0 of 10 tasks done")
		require.Equal(t, []int64{0, 0, 10}, []int64{j.Done, j.Failed, j.Total})
		require.Zero(t, r.fleet.out, "running attempts were told to stop")
		require.Empty(t, j.Nodes, "a cancelled attempt says nothing of the node")

		time.Sleep(time.Hour)
		require.Len(t, r.fleet.sent(), 3, "nothing is sent afterwards")
		require.NoError(t, r.Cancel(t.Context(), id), "cancelling twice is no error")
		require.Equal(t, j, r.now(id))
		require.Equal(t, job.NotFound, job.CodeOf(r.Cancel(t.Context(), "nobody")))
	})
}

func TestScheduler_CancelEndsParkedTasksAtOnce(t *testing.T) {
	inBubble(t, Config{}, []node{rejects}, func(t *testing.T, r *rig) {
		r.folder("/data", 10)
		id := r.submit(job.Spec{Source: "/data"})
		time.Sleep(30 * time.Second)
		start := time.Now()
		require.NoError(t, r.Cancel(t.Context(), id))
		require.Equal(t, job.Cancelled, r.wait(id).State)
		require.Zero(t, time.Since(start))
	})
}

func TestScheduler_CancelAfterTheLastTaskChangesNothing(t *testing.T) {
	inBubble(t, Config{}, []node{good}, func(t *testing.T, r *rig) {
		j := r.run(3, job.Spec{})
		require.NoError(t, r.Cancel(t.Context(), j.ID))
		synctest.Wait()
		require.Equal(t, j, r.now(j.ID))
	})
}

func TestScheduler_EndOfRunHandsTheJobsBackAndLeavesNothingRunning(t *testing.T) {
	inBubble(t, Config{Window: 5}, []node{hangs, rejects}, func(t *testing.T, r *rig) {
		r.folder("/data", 100)
		first, second := r.submit(job.Spec{Source: "/data"}), r.submit(job.Spec{Source: "/data"})
		events, err := r.Watch(t.Context(), first, job.NoSteps)
		require.NoError(t, err)
		time.Sleep(10 * time.Second)
		start := time.Now()
		r.stop()
		require.Equal(t, 10*time.Second, time.Since(start), "the grace, since the tasks hang")
		require.Zero(t, r.fleet.out)
		for _, id := range []job.ID{first, second} {
			j := r.now(id)
			require.Equal(t, job.Running, j.State)
			require.Equal(t, int64(100), j.Total)
		}
		for e := range events {
			require.False(t, e.Job.State.Final())
		}
		_, err = r.Submit(t.Context(), job.Spec{Source: "/data"})
		require.Equal(t, job.Unavailable, job.CodeOf(err), "a scheduler that stopped takes nothing new")
	})
}

func TestScheduler_WhatRunsAtTheEndMayFinish(t *testing.T) {
	inBubble(t, Config{Window: 5}, []node{takes(7 * time.Second)}, func(t *testing.T, r *rig) {
		r.folder("/data", 100)
		id := r.submit(job.Spec{Source: "/data"})
		time.Sleep(time.Second)
		start := time.Now()
		r.stop()
		require.Equal(t, 6*time.Second, time.Since(start))
		require.Equal(t, int64(5), r.now(id).Done, "it is kept")
		require.Len(t, r.fleet.sent(), 5, "nothing new is sent")
	})
}

func TestSubmit_AFolderThatCannotBeListedIsNoJob(t *testing.T) {
	inBubble(t, Config{}, []node{good}, func(t *testing.T, r *rig) {
		r.folders["/broken"] = func() *folder { return &folder{base: "/broken", n: 10, breaksAt: 4} }
		_, err := r.Submit(t.Context(), job.Spec{ID: "j", Source: "/broken"})
		require.EqualError(t, err, "list /broken: the disk broke")
		require.Equal(t, job.Unavailable, job.CodeOf(err))
		r.folders["/broken"] = func() *folder { return &folder{n: 10, countErr: fmt.Errorf("no such disk")} }
		_, err = r.Submit(t.Context(), job.Spec{ID: "j", Source: "/broken"})
		require.EqualError(t, err, "no such disk")
		require.Empty(t, r.fleet.sent())
		require.Empty(t, r.ids(job.Filter{}))
		r.folder("/broken", 10)
		require.Equal(t, int64(10), r.wait(r.submit(job.Spec{ID: "j", Source: "/broken"})).Done, "once it is mended, with the same id")
	})
}

func TestScheduler_AFolderThatGrowsOrShrinksIsCountedAsListed(t *testing.T) {
	for _, n := range []int{0, 3, 12} {
		inBubble(t, Config{}, []node{takes(time.Second)}, func(t *testing.T, r *rig) {
			f := &folder{base: "/data", n: n, breaksAt: -1}
			r.folders["/data"] = func() *folder { return f }
			id := r.submit(job.Spec{Source: "/data"})
			f.n = 10
			j := r.wait(id)
			require.Equal(t, job.Succeeded, j.State)
			require.Equal(t, int64(n), j.Total)
		})
	}
}

func TestScheduler_ATaskThatNoNodeHadAtItsEndTellsSoOnce(t *testing.T) {
	inBubble(t, Config{}, []node{rejects}, func(t *testing.T, r *rig) {
		j := r.run(1, job.Spec{ID: "j", Deadline: time.Second})
		tasks, err := r.Tasks(t.Context(), j.ID, job.TaskFilter{After: -1})
		require.NoError(t, err)
		require.Len(t, tasks[0].Attempts, 1)
		require.Zero(t, tasks[0].Attempts[0].Number)
		require.Empty(t, tasks[0].Attempts[0].Node)
		require.EqualError(t, tasks[0].Attempts[0].Err, "not done before the job's deadline")
	})
}

func TestScheduler_AStallAfterAFailureAddsNoAttempt(t *testing.T) {
	failed := false
	once := func(ctx context.Context, t job.Task) (job.Result, error) {
		if failed {
			return rejects(ctx, t)
		}
		failed = true
		return fails(job.Unavailable)(ctx, t)
	}
	inBubble(t, Config{}, []node{once}, func(t *testing.T, r *rig) {
		j := r.run(1, job.Spec{ID: "j"})
		tasks, err := r.Tasks(t.Context(), j.ID, job.TaskFilter{After: -1})
		require.NoError(t, err)
		require.Equal(t, job.TaskFailed, tasks[0].State)
		require.Len(t, tasks[0].Attempts, 1)
		require.Equal(t, job.NodeID("node_0"), tasks[0].Attempts[0].Node)
	})
}
