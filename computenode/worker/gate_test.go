package worker

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/computenode/admission"
	"spillway/job"
)

// newControlled makes a worker with one slot and a controller of the program's own,
// whose operation takes a time.
func newControlled(t *testing.T, word string, took time.Duration) (*Worker, func(mayReject bool, within time.Duration) <-chan answer) {
	t.Helper()
	c, err := admission.New(word, admission.Config{})
	require.NoError(t, err)
	w, base := newWorker(t, Config{Slots: 1}, c, just(takes(took)))
	return w, func(mayReject bool, within time.Duration) <-chan answer {
		task := job.Task{Base: base, Name: "a.jpg", MayReject: mayReject}
		if within > 0 {
			task.Deadline = time.Now().Add(within)
		}
		ch := make(chan answer, 1)
		start := time.Now()
		go func() {
			r, err := w.Execute(t.Context(), task)
			ch <- answer{r, err, time.Since(start)}
		}()
		synctest.Wait()
		return ch
	}
}

// answer is how a task ended, and after what time.
type answer struct {
	job.Result
	err   error
	after time.Duration
}

func TestWorker_DropsWhatWaitedTooLongWhereItMayBeRejected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, execute := newControlled(t, "codel", time.Hour)
		execute(false, 0)
		patient, dropped := execute(false, 0), execute(true, 0)
		a := <-dropped
		require.Equal(t, 100*time.Millisecond, a.after)
		require.Equal(t, job.ResourceExhausted, job.CodeOf(a.err))
		require.EqualError(t, a.err, "node_0 rejected the task: it waited too long for a slot")
		require.Positive(t, job.AsError(a.err).RetryAfter)
		require.Equal(t, job.Load{Slots: 1, Running: 1, Queued: 1}, *job.AsError(a.err).Load)
		require.NoError(t, (<-patient).err)
		require.Zero(t, w.Left())
	})
}

func TestWorker_NewestGoesFirstInOverload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, execute := newControlled(t, "codel:n=2500ms", time.Second)
		first, second, third := execute(false, 0), execute(false, 0), execute(false, 0)
		old := execute(false, 0)
		time.Sleep(2500 * time.Millisecond)
		young := execute(false, 0)
		require.Equal(t, 1500*time.Millisecond, (<-young).after, "the queue was not empty for more than N")
		require.Equal(t, 5*time.Second, (<-old).after)
		for i, ch := range []<-chan answer{first, second, third} {
			require.Equal(t, time.Duration(i+1)*time.Second, (<-ch).after, "first come, first served until then")
		}
	})
}

func TestWorker_FullQueueSaysWhenToComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, execute := newControlled(t, "queue:k=2", time.Second)
		require.NoError(t, (<-execute(true, 0)).err)
		var in []<-chan answer
		for range 3 {
			in = append(in, execute(true, 0))
		}
		a := <-execute(true, 0)
		require.EqualError(t, a.err, "node_0 rejected the task: its queue is full")
		require.Equal(t, 3*time.Second, job.AsError(a.err).RetryAfter, "two wait for one slot, and a second each")
		for _, ch := range in {
			require.NoError(t, (<-ch).err)
		}
		require.Zero(t, w.Left())
	})
}

func TestWorker_TaskThatWouldBeLateIsTurnedAwayAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, execute := newControlled(t, "none", time.Second)
		first := execute(true, time.Millisecond)
		require.Equal(t, job.DeadlineExceeded, job.CodeOf((<-first).err), "a node that knows nothing tries")
		require.NoError(t, (<-execute(true, 0)).err)
		busy := execute(false, 0)
		for _, mayReject := range []bool{true, false} {
			a := <-execute(mayReject, 1400*time.Millisecond)
			require.Equal(t, job.DeadlineExceeded, job.CodeOf(a.err))
			require.EqualError(t, a.err, "it would take about 1.5s, and the deadline ends before")
			require.Zero(t, a.after)
		}
		require.NoError(t, (<-execute(true, 2500*time.Millisecond)).err)
		require.NoError(t, (<-busy).err)
		require.Zero(t, w.Left())
	})
}

func TestWorker_EveryAnswerTellsTheLatencyToExpect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, execute := newControlled(t, "queue:k=0", time.Second)
		require.NoError(t, (<-execute(true, 0)).err)
		busy := execute(true, 0)
		rejected := <-execute(true, 0)
		require.Equal(t, 2*time.Second, job.AsError(rejected.err).Load.Latency, "one is in flight, and it takes a second alone")
		load, err := w.Probe(t.Context())
		require.NoError(t, err)
		require.Equal(t, 2*time.Second, load.Latency)
		require.Equal(t, time.Second, (<-busy).Load.Latency)
	})
}

func TestWorker_TaskThatLeavesTheQueueLetsTheOthersOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, execute := newControlled(t, "codel", time.Second)
		execute(false, 0)
		late := execute(false, 500*time.Millisecond)
		last := execute(false, 0)
		require.Equal(t, 500*time.Millisecond, (<-late).after)
		require.Equal(t, 2*time.Second, (<-last).after)
		require.Zero(t, w.Left())
	})
}
