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
	"spillway/server/store"
)

func TestScheduler_WindowBoundsAllJobsTogether(t *testing.T) {
	inBubble(t, Config{Window: 8}, []node{takes(time.Second), takes(time.Second), rejects}, func(t *testing.T, r *rig) {
		r.folder("/data", 100)
		first, second := r.submit(job.Spec{Source: "/data"}), r.submit(job.Spec{Source: "/data"})
		time.Sleep(12500 * time.Millisecond)
		synctest.Wait()
		a, b := r.now(first), r.now(second)
		require.Equal(t, int64(8), a.Running+b.Running)
		require.Greater(t, a.Done, int64(10), "both get a share")
		require.Greater(t, b.Done, int64(10))
		r.wait(first)
		r.wait(second)
		require.LessOrEqual(t, r.fleet.most, 8)
	})
}

// readers counts the tasks that are read and not done.
type readers struct {
	Store
	mu          sync.Mutex
	ahead, most int
}

func (s *readers) add(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ahead += n
	s.most = max(s.most, s.ahead)
}

func (s *readers) Pending(ctx context.Context, id job.ID, after int64, limit int) ([]store.Input, error) {
	inputs, err := s.Store.Pending(ctx, id, after, limit)
	s.add(len(inputs))
	return inputs, err
}

func (s *readers) Finish(ctx context.Context, o store.Outcome) error {
	s.add(-1)
	return s.Store.Finish(ctx, o)
}

func TestScheduler_TasksAreReadAsTheyAreSent(t *testing.T) {
	const inputs, window = 20_000, 64
	inBubble(t, Config{Window: window}, []node{takes(time.Millisecond)}, func(t *testing.T, r *rig) {
		r.fleet.forgetful = true
		require.Equal(t, int64(inputs), r.run(inputs, job.Spec{}).Done)
		require.LessOrEqual(t, r.reads.most, page+2*window)
	})
}

func TestScheduler_JobsShareTheWindowFairly(t *testing.T) {
	inBubble(t, Config{Window: 60}, []node{takes(time.Second)}, func(t *testing.T, r *rig) {
		r.folder("/data", 10_000)
		first := r.submit(job.Spec{Source: "/data"})
		time.Sleep(10500 * time.Millisecond)
		require.Equal(t, int64(60), r.now(first).Running, "alone it has all")
		second := r.submit(job.Spec{Source: "/data"})
		time.Sleep(2 * time.Second)
		a, b := r.now(first), r.now(second)
		require.Equal(t, []int64{30, 30}, []int64{a.Running, b.Running})
		r.folder("/few", 5)
		third := r.submit(job.Spec{Source: "/few"})
		start := time.Now()
		r.wait(third)
		require.LessOrEqual(t, time.Since(start), 2*time.Second, "a small job does not wait behind large ones")
		require.NoError(t, r.Cancel(t.Context(), first))
		time.Sleep(2250 * time.Millisecond) // between two ends of tasks
		require.Equal(t, int64(60), r.now(second).Running)
		require.NoError(t, r.Cancel(t.Context(), second))
	})
}

func TestScheduler_WaitingJobsStartInOrder(t *testing.T) {
	inBubble(t, Config{Jobs: 1}, []node{takes(time.Second)}, func(t *testing.T, r *rig) {
		r.folder("/data", 1)
		submit := func(id job.ID, priority int) { r.submit(job.Spec{ID: id, Source: "/data", Priority: priority}) }
		submit("runs", 0)
		time.Sleep(time.Millisecond)
		for i, priority := range []int{0, 5, 0, -3, 5} {
			submit(job.ID(fmt.Sprint("j", i)), priority)
		}
		synctest.Wait()
		for id, place := range map[job.ID]int{"runs": 0, "j1": 1, "j4": 2, "j0": 3, "j2": 4, "j3": 5} {
			j := r.now(id)
			require.Equal(t, place, j.Position, id)
			require.Equal(t, place > 0, j.State == job.Queued)
			require.Equal(t, place > 0, j.Reason == "a job runs, and one may at once", j.Reason)
		}
		require.NoError(t, r.Cancel(t.Context(), "j0"))
		require.Equal(t, job.Cancelled, r.wait("j0").State, "at once")
		r.wait("j3")
		var last time.Time
		for _, id := range []job.ID{"runs", "j1", "j4", "j2", "j3"} {
			j := r.now(id)
			require.True(t, j.Started.After(last), id)
			last = j.Started
		}
	})
}

func TestScheduler_DeadlineOfAWaitingJobPasses(t *testing.T) {
	inBubble(t, Config{Jobs: 1}, []node{takes(time.Minute)}, func(t *testing.T, r *rig) {
		r.folder("/data", 3)
		r.submit(job.Spec{ID: "runs", Source: "/data"})
		j := r.wait(r.submit(job.Spec{Source: "/data", Deadline: time.Second}))
		require.Equal(t, job.Failed, j.State)
		require.Equal(t, int64(3), j.Failed)
		require.Contains(t, j.Err.Error(), "the deadline of 1s passed")
		require.NoError(t, r.Cancel(t.Context(), "runs"))
	})
}
