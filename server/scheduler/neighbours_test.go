package scheduler

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
	"spillway/server/policy"
)

// tells does each task in so long, and tells of it as nodes do.
func tells(d time.Duration) node {
	return func(ctx context.Context, t job.Task) (job.Result, error) {
		res, err := takes(d)(ctx, t)
		res.Run, res.Load = d, job.Load{Slots: 1}
		return res, err
	}
}

func fourOf(n node) []node { return []node{n, n, n, n} }

// What was learned of other operations must not make a job with time enough give up.
func TestScheduler_DeadlineIsTheJobsOwn(t *testing.T) {
	c := &carriers{}
	inBubble(t, Config{Policy: "pull", Carry: c.open}, fourOf(tells(time.Second)), func(t *testing.T, r *rig) {
		r.slotted(1)
		require.Equal(t, job.Succeeded, r.run(20, job.Spec{Operation: job.Operation{Name: job.NoOperation}}).State)
		for range 2 {
			j := r.run(40, job.Spec{Deadline: time.Minute})
			require.Equal(t, job.Succeeded, j.State, "10 s of work in a minute: %d failed", j.Failed)
		}
	})
}

// A node that comes while tasks wait gets none that are not for it.
func TestScheduler_TasksThatWaitKeepTheirTags(t *testing.T) {
	inBubble(t, Config{Policy: "pull"}, fourOf(tells(time.Second)), func(t *testing.T, r *rig) {
		for i := range 4 {
			r.set(i, false)
		}
		r.NodeChanged(0, policy.Node{ID: "node_0", Up: true, Slots: 1, Tags: []string{"gpu"}})
		r.folder("/data", 10)
		id := r.submit(job.Spec{Source: "/data", Tags: []string{"gpu"}})
		time.Sleep(1500 * time.Millisecond)
		synctest.Wait()
		r.NodeChanged(1, policy.Node{ID: "node_1", Up: true, Slots: 1})
		require.Equal(t, job.Succeeded, r.wait(id).State)
		for _, s := range r.fleet.sent() {
			require.Zero(t, s.node)
		}
	})
}

// Many policies of others cost nobody theirs.
func TestScheduler_ManyPoliciesHurtNobody(t *testing.T) {
	inBubble(t, Config{Policy: "balance", Stall: 5 * time.Minute}, fourOf(tells(time.Millisecond)), func(t *testing.T, r *rig) {
		r.slotted(1)
		r.set(3, false)
		r.folder("/gpu", 10)
		id := r.submit(job.Spec{Source: "/gpu", Policy: "pull", Tags: []string{"gpu"}})
		time.Sleep(90 * time.Second) // its node is not there yet
		for i := range 2 * maxDispatchers {
			require.Equal(t, job.Succeeded, r.run(1, job.Spec{Policy: fmt.Sprintf("pull:hedge=0.%03d1", i)}).State)
		}
		require.LessOrEqual(t, len(r.dispatchers), maxDispatchers)
		require.Equal(t, job.Succeeded, r.run(10, job.Spec{}).State)
		r.NodeChanged(3, policy.Node{ID: "node_3", Up: true, Slots: 1, Tags: []string{"gpu"}})
		require.Equal(t, job.Succeeded, r.wait(id).State, "it heard of its node")
	})
}

// A job whose inputs all break does not keep others from their retries.
func TestScheduler_RetriesAreEachJobsOwn(t *testing.T) {
	var once sync.Once
	does := func(ctx context.Context, task job.Task) (job.Result, error) {
		bad := task.Job == "poison"
		if task.Job == "fine" && task.Index == 3 {
			once.Do(func() { bad = true })
		}
		if bad {
			return takes(time.Millisecond).then(ctx, task, fails(job.Internal))
		}
		return takes(time.Millisecond)(ctx, task)
	}
	inBubble(t, Config{Policy: "pull:eject=off"}, fourOf(does), func(t *testing.T, r *rig) {
		r.slotted(4)
		r.folder("/many", 2000)
		r.folder("/data", 10)
		r.submit(job.Spec{ID: "poison", Source: "/many"})
		time.Sleep(20 * time.Second)
		start := time.Now()
		require.Equal(t, job.Succeeded, r.wait(r.submit(job.Spec{ID: "fine", Source: "/data"})).State)
		require.Less(t, time.Since(start), 10*time.Second)
		require.NoError(t, r.Cancel(t.Context(), "poison"))
	})
}

// What a node that froze may have left is looked for, though a copy was faster.
func TestScheduler_WhatLosersLeftIsCleaned(t *testing.T) {
	inBubble(t, Config{Policy: "pull"}, []node{takes(time.Millisecond), hangs, takes(time.Millisecond)}, func(t *testing.T, r *rig) {
		r.slotted(1)
		require.Equal(t, job.Succeeded, r.run(30, job.Spec{}).State)
		cleaned := 0
		for _, f := range r.opened {
			cleaned += len(f.cleaned)
		}
		require.Positive(t, cleaned)
	})
}
