package scheduler

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
	"spillway/server/policy"
)

// loaded is a node of the assignment: it turns a task away with chance p, and delays
// one that it takes with chance p.
func loaded(p float64, delay time.Duration, seed uint64) node {
	var mu sync.Mutex
	random := rand.New(rand.NewPCG(seed, 0))
	return func(ctx context.Context, t job.Task) (job.Result, error) {
		mu.Lock()
		reject, late := random.Float64() < p, random.Float64() < p
		mu.Unlock()
		if reject {
			return takes(100*time.Microsecond).then(ctx, t, fails(job.ResourceExhausted))
		}
		d := time.Millisecond
		if late {
			d += delay
		}
		res, err := takes(d)(ctx, t)
		res.Delayed = late
		return res, err
	}
}

// then answers as next does, once n has.
func (n node) then(ctx context.Context, t job.Task, next node) (job.Result, error) {
	if res, err := n(ctx, t); err != nil {
		return res, err
	}
	return next(ctx, t)
}

func TestScheduler_DelaysOfLoadedNodesAreRacedAway(t *testing.T) {
	slow := 0
	for seed := range uint64(40) {
		var nodes []node
		for i, p := range []float64{.1, .5, .2, .9} {
			nodes = append(nodes, loaded(p, 3*time.Second, 10*seed+uint64(i)))
		}
		inBubble(t, Config{Seed: seed + 1, Policy: "pull"}, nodes, func(t *testing.T, r *rig) {
			for range 3 {
				j := r.run(6, job.Spec{})
				require.Equal(t, job.Succeeded, j.State)
				if j.Elapsed(time.Now()) > time.Second {
					slow++
				}
			}
		})
	}
	require.LessOrEqual(t, slow, 6, "of 120 jobs: copies may meet delays, too, again and again")
}

// slotted tells the scheduler of nodes with so many slots.
func (r *rig) slotted(n int) {
	for i := range r.fleet.nodes {
		r.NodeChanged(i, policy.Node{ID: r.fleet.ID(i), Up: true, Slots: n})
	}
}

func TestScheduler_LateTaskGetsACopyAndTheLoserIsCancelled(t *testing.T) {
	cancelled := make(chan time.Time, 10)
	stuck := func(ctx context.Context, _ job.Task) (job.Result, error) {
		<-ctx.Done()
		cancelled <- time.Now()
		return job.Result{}, ctx.Err()
	}
	c := &carriers{}
	inBubble(t, Config{Policy: "p2c", Carry: c.open}, []node{stuck, takes(time.Millisecond)}, func(t *testing.T, r *rig) {
		start := time.Now()
		j := r.run(8, job.Spec{})
		require.Equal(t, job.Succeeded, j.State)
		require.Less(t, time.Since(start), time.Second)
		tally := map[job.NodeID]job.Tally{}
		for _, n := range j.Nodes {
			tally[n.Node] = n
		}
		require.Equal(t, int64(8), tally["node_1"].Done)
		lost := tally["node_0"].Superseded
		require.Positive(t, lost)
		require.Zero(t, tally["node_0"].Failed, "to be slow is no failure")
		require.Len(t, cancelled, int(lost), "each loser was cancelled on its node")
		require.Len(t, c.committed, 8)
		for name, times := range c.committed {
			require.Equal(t, 1, times, name)
		}
	})
}

func TestScheduler_BaselinesAreNeverCopied(t *testing.T) {
	for _, name := range []string{"random", "balance", "p2c:hedge=0"} {
		inBubble(t, Config{Policy: name}, []node{takes(5 * time.Second), takes(time.Millisecond)}, func(t *testing.T, r *rig) {
			j := r.run(20, job.Spec{})
			require.Equal(t, job.Succeeded, j.State)
			require.Len(t, r.fleet.sent(), 20, name)
		})
	}
}

// Whatever becomes of the first attempt and of its copies, the task ends once, and is
// told what went wrong.
func TestScheduler_CopiesThatFailAreToldOf(t *testing.T) {
	late := func(d time.Duration, then node) node {
		return func(ctx context.Context, t job.Task) (job.Result, error) { return takes(d).then(ctx, t, then) }
	}
	rows := []struct {
		name   string
		nodes  []node
		done   int64
		failed []string // nodes where attempts failed
	}{
		{"the copy fails, the first is done", []node{late(time.Second, good), late(time.Millisecond, fails(job.Internal))}, 1, []string{"node_1"}},
		{"the first fails, the copy is done", []node{late(time.Second, fails(job.Internal)), late(2*time.Second, good)}, 1, []string{"node_0"}},
		{"the first fails, its copy hangs, another is done", []node{late(time.Second, fails(job.Internal)), late(time.Hour, good), late(2*time.Second, good)}, 1, []string{"node_0"}},
		{"the first fails, two copies hang, another is done", []node{late(100*time.Millisecond, fails(job.Internal)), late(time.Hour, good), late(time.Hour, good), late(2*time.Second, good)}, 1, []string{"node_0"}},
		{"the first is rejected late, the copy is done", []node{late(time.Second, rejects), late(2*time.Second, good)}, 1, nil},
		{"what every node would say", []node{late(time.Second, fails(job.DataLoss)), hangs}, 0, []string{"node_0"}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			inBubble(t, Config{Policy: "least_outstanding"}, row.nodes, func(t *testing.T, r *rig) {
				for i := range row.nodes[1:] {
					r.set(1+i, false)
				}
				r.folder("/data", 1)
				id := r.submit(job.Spec{Source: "/data"})
				time.Sleep(10 * time.Millisecond)
				synctest.Wait()
				for i := range row.nodes[1:] {
					r.set(1+i, true)
				}
				begun := time.Now()
				j := r.wait(id)
				require.Equal(t, row.done, j.Done, "%+v", j.Failures)
				require.Less(t, time.Since(begun), time.Minute)
				var failed []string
				for _, n := range j.Nodes {
					if n.Failed > 0 { // once, or once more by a copy on the same node
						failed = append(failed, string(n.Node))
					}
				}
				require.Equal(t, row.failed, failed)
			})
		})
	}
}

func TestScheduler_TheLargestGoFirst(t *testing.T) {
	c := &carriers{}
	inBubble(t, Config{Policy: "pull", Carry: c.open, Window: 100}, []node{takes(time.Second)}, func(t *testing.T, r *rig) {
		r.slotted(1)
		j := r.run(40, job.Spec{Operation: job.Operation{Name: "edges"}})
		require.Equal(t, job.Succeeded, j.State)
		var order []int64
		for _, s := range r.fleet.sent()[1:] { // the first left before the others were there
			order = append(order, c.Pixels(s.task))
		}
		slices.Reverse(order)
		require.True(t, slices.IsSorted(order), order)
	})
}

func TestScheduler_HigherPriorityGoesFirstAmongJobsThatRun(t *testing.T) {
	inBubble(t, Config{Policy: "pull"}, []node{takes(time.Second)}, func(t *testing.T, r *rig) {
		r.slotted(1)
		r.folder("/data", 20)
		low := r.submit(job.Spec{Source: "/data"})
		time.Sleep(1500 * time.Millisecond)
		high := r.submit(job.Spec{Source: "/data", Priority: 5})
		require.Equal(t, job.Succeeded, r.wait(high).State)
		require.LessOrEqual(t, r.now(low).Done, int64(6), "it waited meanwhile")
		require.Equal(t, job.Succeeded, r.wait(low).State)
	})
}

func TestScheduler_RetriesOfFailuresAreHeldBack(t *testing.T) {
	inBubble(t, Config{Policy: "p2c:hedge=0", Stall: -1}, []node{fails(job.Unavailable), fails(job.Unavailable)}, func(t *testing.T, r *rig) {
		r.run(1000, job.Spec{})
		// Each of the 1000 tasks is tried 2 + 3 times: 4000 retries, of which 100 are
		// there at first, and ten more come each second.
		sent := r.fleet.sent()
		require.Len(t, sent, 5000)
		took := sent[len(sent)-1].at.Sub(sent[0].at)
		require.InDelta(t, (4000-100)/10, took.Seconds(), 30)
	})
}

// A job that has too little time gets as far as it can.
func TestScheduler_WhatThereIsTimeForIsDone(t *testing.T) {
	inBubble(t, Config{Policy: "pull"}, []node{takes(time.Second)}, func(t *testing.T, r *rig) {
		r.slotted(1)
		j := r.run(20, job.Spec{Deadline: 10 * time.Second})
		require.Equal(t, job.Failed, j.State)
		require.GreaterOrEqual(t, j.Done, int64(8), "what there was time for was done")
		require.Equal(t, int64(20), j.Done+j.Failed)
		for _, f := range j.Failures {
			require.Equal(t, job.DeadlineExceeded, f.Err.Code)
		}
		require.LessOrEqual(t, j.Elapsed(time.Now()), 10*time.Second)
	})
}
