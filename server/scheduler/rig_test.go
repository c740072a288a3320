package scheduler

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
	"spillway/server/policy"
	"spillway/server/store"
)

// rig is a scheduler that runs over a fake fleet and folders in memory, in a
// bubble of its own: time is virtual, and the test fails if a goroutine is left.
type rig struct {
	t *testing.T
	*Scheduler
	fleet *fleet
	store Store     // what is kept
	way   *cutStore // the scheduler's own way there
	reads *readers  // what it reads
	stop  func()    // ends Run and waits for it

	mu      sync.Mutex
	folders map[string]func() *folder
	opened  []*folder
}

// inBubble runs a scheduler over nodes while the test does.
func inBubble(t *testing.T, cfg Config, nodes []node, test func(t *testing.T, r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		if cfg.Seed == 0 {
			cfg.Seed = 1
		}
		cfg.Policy = cmp.Or(cfg.Policy, "balance") // the one that promises least
		r := &rig{t: t, fleet: &fleet{nodes: nodes}, folders: map[string]func() *folder{}, store: store.NewMemory()}
		r.reads = &readers{Store: r.store}
		r.way = &cutStore{Store: r.reads}
		r.Scheduler = New(cfg, r.open, r.fleet, r.way, slog.New(slog.NewTextHandler(t.Output(), nil)))
		for i := range nodes {
			r.set(i, true)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- r.Run(ctx) }()
		r.stop = sync.OnceFunc(func() {
			cancel()
			require.NoError(t, <-ended)
		})
		func() {
			defer r.stop()
			test(t, r)
		}()
		synctest.Wait()
		for _, f := range r.opened {
			require.Equal(t, 1, f.closed, "each folder is closed once")
		}
		require.Zero(t, r.fleet.out, "no attempt outlives Run")
	})
}

// set tells whether node i is up.
func (r *rig) set(i int, up bool) {
	r.NodeChanged(i, policy.Node{ID: r.fleet.ID(i), Up: up})
}

// folder adds a folder of n inputs: a0.png, a1.png, …
func (r *rig) folder(path string, n int) {
	r.folders[path] = func() *folder { return &folder{base: path, n: n, breaksAt: -1} }
}

func (r *rig) open(path string, _ job.Operation) (Source, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	maker, ok := r.folders[path]
	if !ok {
		return nil, job.E(job.NotFound, "open "+path, fmt.Errorf("no such folder"), "")
	}
	f := maker()
	r.opened = append(r.opened, f)
	return f, nil
}

// submit starts a job.
func (r *rig) submit(spec job.Spec) job.ID {
	r.t.Helper()
	id, err := r.Submit(r.t.Context(), spec)
	require.NoError(r.t, err)
	return id
}

// run starts a job over n inputs and returns it as it ended.
func (r *rig) run(n int, spec job.Spec) job.Job {
	r.t.Helper()
	r.folder("/data", n)
	spec.Source = "/data"
	return r.wait(r.submit(spec))
}

// wait returns the job as it ended.
func (r *rig) wait(id job.ID) job.Job {
	r.t.Helper()
	events, err := r.Watch(r.t.Context(), id, job.NoSteps)
	require.NoError(r.t, err)
	var last job.Job
	for e := range events {
		requireConsistent(r.t, e.Job)
		last = e.Job
	}
	require.True(r.t, last.State.Final())
	return last
}

// now is the job as it stands.
func (r *rig) now(id job.ID) job.Job {
	r.t.Helper()
	j, err := r.Job(r.t.Context(), id)
	require.NoError(r.t, err)
	requireConsistent(r.t, j)
	return j
}

// requireConsistent checks what holds of every snapshot.
func requireConsistent(t *testing.T, j job.Job) {
	t.Helper()
	var done int64
	for _, n := range j.Nodes {
		done += n.Done
		require.LessOrEqual(t, n.Delayed, n.Done)
	}
	require.Equal(t, j.Done, done, "the nodes' rows add up")
	require.LessOrEqual(t, j.Parked, j.Running)
	if joining := strings.HasPrefix(j.Waiting, "joining "); joining {
		require.Zero(t, j.Running)
		require.False(t, j.State.Final())
	} else {
		require.Equal(t, j.Parked > 0, j.Waiting != "")
	}
	require.LessOrEqual(t, len(j.Failures), job.MaxFailures)
	if j.Counted {
		require.LessOrEqual(t, j.Ended()+j.Running, j.Total)
	}
	if j.State.Final() {
		require.Zero(t, j.Running)
		require.False(t, j.Finished.Before(j.Started))
		if j.Counted && j.State != job.Cancelled {
			require.Equal(t, j.Total, j.Ended(), "every task is accounted for")
		}
		if j.State == job.Succeeded || j.Err == nil || !strings.HasPrefix(j.Err.Op, "join ") {
			require.Equal(t, j.State == job.Succeeded, j.Counted && j.Done == j.Total && j.State != job.Cancelled)
		}
		require.Len(t, j.Failures, int(min(j.Failed+j.Quarantined, job.MaxFailures)))
	}
}

// node answers attempts.
type node func(ctx context.Context, t job.Task) (job.Result, error)

func good(context.Context, job.Task) (job.Result, error) { return job.Result{}, nil }
func rejects(context.Context, job.Task) (job.Result, error) {
	return fails(job.ResourceExhausted)(nil, job.Task{})
}

// takes does each task in so long.
func takes(d time.Duration) node {
	return func(ctx context.Context, _ job.Task) (job.Result, error) {
		select {
		case <-time.After(d):
			return job.Result{}, nil
		case <-ctx.Done():
			return job.Result{}, ctx.Err()
		}
	}
}

// fails answers with an error of that code.
func fails(code job.Code) node {
	return func(context.Context, job.Task) (job.Result, error) {
		return job.Result{}, job.E(code, "", fmt.Errorf("says %s", code), "")
	}
}

// refuses was never reached.
func refuses(context.Context, job.Task) (job.Result, error) {
	return job.Result{}, job.E(job.Unavailable, "", fmt.Errorf("connection refused: %w", job.ErrNotSent), "")
}

// hangs until nobody wants the answer.
func hangs(ctx context.Context, _ job.Task) (job.Result, error) {
	<-ctx.Done()
	return job.Result{}, ctx.Err()
}

// hangsFor is lost after a while, as a node that the cluster gives up.
func hangsFor(d time.Duration) node {
	return func(ctx context.Context, t job.Task) (job.Result, error) {
		ctx, cancel := context.WithTimeout(ctx, d)
		defer cancel()
		<-ctx.Done()
		return fails(job.Unavailable)(ctx, t)
	}
}

// answers gives the first answer to the first attempt, and so on; the last stays.
func answers(all ...node) node {
	var mu sync.Mutex
	return func(ctx context.Context, t job.Task) (job.Result, error) {
		mu.Lock()
		next := all[0]
		if len(all) > 1 {
			all = all[1:]
		}
		mu.Unlock()
		return next(ctx, t)
	}
}

// fleet records what is sent.
type fleet struct {
	nodes      []node
	operations []job.OperationInfo
	forgetful  bool // keeps no record of what was sent

	mu    sync.Mutex
	sends []send
	out   int // attempts out now
	most  int // attempts out at once
}

type send struct {
	node    int
	at      time.Time
	attempt int
	task    string
}

func (f *fleet) Len() int                        { return len(f.nodes) }
func (f *fleet) ID(i int) job.NodeID             { return job.NodeID(fmt.Sprintf("node_%d", i)) }
func (f *fleet) Operations() []job.OperationInfo { return f.operations }
func (f *fleet) Trouble() string                 { return "no node answers" }

func (f *fleet) Execute(ctx context.Context, i int, t job.Task) (job.Result, error) {
	f.mu.Lock()
	if !f.forgetful {
		f.sends = append(f.sends, send{i, time.Now(), t.Attempt, t.Name})
	}
	f.out++
	f.most = max(f.most, f.out)
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		f.out--
		f.mu.Unlock()
	}()
	return f.nodes[i](ctx, t)
}

func (f *fleet) Probe(context.Context, int) (job.Load, error) { return job.Load{Slots: 1}, nil }

// sent is a copy of what was sent so far.
func (f *fleet) sent() []send {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.sends)
}

// folder is a source in memory.
type folder struct {
	base     string
	n        int
	breaksAt int           // Inputs fails after so many; -1: never
	countErr error         // Count fails
	counting time.Duration // Count takes so long
	cleanErr error         // Clean fails
	splits   []job.Step
	names    []string // of the tasks, instead of n that are made up

	mu      sync.Mutex
	listed  int
	closed  int
	cleaned []string // of these prefixes
}

func (f *folder) Base() string { return f.base }

func (f *folder) Count(ctx context.Context) (inputs, others int64, err error) {
	select {
	case <-ctx.Done():
		return 0, 0, ctx.Err()
	case <-time.After(f.counting):
	}
	return int64(f.n), 0, f.countErr
}

func (f *folder) Inputs(_ context.Context, yield func(string) bool) error {
	for i := range f.n {
		if i == f.breaksAt {
			return job.E(job.Unavailable, "list "+f.base, fmt.Errorf("the disk broke"), "")
		}
		f.mu.Lock()
		f.listed++
		f.mu.Unlock()
		name := fmt.Sprintf("a%d.png", i)
		if f.names != nil {
			name = f.names[i]
		}
		if !yield(name) {
			return nil
		}
	}
	return nil
}

// Splits is what was said of the inputs.
func (f *folder) Splits() []job.Step { return slices.Clone(f.splits) }

// Clean is asked for what nodes may have left.
func (f *folder) Clean(_ context.Context, prefix string) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.cleaned = append(f.cleaned, prefix)
	return 1, f.cleanErr
}

func (f *folder) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed++
	return nil
}
