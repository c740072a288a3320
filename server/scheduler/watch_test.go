package scheduler

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
)

func TestWatch_GivesThePresentStateThenChangesAndTheLastOne(t *testing.T) {
	inBubble(t, Config{Window: 1}, []node{takes(time.Second)}, func(t *testing.T, r *rig) {
		r.folder("/data", 5)
		id := r.submit(job.Spec{Source: "/data"})
		time.Sleep(2500 * time.Millisecond)
		events, err := r.Watch(t.Context(), id, job.NoSteps)
		require.NoError(t, err)
		require.Equal(t, int64(2), (<-events).Job.Done, "the present state at once")
		var last job.Event
		versions := map[int64]bool{}
		seen := map[int64]bool{}
		for last = range events {
			require.False(t, versions[last.Job.Version], "no state comes twice")
			versions[last.Job.Version] = true
			seen[last.Job.Done] = true
		}
		require.Equal(t, map[int64]bool{3: true, 4: true, 5: true}, seen)
		require.Equal(t, job.Succeeded, last.Job.State)
		require.Equal(t, r.now(id), last.Job)

		events, err = r.Watch(t.Context(), id, job.NoSteps)
		require.NoError(t, err)
		require.Equal(t, last, <-events, "a job that has ended is told once")
		_, open := <-events
		require.False(t, open)
	})
}

func TestWatch_CoalescesForWatchersSlowAndFast(t *testing.T) {
	inBubble(t, Config{Window: 1}, []node{takes(time.Millisecond)}, func(t *testing.T, r *rig) {
		r.folder("/data", 10_000)
		id := r.submit(job.Spec{Source: "/data"})
		slow, err := r.Watch(t.Context(), id, job.NoSteps)
		require.NoError(t, err)
		fast := 0
		events, err := r.Watch(t.Context(), id, job.NoSteps)
		require.NoError(t, err)
		start := time.Now()
		for range events {
			fast++
		}
		took := time.Since(start)
		require.LessOrEqual(t, fast, int(took/watchEvery)+2, "no more often than the limit")
		require.Greater(t, fast, 100)

		var got []job.Job
		for e := range slow {
			got = append(got, e.Job)
		}
		require.LessOrEqual(t, len(got), 2, "who does not listen misses what is between")
		require.Equal(t, job.Succeeded, got[len(got)-1].State, "and never the end")
	})
}

func TestWatch_TheEndIsToldAtOnce(t *testing.T) {
	inBubble(t, Config{}, []node{takes(3 * time.Millisecond)}, func(t *testing.T, r *rig) {
		start := time.Now()
		r.run(1, job.Spec{})
		require.Equal(t, 3*time.Millisecond, time.Since(start))
	})
}

func TestWatch_EndsWithItsContext(t *testing.T) {
	inBubble(t, Config{}, []node{hangs}, func(t *testing.T, r *rig) {
		r.folder("/data", 1)
		id := r.submit(job.Spec{Source: "/data"})
		for _, listening := range []bool{true, false} {
			ctx, cancel := context.WithCancel(t.Context())
			events, err := r.Watch(ctx, id, job.NoSteps)
			require.NoError(t, err)
			if listening {
				<-events
			}
			time.Sleep(time.Second)
			cancel()
			synctest.Wait()
			for range events { // drain what was under way
			}
		}
		require.Empty(t, r.active(id).watchers)
	})
}

func TestScheduler_SnapshotsShareNothing(t *testing.T) {
	inBubble(t, Config{}, []node{fails(job.NotFound), fails(job.NotFound)}, func(t *testing.T, r *rig) {
		params := map[string]string{"kernel": "3"}
		j := r.run(3, job.Spec{Operation: job.Operation{Name: "blur", Params: params}})
		want := r.now(j.ID)
		params["kernel"] = "the caller's own"
		j.Spec.Operation.Params["kernel"] = "x"
		j.Nodes[0].Done = 99
		j.Failures[0].Name = "x"
		j.Failures[1].Nodes[0] = "x"
		j.Failures[1].Err.Hint = "x"
		require.Equal(t, want, r.now(j.ID))
		require.Equal(t, "3", want.Spec.Operation.Params["kernel"])
	})
	inBubble(t, Config{}, []node{rejects}, func(t *testing.T, r *rig) {
		j := r.run(1, job.Spec{Deadline: time.Second})
		j.Err.Hint = "x"
		require.NotEqual(t, "x", r.now(j.ID).Err.Hint)
	})
}

func TestScheduler_EqualVersionsAreEqualSnapshots(t *testing.T) {
	inBubble(t, Config{Window: 20}, []node{answersAfter(5*time.Second, 30*time.Millisecond), rejects, refuses}, func(t *testing.T, r *rig) {
		r.folder("/data", 300)
		id := r.submit(job.Spec{Source: "/data"})
		byVersion := map[int64]job.Job{}
		for {
			j := r.now(id)
			if other, ok := byVersion[j.Version]; ok {
				require.Equal(t, other, j)
			}
			byVersion[j.Version] = j
			if j.State.Final() {
				break
			}
			time.Sleep(3 * time.Millisecond)
		}
		require.Greater(t, len(byVersion), 100)
	})
}

func TestScheduler_CountsHoldWhileManyLook(t *testing.T) {
	inBubble(t, Config{Window: 50}, []node{takes(time.Millisecond), rejects, fails(job.Unavailable), fails(job.NotFound)}, func(t *testing.T, r *rig) {
		r.folder("/data", 500)
		id := r.submit(job.Spec{Source: "/data"})
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() { r.wait(id) })
			wg.Go(func() {
				for version := int64(0); ; time.Sleep(100 * time.Microsecond) {
					j := r.now(id)
					require.GreaterOrEqual(t, j.Version, version)
					if version = j.Version; j.State.Final() {
						return
					}
				}
			})
			wg.Go(func() {
				for range 20 {
					_, err := r.Jobs(t.Context(), job.Filter{})
					require.NoError(t, err)
					time.Sleep(time.Millisecond)
				}
			})
		}
		wg.Wait()
		j := r.now(id)
		require.Equal(t, int64(500), j.Done+j.Failed)
	})
}

func TestScheduler_RemembersABoundedNumberOfFailures(t *testing.T) {
	inBubble(t, Config{}, []node{fails(job.DataLoss)}, func(t *testing.T, r *rig) {
		j := r.run(job.MaxFailures+500, job.Spec{})
		require.Equal(t, int64(job.MaxFailures+500), j.Failed)
		require.Len(t, j.Failures, job.MaxFailures)
	})
}
