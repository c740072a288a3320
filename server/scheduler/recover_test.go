package scheduler

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
	"spillway/server/policy"
	"spillway/server/store"
)

// cutStore is one server's way to a store, which may be cut.
type cutStore struct {
	Store
	cut  atomic.Bool
	mute atomic.Bool // what is told arrives, and its answer does not
	deaf atomic.Bool // the same of the next end of a job alone
}

var errCut = job.E(job.Unavailable, "store", errors.New("the way to it is cut"), "")

func (s *cutStore) way() error {
	if s.cut.Load() {
		return errCut
	}
	return nil
}

func (s *cutStore) Pending(ctx context.Context, id job.ID, after int64, limit int) ([]store.Input, error) {
	if err := s.way(); err != nil {
		return nil, err
	}
	return s.Store.Pending(ctx, id, after, limit)
}

func (s *cutStore) Start(ctx context.Context, id job.ID, epoch int64, at time.Time) error {
	if err := s.way(); err != nil {
		return err
	}
	return s.Store.Start(ctx, id, epoch, at)
}

func (s *cutStore) Finish(ctx context.Context, o store.Outcome) error {
	if err := s.way(); err != nil {
		return err
	}
	err := s.Store.Finish(ctx, o)
	if s.mute.Load() {
		return errCut
	}
	return err
}

func (s *cutStore) Step(ctx context.Context, id job.ID, epoch int64, st job.Step) error {
	if err := s.way(); err != nil {
		return err
	}
	return s.Store.Step(ctx, id, epoch, st)
}

func (s *cutStore) Note(i store.Interim) {
	if s.way() == nil {
		s.Store.Note(i)
	}
}

func (s *cutStore) End(ctx context.Context, e store.Ending) error {
	if err := s.way(); err != nil {
		return err
	}
	err := s.Store.End(ctx, e)
	if s.mute.Load() || s.deaf.CompareAndSwap(true, false) {
		return errCut
	}
	return err
}

func (s *cutStore) Claim(ctx context.Context, owner string, lease time.Duration) ([]store.Job, error) {
	if err := s.way(); err != nil {
		return nil, err
	}
	return s.Store.Claim(ctx, owner, lease)
}

func (s *cutStore) Renew(ctx context.Context, owner string, lease time.Duration, held map[job.ID]int64) (lost, cancels []job.ID, err error) {
	if err := s.way(); err != nil {
		return nil, nil, err
	}
	return s.Store.Renew(ctx, owner, lease, held)
}

// second starts another scheduler over the same store and nodes, until the test
// ends.
func (r *rig) second(owner string, st Store) *Scheduler {
	return r.secondOf(Config{}, owner, st)
}

// secondOf is second, of another configuration.
func (r *rig) secondOf(cfg Config, owner string, st Store) *Scheduler {
	cfg.Seed, cfg.Owner = 2, owner
	s := New(cfg, r.open, r.fleet, st, slog.New(slog.NewTextHandler(r.t.Output(), nil)))
	for i := range r.fleet.nodes {
		s.NodeChanged(i, policy.Node{ID: r.fleet.ID(i), Up: true})
	}
	ctx, cancel := context.WithCancel(r.t.Context())
	ended := make(chan error)
	go func() { ended <- s.Run(ctx) }()
	r.t.Cleanup(func() {
		cancel()
		require.NoError(r.t, <-ended)
	})
	<-s.ready
	return s
}

func TestScheduler_AnotherServerTakesOverWhatALostOneHad(t *testing.T) {
	inBubble(t, Config{Window: 10, Owner: "a"}, []node{takes(time.Second)}, func(t *testing.T, r *rig) {
		const n = 200
		r.folder("/data", n)
		id := r.submit(job.Spec{Source: "/data"})
		b := r.second("b", r.store)
		time.Sleep(3500 * time.Millisecond)
		require.Equal(t, int64(30), r.now(id).Done)
		r.way.cut.Store(true)
		start := time.Now()
		for b.active(id) == nil {
			time.Sleep(100 * time.Millisecond)
		}
		require.LessOrEqual(t, time.Since(start), 10*time.Second)
		r.way.cut.Store(false) // the first one is back, with what it did meanwhile
		time.Sleep(3 * time.Second)
		require.Nil(t, r.active(id), "it has seen that the job is another's")
		var last job.Job
		events, err := r.Watch(t.Context(), id, job.NoSteps)
		require.NoError(t, err)
		for e := range events {
			last = e.Job
		}
		require.Equal(t, job.Succeeded, last.State)
		require.Equal(t, int64(n), last.Done)
		require.Equal(t, int64(n), last.Nodes[0].Done, "none counted twice")
	})
}

func TestScheduler_AJobIsCancelledThroughAnyServer(t *testing.T) {
	inBubble(t, Config{Owner: "a"}, []node{takes(time.Second)}, func(t *testing.T, r *rig) {
		r.folder("/data", 10_000)
		id := r.submit(job.Spec{Source: "/data"})
		b := r.second("b", r.store)
		require.NoError(t, b.Cancel(t.Context(), id))
		require.Equal(t, job.Cancelled, r.wait(id).State)
		require.LessOrEqual(t, r.now(id).Elapsed(time.Now()), 2*time.Second)
	})
}

func TestScheduler_AStoreThatFailsCostsTimeAndNoWork(t *testing.T) {
	inBubble(t, Config{Window: 10, Owner: "a"}, []node{takes(time.Second)}, func(t *testing.T, r *rig) {
		r.folder("/data", 100)
		id := r.submit(job.Spec{Source: "/data"})
		time.Sleep(3500 * time.Millisecond)
		r.way.cut.Store(true)
		time.Sleep(5 * time.Second)
		j := r.now(id)
		require.Equal(t, int64(30), j.Done, "nothing counts that is not kept")
		require.GreaterOrEqual(t, j.Parked, int64(10))
		require.LessOrEqual(t, j.Parked, int64(20), "bounded")
		require.Equal(t, "its end cannot be kept: the way to it is cut", j.Waiting)
		r.way.cut.Store(false)
		require.Equal(t, int64(100), r.wait(id).Done)
		require.Len(t, r.fleet.sent(), 100, "no task is done twice")
	})
}

func TestScheduler_CancelSurvivesARestart(t *testing.T) {
	inBubble(t, Config{Owner: "a"}, []node{hangs}, func(t *testing.T, r *rig) {
		r.folder("/data", 10)
		id := r.submit(job.Spec{Source: "/data"})
		time.Sleep(time.Second)
		r.way.cut.Store(true)
		require.NoError(t, r.Cancel(t.Context(), id))
		r.stop()
		r.way.cut.Store(false)
		b := r.second("a", r.store)
		events, err := b.Watch(t.Context(), id, job.NoSteps)
		require.NoError(t, err)
		var last job.Job
		for e := range events {
			last = e.Job
		}
		require.Equal(t, job.Cancelled, last.State)
		require.Len(t, r.fleet.sent(), 10, "nothing is sent again")
	})
}

func TestScheduler_RetryRunsWhatIsNotDone(t *testing.T) {
	broken := atomic.Bool{}
	broken.Store(true)
	half := func(ctx context.Context, task job.Task) (job.Result, error) {
		if broken.Load() && task.Index%2 == 1 {
			return fails(job.DataLoss)(ctx, task)
		}
		return good(ctx, task)
	}
	inBubble(t, Config{}, []node{half}, func(t *testing.T, r *rig) {
		j := r.run(10, job.Spec{})
		require.Equal(t, []int64{5, 5}, []int64{j.Done, j.Failed})
		tasks, err := r.Tasks(t.Context(), j.ID, job.TaskFilter{After: -1, States: []job.TaskState{job.TaskFailed}})
		require.NoError(t, err)
		require.Len(t, tasks, 5)
		require.Equal(t, "a1.png", tasks[0].Name)
		require.Len(t, tasks[0].Attempts, 1, "the end is no further attempt")
		require.Equal(t, job.NodeID("node_0"), tasks[0].Attempts[0].Node)
		require.Equal(t, job.DataLoss, tasks[0].Attempts[0].Err.Code)
		broken.Store(false)
		synctest.Wait()
		require.NoError(t, r.Retry(t.Context(), j.ID))
		require.Equal(t, job.Succeeded, r.wait(j.ID).State)
		require.Len(t, r.fleet.sent(), 15)
		synctest.Wait()
		err = r.Retry(t.Context(), j.ID)
		require.Equal(t, job.FailedPrecondition, job.CodeOf(err))
		require.Equal(t, job.NotFound, job.CodeOf(r.Retry(t.Context(), "none")))
	})
}

func TestScheduler_TasksGoToNodesWithTheTags(t *testing.T) {
	inBubble(t, Config{}, []node{good, good, good}, func(t *testing.T, r *rig) {
		for i, tags := range [][]string{{"gpu"}, {"gpu", "big"}, nil} {
			r.NodeChanged(i, policy.Node{ID: r.fleet.ID(i), Up: true, Tags: tags})
		}
		for _, name := range policy.Names() {
			j := r.run(30, job.Spec{Tags: []string{"big", "gpu"}, Policy: name})
			require.Equal(t, int64(30), j.Done)
			require.Len(t, j.Nodes, 1)
			require.Equal(t, job.NodeID("node_1"), j.Nodes[0].Node)
		}
		r.folder("/data", 1)
		id := r.submit(job.Spec{Source: "/data", Tags: []string{"fast"}})
		time.Sleep(30 * time.Second)
		require.Equal(t, "no node has the tags fast", r.now(id).Waiting)
		r.NodeChanged(2, policy.Node{ID: r.fleet.ID(2), Up: true, Tags: []string{"fast"}})
		require.Equal(t, job.Succeeded, r.wait(id).State, "as soon as one has")
	})
}

func TestScheduler_LostAnswersOfTheStoreLoseNoTask(t *testing.T) {
	inBubble(t, Config{Window: 10, Owner: "a"}, []node{takes(time.Second)}, func(t *testing.T, r *rig) {
		r.folder("/data", 50)
		id := r.submit(job.Spec{Source: "/data"})
		time.Sleep(1500 * time.Millisecond)
		r.way.mute.Store(true)
		time.Sleep(time.Second)
		r.way.mute.Store(false)
		j := r.wait(id)
		require.Equal(t, job.Succeeded, j.State)
		require.Equal(t, int64(50), j.Done)
		require.Len(t, r.fleet.sent(), 50)
	})
}

func TestScheduler_AServerThatLosesAJobToItselfGoesOn(t *testing.T) {
	inBubble(t, Config{Window: 10, Owner: "a"}, []node{takes(time.Second)}, func(t *testing.T, r *rig) {
		r.folder("/data", 50)
		id := r.submit(job.Spec{Source: "/data"})
		time.Sleep(1500 * time.Millisecond)
		require.NoError(t, r.store.Release(t.Context(), "a"))
		_, err := r.store.Claim(t.Context(), "a", time.Minute)
		require.NoError(t, err)
		for j := r.now(id); !j.State.Final(); j = r.now(id) {
			time.Sleep(time.Second)
		}
		require.Equal(t, int64(50), r.now(id).Done)
	})
}

func TestScheduler_AnEndWhoseConfirmationWasLostIsToldAsItIs(t *testing.T) {
	for _, state := range []job.State{job.Succeeded, job.Failed, job.Cancelled} {
		t.Run(string(state), func(t *testing.T) {
			answer := map[job.State]node{job.Succeeded: good, job.Failed: fails(job.DataLoss), job.Cancelled: hangs}[state]
			inBubble(t, Config{Owner: "a"}, []node{answer}, func(t *testing.T, r *rig) {
				r.way.deaf.Store(true)
				r.folder("/data", 3)
				r.submit(job.Spec{ID: "j", Source: "/data"})
				if state == job.Cancelled {
					require.NoError(t, r.Cancel(t.Context(), "j"))
				}
				require.Equal(t, state, r.wait("j").State)
				synctest.Wait()
				require.Equal(t, state, r.now("j").State)
				require.False(t, r.way.deaf.Load(), "the confirmation was lost")
			})
		})
	}
}

func TestWatch_FollowsTheJobToAnotherServer(t *testing.T) {
	inBubble(t, Config{Window: 10, Owner: "a"}, []node{takes(time.Second)}, func(t *testing.T, r *rig) {
		r.folder("/data", 200)
		id := r.submit(job.Spec{Source: "/data"})
		r.second("b", r.store)
		events, err := r.Watch(t.Context(), id, job.NoSteps)
		require.NoError(t, err)
		time.Sleep(1500 * time.Millisecond)
		r.way.cut.Store(true)
		time.Sleep(15 * time.Second)
		r.way.cut.Store(false)
		var last job.Job
		for e := range events {
			last = e.Job
		}
		require.Equal(t, job.Succeeded, last.State)
		require.Equal(t, int64(200), last.Done)
	})
}

func TestScheduler_AJobIsRetriedAsSoonAsItsEndIsTold(t *testing.T) {
	inBubble(t, Config{}, []node{fails(job.DataLoss)}, func(t *testing.T, r *rig) {
		r.folder("/data", 1)
		id := r.submit(job.Spec{Source: "/data"})
		for range 20 {
			require.Equal(t, job.Failed, r.wait(id).State)
			start := time.Now()
			require.NoError(t, r.Retry(t.Context(), id))
			require.Equal(t, job.Failed, r.wait(id).State)
			require.Less(t, time.Since(start), time.Second, "no lease has to lapse first")
			require.NoError(t, r.Retry(t.Context(), id))
		}
		r.wait(id)
	})
}
