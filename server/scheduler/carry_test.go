package scheduler

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
)

// carriers opens folders in memory.
type carriers struct {
	refuse error

	mu        sync.Mutex
	opened    int
	closed    int
	committed map[string]int // by input name
	discarded int
	commit    func(name string) error
}

func (c *carriers) open(string, job.ID) (Carrier, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refuse != nil {
		return nil, c.refuse
	}
	c.opened++
	return c, nil
}

func (c *carriers) Marker() string { return "marker" }

// Pixels makes the inputs of one job ever larger.
func (c *carriers) Pixels(name string) int64 {
	n, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimPrefix(name, "a"), ".png"), 10, 64)
	return 1000 * (n + 1)
}

func (c *carriers) Parcel(name string) Parcel { return &fakeParcel{c: c, name: name} }

func (c *carriers) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed++
	return nil
}

type fakeParcel struct {
	job.Content
	c    *carriers
	name string
}

func (p *fakeParcel) Commit() error {
	p.c.mu.Lock()
	defer p.c.mu.Unlock()
	if p.c.commit != nil {
		if err := p.c.commit(p.name); err != nil {
			return err
		}
	}
	if p.c.committed == nil {
		p.c.committed = map[string]int{}
	}
	p.c.committed[p.name]++
	return nil
}

func (p *fakeParcel) Discard() {
	p.c.mu.Lock()
	defer p.c.mu.Unlock()
	p.c.discarded++
}

func TestScheduler_OnlyAnAttemptThatCountsCommitsItsFiles(t *testing.T) {
	c := &carriers{}
	sees := func(ctx context.Context, t job.Task) (job.Result, error) {
		if t.Marker != "marker" || t.Content == nil {
			return fails(job.DataLoss)(ctx, t)
		}
		return job.Result{}, nil
	}
	nodes := []node{sees, answers(fails(job.Unavailable), sees), answers(rejects, sees)}
	inBubble(t, Config{Carry: c.open}, nodes, func(t *testing.T, r *rig) {
		j := r.run(30, job.Spec{})
		require.Equal(t, job.Succeeded, j.State)
		require.Len(t, c.committed, 30)
		for name, times := range c.committed {
			require.Equal(t, 1, times, name)
		}
		require.Greater(t, c.discarded, 30, "those that failed were discarded, too")
		require.Equal(t, 1, c.opened)
		require.Equal(t, 1, c.closed)
	})
}

func TestScheduler_CancelledJobCommitsNothingMore(t *testing.T) {
	c := &carriers{}
	released := make(chan struct{})
	stubborn := func(context.Context, job.Task) (job.Result, error) { // answers well, and too late
		<-released
		return job.Result{}, nil
	}
	inBubble(t, Config{Carry: c.open}, []node{stubborn}, func(t *testing.T, r *rig) {
		released = make(chan struct{}) // of the bubble
		r.folder("/data", 1)
		id := r.submit(job.Spec{Source: "/data"})
		synctest.Wait()
		require.NoError(t, r.Cancel(t.Context(), id))
		close(released)
		require.Equal(t, job.Cancelled, r.wait(id).State)
		require.Empty(t, c.committed)
		require.Equal(t, c.opened, c.closed)
	})
}

func TestScheduler_OutputThatCannotBeNamedFailsTheAttempt(t *testing.T) {
	once := true
	c := &carriers{commit: func(string) error {
		if once {
			once = false
			return job.E(job.Unavailable, "", errors.New("the server's disk is full"), "")
		}
		return nil
	}}
	inBubble(t, Config{Carry: c.open}, []node{good, good}, func(t *testing.T, r *rig) {
		j := r.run(1, job.Spec{})
		require.Equal(t, job.Succeeded, j.State)
		require.Len(t, r.fleet.sends, 2)
		require.Equal(t, 1, c.committed["a0.png"])
	})
}

func TestScheduler_FolderThatCannotBeCarriedForAMomentIsWaitedFor(t *testing.T) {
	c := &carriers{refuse: job.E(job.Unavailable, "", errors.New("the disk is full"), "")}
	blind := func(ctx context.Context, t job.Task) (job.Result, error) {
		if t.Marker == "" {
			return fails(job.Unavailable)(ctx, t)
		}
		return job.Result{}, nil
	}
	inBubble(t, Config{Carry: c.open}, []node{blind}, func(t *testing.T, r *rig) {
		time.AfterFunc(20*time.Second, func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.refuse = nil
		})
		require.Equal(t, job.Succeeded, r.run(3, job.Spec{}).State)
		require.Equal(t, 1, c.opened)
		require.Equal(t, 1, c.closed)
	})
}

func TestScheduler_FolderThatCannotBeCarriedIsWorkedOnInPlace(t *testing.T) {
	c := &carriers{refuse: job.E(job.PermissionDenied, "", errors.New("read-only"), "")}
	bare := func(ctx context.Context, t job.Task) (job.Result, error) {
		if t.Marker != "" || t.Content != nil {
			return fails(job.DataLoss)(ctx, t)
		}
		return job.Result{}, nil
	}
	inBubble(t, Config{Carry: c.open}, []node{bare}, func(t *testing.T, r *rig) {
		require.Equal(t, job.Succeeded, r.run(3, job.Spec{}).State)
	})
	c = &carriers{}
	inBubble(t, Config{Carry: c.open}, []node{bare}, func(t *testing.T, r *rig) {
		j := r.run(3, job.Spec{Operation: job.Operation{Name: job.NoOperation}})
		require.Equal(t, job.Succeeded, j.State)
		require.Zero(t, c.opened, "an operation that touches no file needs no marker")
	})
}

// A server that was cut off, or stood still, for longer than its lease finds that the
// job is another's before it touches an output.
func TestScheduler_LapsedLeaseCommitsNothing(t *testing.T) {
	c := &carriers{}
	inBubble(t, Config{Carry: c.open, Owner: "first", Lease: 6 * time.Second}, []node{takes(20 * time.Second)}, func(t *testing.T, r *rig) {
		r.folder("/data", 1)
		id := r.submit(job.Spec{Source: "/data"})
		synctest.Wait()
		r.way.cut.Store(true)
		second := r.second("second", r.store) // takes over when the lease has lapsed
		time.Sleep(25 * time.Second)          // the first attempt is answered at 20 s
		require.Empty(t, c.committed)
		r.way.cut.Store(false)
		j, err := r.Job(t.Context(), id)
		require.NoError(t, err)
		require.Zero(t, j.Running, "it tells of the job as the store has it, before it hears that it lost it")
		time.Sleep(10 * time.Second)
		require.Empty(t, c.committed, "the job is the other's")
		j, err = second.Job(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, job.Succeeded, j.State)
	})
}

func TestScheduler_AStoreThatIsAwayForShortDelaysTheOutputOnly(t *testing.T) {
	c := &carriers{}
	inBubble(t, Config{Carry: c.open, Lease: 6 * time.Second}, []node{takes(20 * time.Second)}, func(t *testing.T, r *rig) {
		r.folder("/data", 1)
		id := r.submit(job.Spec{Source: "/data"})
		synctest.Wait()
		r.way.cut.Store(true)
		time.Sleep(25 * time.Second)
		require.Empty(t, c.committed)
		r.way.cut.Store(false)
		require.Equal(t, job.Succeeded, r.wait(id).State)
		require.Equal(t, 1, c.committed["a0.png"])
		require.Len(t, r.fleet.sends, 1)
	})
}
