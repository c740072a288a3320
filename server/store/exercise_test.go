package store_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"spillway/job"
	"spillway/server/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// keeper is what a server asks of a store.
type keeper interface {
	Submit(ctx context.Context, sub store.Submission) (store.Job, bool, error)
	Start(ctx context.Context, id job.ID, epoch int64, at time.Time) error
	Finish(ctx context.Context, o store.Outcome) error
	Note(i store.Interim)
	End(ctx context.Context, e store.Ending) error
	Pending(ctx context.Context, id job.ID, after int64, most int) ([]store.Input, error)
	Job(ctx context.Context, id job.ID) (store.Job, error)
	Jobs(ctx context.Context, f job.Filter) ([]store.Job, error)
	Tasks(ctx context.Context, id job.ID, f job.TaskFilter) ([]job.TaskInfo, error)
	AskCancel(ctx context.Context, id job.ID) error
	Claim(ctx context.Context, owner string, ttl time.Duration) ([]store.Job, error)
	Renew(ctx context.Context, owner string, ttl time.Duration, held map[job.ID]int64) (lost, cancels []job.ID, err error)
	Release(ctx context.Context, owner string) error
	Retry(ctx context.Context, again store.Again) (store.Job, error)
	Step(ctx context.Context, id job.ID, epoch int64, st job.Step) error
	Steps(ctx context.Context, id job.ID, after int64, most int) ([]job.Step, error)
	Expire(ctx context.Context, now time.Time, keep time.Duration) (int, error)
	Close() error
}

var (
	_ keeper = (*store.SQL)(nil)
	_ keeper = (*store.Memory)(nil)
)

// exercise is what every store promises. open gives an empty one, which the test
// closes.
func exercise(t *testing.T, open func(t testing.TB) keeper) {
	promises := []struct {
		name string
		test func(t *testing.T, s keeper)
	}{
		{"a job is kept as it was submitted", keepsJobs},
		{"the same submission twice is one job", submitsOnce},
		{"a job keeps its trace", keepsTheTrace},
		{"two submissions of one id at once are one job", submitsOnceAtOnce},
		{"a repeated submission is known by what was asked", knowsWhatWasAsked},
		{"jobs write no two results under one name", refusesCollisions},
		{"of jobs that would, one of many is kept", refusesCollisionsAtOnce},
		{"a submission that fails in the middle leaves nothing", undoesSubmissions},
		{"no name is too hostile", keepsHostileNames},
		{"a large job comes back in pages", pagesInputs},
		{"a task ends once", finishesOnce},
		{"a task ends once, whoever tells at once", finishesOnceAtOnce},
		{"outcomes that make no sense are refused", refusesNonsense},
		{"failures are told by name", tellsFailures},
		{"notes add up and outlive their owner", addsNotes},
		{"an end comes after what was told before", endsLast},
		{"a former owner changes nothing", fences},
		{"a lease lapses unless it is renewed", leases},
		{"a lease of a clock that has gone back lapses", leasesOfAnotherTime},
		{"claimed jobs come in the order of their start", claimsInOrder},
		{"a claimed job waits for its turn again", queuesWhatItGives},
		{"a job is claimed by one of many", claimsOnce},
		{"a wish to cancel reaches the owner", cancels},
		{"a retry runs what is not done", retries},
		{"what is done or goes on is not retried", refusesRetries},
		{"a retry does again what it is asked to", redoesWhatIsAskedFor},
		{"a job is retried whose tasks are done and are asked for", redoesThoughAllIsDone},
		{"what happened to inputs outlives the server", keepsSteps},
		{"a job has the latest steps with it", boundsSteps},
		{"jobs are listed newest first, by page", listsJobs},
		{"tasks are listed by state and page", listsTasks},
		{"old jobs are forgotten", expires},
		{"users are kept by name", keepsUsers},
		{"tokens are kept until they end, or their user does", keepsTokens},
		{"two users of one name are one", addsAUserOnce},
		{"songs are kept with what was done for them", keepsMusic},
		{"a song that finds no place is not kept", undoesMusic},
		{"the parts of songs are kept", keepsMusicParts},
		{"workloads are kept, each with a folder of its own", keepsWorkloads},
		{"images of a workload are numbered from 0", keepsImages},
		{"what goes on in workloads is counted", countsImages},
		{"the files of workloads and music have one home", bindsFiles},
		{"an ended context is told", heedsContext},
		{"a closed store says so", refusesWhenClosed},
	}
	for _, promise := range promises {
		t.Run(promise.name, func(t *testing.T) {
			s := open(t)
			t.Cleanup(func() { require.NoError(t, s.Close()) })
			promise.test(t, s)
		})
	}
}

func TestMemory(t *testing.T) {
	exercise(t, func(testing.TB) keeper { return store.NewMemory() })
}

func TestSQLite(t *testing.T) {
	exercise(t, func(t testing.TB) keeper { return openSQLite(t, t.TempDir()) })
}

func openSQLite(t testing.TB, dir string) *store.SQL {
	s, err := store.OpenSQLite(t.Context(), dir, store.Config{NoteDelay: time.Millisecond})
	require.NoError(t, err)
	return s
}

// noon is when the tests' jobs are submitted.
func noon() time.Time { return time.Date(2026, 5, 1, 12, 0, 0, 123456789, time.UTC) }

// given tells names, one after the other.
func given(names ...string) func(context.Context, func(string) bool) error {
	return func(_ context.Context, yield func(string) bool) error {
		for _, name := range names {
			if !yield(name) {
				break
			}
		}
		return nil
	}
}

// numbered tells n names.
func numbered(n int) func(context.Context, func(string) bool) error {
	return func(_ context.Context, yield func(string) bool) error {
		for i := range n {
			if !yield(fmt.Sprintf("image_%07d.jpg", i)) {
				break
			}
		}
		return nil
	}
}

// submit keeps a job of n tasks that "me" owns, at epoch 1.
func submit(t testing.TB, s keeper, id job.ID, n int) store.Job {
	j, created, err := s.Submit(t.Context(), store.Submission{
		Spec: job.Spec{ID: id, Source: "data"}, Owner: "me", Lease: time.Hour, Created: noon(), Inputs: numbered(n),
	})
	require.NoError(t, err)
	require.True(t, created)
	return j
}

// done is the outcome of a task that was done at the first try.
func done(id job.ID, epoch, index int64) store.Outcome {
	return store.Outcome{
		Job: id, Epoch: epoch, Index: index, State: job.TaskDone, At: noon(), Attempts: 1,
		Last: job.Attempt{Number: 1, Node: "node_0", Sent: noon(), Run: time.Millisecond, Took: 2 * time.Millisecond},
	}
}

// broken is the outcome of a task that failed at its nth try.
func broken(id job.ID, epoch, index int64, nth int) store.Outcome {
	o := done(id, epoch, index)
	o.State, o.Attempts, o.Nodes = job.TaskFailed, nth, []job.NodeID{"node_0", "node_1"}
	o.Last.Number = nth
	o.Last.Err = job.E(job.DataLoss, "read x.jpg", errors.New("it is damaged"), "look at it")
	return o
}

// finish tells outcomes that are to be kept.
func finish(t testing.TB, s keeper, outcomes ...store.Outcome) {
	for _, o := range outcomes {
		require.NoError(t, s.Finish(t.Context(), o))
	}
}

// end ends a job.
func end(t testing.TB, s keeper, id job.ID, epoch int64, state job.State, at time.Time) {
	require.NoError(t, s.End(t.Context(), store.Ending{Job: id, Epoch: epoch, State: state, At: at}))
}

// reread is the job as it is now.
func reread(t testing.TB, s keeper, id job.ID) store.Job {
	j, err := s.Job(t.Context(), id)
	require.NoError(t, err)
	return j
}

// pending are the indexes of the tasks to be done.
func pending(t testing.TB, s keeper, id job.ID) []int64 {
	inputs, err := s.Pending(t.Context(), id, -1, 1<<20)
	require.NoError(t, err)
	list := make([]int64, 0, len(inputs))
	for _, in := range inputs {
		list = append(list, in.Index)
	}
	return list
}
