package worker

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/computenode/admission"
	"spillway/computenode/operation"
	"spillway/job"
)

func TestWorker_ThatDrainsFinishesWhatItHasAndTakesNothingNew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &script{decisions: []admission.Decision{{}, {}, {Delay: 5 * time.Second}}}
		w, base := newWorker(t, Config{Slots: 1}, c, just(takes(time.Second)))
		task := job.Task{Base: base, Name: "a.jpg"}
		results := make(chan error, 3)
		for range 3 { // one runs, one waits for the slot, one is delayed
			go func() {
				_, err := w.Execute(t.Context(), task)
				results <- err
			}()
			synctest.Wait()
		}
		drained := w.Drain()
		for _, mayReject := range []bool{true, false} {
			_, err := w.Execute(t.Context(), job.Task{Base: base, Name: "a.jpg", MayReject: mayReject})
			require.Equal(t, job.ResourceExhausted, job.CodeOf(err))
			require.EqualError(t, err, "node_0 rejected the task: it drains, and takes nothing new")
			require.True(t, job.AsError(err).Load.Draining)
		}
		start := time.Now()
		<-drained
		require.Equal(t, 6*time.Second, time.Since(start))
		for range 3 {
			require.NoError(t, <-results)
		}
		require.Equal(t, job.Load{Slots: 1, Mean: time.Second, Draining: true}, loadOf(t, w))
	})
}

func TestWorker_WithoutTasksIsDrainedAtOnceAndTwice(t *testing.T) {
	w, _ := newWorker(t, Config{Slots: 1}, &script{}, just(takes(time.Second)))
	<-w.Drain()
	<-w.Drain()
}

func TestWorker_IsDrainedWhenItsLastTaskGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, base := newWorker(t, Config{Slots: 1}, &script{decisions: []admission.Decision{{Delay: time.Hour}}}, just(takes(time.Second)))
		ctx, cancel := context.WithCancel(t.Context())
		go func() { _, _ = w.Execute(ctx, job.Task{Base: base, Name: "a.jpg"}) }()
		synctest.Wait()
		drained := w.Drain()
		cancel()
		<-drained
	})
}

func TestWorker_TellsTheMeanOfEachOperation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		times := map[string]time.Duration{"edges": time.Second, "blur": 3 * time.Second}
		w, base := newWorker(t, Config{Slots: 1}, &script{}, just(runnerFunc(func(_ context.Context, r operation.Request) (operation.Reply, error) {
			return operation.Reply{Run: times[r.Operation.Name]}, nil
		})))
		for range 3 {
			for name := range times {
				r, err := w.Execute(t.Context(), job.Task{Base: base, Name: "a.jpg", Operation: job.Operation{Name: name}})
				require.NoError(t, err)
				require.Nil(t, r.Load.Operations, "an answer to a task stays small")
			}
		}
		load, err := w.Probe(t.Context())
		require.NoError(t, err)
		require.Equal(t, times, load.Operations)
	})
}
