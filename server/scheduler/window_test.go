package scheduler

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
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

func TestScheduler_InputsAreListedLazily(t *testing.T) {
	const inputs, window = 100_000, 64
	inBubble(t, Config{Window: window}, []node{nil}, func(t *testing.T, r *rig) {
		source := &folder{base: "/data", n: inputs, breaksAt: -1}
		r.folders["/data"] = func() *folder { return source }
		ended, ahead := 0, 0
		r.fleet.forgetful = true
		r.fleet.nodes[0] = func(context.Context, job.Task) (job.Result, error) {
			source.mu.Lock()
			defer source.mu.Unlock()
			ahead = max(ahead, source.listed-ended)
			ended++
			return job.Result{}, nil
		}
		r.submit(job.Spec{ID: "big", Source: "/data"})
		require.Equal(t, int64(inputs), r.wait("big").Done)
		// Those that ended in the node and have not yet left the window count double.
		require.LessOrEqual(t, ahead, window+1)
	})
}
