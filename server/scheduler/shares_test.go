package scheduler

import (
	"context"
	"log/slog"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
	"spillway/server/policy"
	"spillway/server/store"
)

// slots is a node that works on so many tasks at once, in the order in which they
// come, each taking d.
func slots(n int, d time.Duration) node {
	free := sync.OnceValue(func() chan struct{} { return make(chan struct{}, n) }) // in the bubble
	return func(ctx context.Context, t job.Task) (job.Result, error) {
		select {
		case free() <- struct{}{}:
		case <-ctx.Done():
			return job.Result{}, ctx.Err()
		}
		defer func() { <-free() }()
		return takes(d)(ctx, t)
	}
}

// picky rejects the tasks of one job, and does those of others.
func picky(id job.ID, does node) node {
	return func(ctx context.Context, t job.Task) (job.Result, error) {
		if t.Job == id {
			return rejects(ctx, t)
		}
		return does(ctx, t)
	}
}

func TestScheduler_TwoJobsGetEqualSharesOfTheNodes(t *testing.T) {
	for _, name := range policy.Names() {
		t.Run(name, func(t *testing.T) {
			// Eight slots, a second a task: 8 tasks a second.
			nodes := []node{slots(4, time.Second), slots(4, time.Second)}
			inBubble(t, Config{Window: 64}, nodes, func(t *testing.T, r *rig) {
				for i := range nodes {
					r.NodeChanged(i, policy.Node{ID: r.fleet.ID(i), Up: true, Slots: 4})
				}
				r.folder("/data", 10_000)
				first := r.submit(job.Spec{Source: "/data", Policy: name})
				time.Sleep(100 * time.Second)
				alone := r.now(first).Done
				require.InDelta(t, 800, alone, 16)
				second := r.submit(job.Spec{Source: "/data", Policy: name})
				time.Sleep(20 * time.Second) // what was sent before is ahead of it
				a, b := r.now(first).Done, r.now(second).Done
				time.Sleep(200 * time.Second)
				a, b = r.now(first).Done-a, r.now(second).Done-b
				t.Logf("in 200 s: %d and %d of 1600 tasks", a, b)
				require.InDelta(t, 1600, a+b, 32, "nothing is lost by sharing")
				require.InDelta(t, 800, a, 40)
				require.InDelta(t, 800, b, 40)
				require.NoError(t, r.Cancel(t.Context(), first))
				time.Sleep(20 * time.Second)
				b = r.now(second).Done
				time.Sleep(100 * time.Second)
				require.InDelta(t, 800, r.now(second).Done-b, 16, "the rest is the other's")
				require.NoError(t, r.Cancel(t.Context(), second))
			})
		})
	}
}

func TestScheduler_ParkedTasksGiveRoomToOtherJobs(t *testing.T) {
	rows := []struct {
		name string
		spec job.Spec
		node node
	}{
		{"no node has the tag", job.Spec{ID: "parked", Tags: []string{"gpu"}}, takes(time.Second)},
		{"every node rejects", job.Spec{ID: "parked"}, picky("parked", takes(time.Second))},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			inBubble(t, Config{Window: 20, Stall: -1}, []node{row.node, row.node}, func(t *testing.T, r *rig) {
				r.fleet.forgetful = true
				r.folder("/data", 1000)
				row.spec.Source = "/data"
				r.submit(row.spec)
				time.Sleep(time.Minute)
				require.GreaterOrEqual(t, r.now("parked").Parked, int64(15), "as many as there may be")
				start := time.Now()
				j := r.wait(r.submit(job.Spec{Source: "/data"}))
				require.Equal(t, job.Succeeded, j.State)
				require.Less(t, time.Since(start), 55*time.Second, "50 s alone")
				require.Zero(t, r.now("parked").Done)
				require.NoError(t, r.Cancel(t.Context(), "parked"))
			})
		})
	}
}

func TestScheduler_ParkedTasksAreBounded(t *testing.T) {
	inBubble(t, Config{Window: 50, Stall: time.Minute}, []node{rejects, rejects}, func(t *testing.T, r *rig) {
		r.fleet.forgetful = true
		r.folder("/data", 100_000)
		before := runtime.NumGoroutine()
		id := r.submit(job.Spec{Source: "/data"})
		for range 30 {
			time.Sleep(time.Second)
			j := r.now(id)
			require.LessOrEqual(t, j.Running, int64(2*50))
			require.LessOrEqual(t, runtime.NumGoroutine()-before, 2*50+20)
		}
		require.NoError(t, r.Cancel(t.Context(), id))
	})
}

func TestScheduler_ParkedTasksGoOnWhenANodeTakesThem(t *testing.T) {
	nodes := []node{answersAfter(30*time.Second, time.Millisecond), rejects}
	inBubble(t, Config{Window: 10}, nodes, func(t *testing.T, r *rig) {
		r.fleet.forgetful = true
		r.folder("/data", 300)
		a, b := r.submit(job.Spec{Source: "/data"}), r.submit(job.Spec{Source: "/data"})
		require.Equal(t, int64(300), r.wait(a).Done)
		require.Equal(t, int64(300), r.wait(b).Done)
		require.LessOrEqual(t, r.fleet.most, 10)
		require.Zero(t, r.window.used)
		require.Empty(t, r.window.jobs)
	})
}

func TestScheduler_AJobWhoseParkedTasksWaitForRoomIsNotStalled(t *testing.T) {
	short := func(ctx context.Context, task job.Task) (job.Result, error) {
		if task.Job == "long" {
			return takes(5*time.Minute)(ctx, task)
		}
		return answersAfter(10*time.Second, time.Second)(ctx, task)
	}
	inBubble(t, Config{Window: 1}, []node{short}, func(t *testing.T, r *rig) {
		r.folder("/one", 1)
		r.folder("/data", 3)
		short := r.submit(job.Spec{ID: "short", Source: "/data"})
		time.Sleep(5 * time.Second)
		synctest.Wait()
		r.submit(job.Spec{ID: "long", Source: "/one"})
		require.Equal(t, job.Succeeded, r.wait(short).State)
		require.Equal(t, job.Succeeded, r.wait("long").State)
	})
}

// slowStore takes a while to keep the end of a task.
type slowStore struct {
	Store
	takes time.Duration
}

func (s slowStore) Finish(ctx context.Context, o store.Outcome) error {
	time.Sleep(s.takes)
	return s.Store.Finish(ctx, o)
}

func TestScheduler_TheStoreDoesNotSlowTheNodesDown(t *testing.T) {
	inBubble(t, Config{Owner: "a"}, []node{takes(100 * time.Millisecond)}, func(t *testing.T, r *rig) {
		r.folder("/data", 1000)
		s := New(Config{Window: 10, Seed: 1, Policy: "balance"}, r.open, r.fleet, slowStore{r.store, 90 * time.Millisecond}, slog.New(slog.DiscardHandler))
		s.NodeChanged(0, policy.Node{ID: "node_0", Up: true})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- s.Run(ctx) }()
		id, err := s.Submit(t.Context(), job.Spec{Source: "/data"})
		require.NoError(t, err)
		start := time.Now()
		events, err := s.Watch(t.Context(), id, job.NoSteps)
		require.NoError(t, err)
		for range events {
		}
		require.Less(t, time.Since(start), 11*time.Second, "10 s with a store that takes no time")
		cancel()
		require.NoError(t, <-ended)
	})
}
