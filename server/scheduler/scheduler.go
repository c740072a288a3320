// Package scheduler runs jobs: a goroutine for each task in flight picks a node,
// sends, retries elsewhere, and finishes. It implements [job.Service].
//
// What must not be lost is in its store before anybody is told of it; what it
// holds in memory can be had again from there.
package scheduler

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"spillway/job"
	"spillway/server/policy"
)

// Fleet is the nodes that attempts are sent to, known by their index.
type Fleet interface {
	// Len is the number of nodes that there ever were: indices below it are known.
	// It only grows.
	Len() int
	// ID is the name of node i.
	ID(i int) job.NodeID
	// Execute sends one attempt, as [job.Worker] promises.
	Execute(ctx context.Context, i int, t job.Task) (job.Result, error)
	// Probe asks node i for its load.
	Probe(ctx context.Context, i int) (job.Load, error)
	// Operations are those that some node offers; none while no node has told.
	Operations() []job.OperationInfo
	// Trouble says in one line why no node can be used.
	Trouble() string
}

// Source is a job's folder, opened.
type Source interface {
	// Base is the absolute path of the folder.
	Base() string
	// Count counts the inputs, and what else lies among them.
	Count(ctx context.Context) (inputs, others int64, err error)
	// Inputs calls yield with each input's name until it returns false.
	Inputs(ctx context.Context, yield func(name string) bool) error
	// Splits tells how the inputs that Inputs came to were split.
	Splits() []job.Step
	// Clean removes the outputs whose names begin with prefix, and counts them.
	Clean(ctx context.Context, prefix string) (removed int, err error)
	Close() error
}

// Opener opens the folder of a job with an operation, or says why it cannot.
type Opener func(path string, op job.Operation) (Source, error)

// Scheduler runs jobs. It may be used concurrently.
type Scheduler struct {
	cfg    Config
	open   Opener
	fleet  Fleet
	store  Store
	log    *slog.Logger
	window *shares
	line   *line
	wake   chan struct{} // holds a token when begun has grown
	ready  chan struct{} // closed once Run has taken over what was left behind
	// life is the context of what is told to the store: it outlives the jobs, so
	// that what they did is kept.
	life    func() context.Context
	probing chan struct{} // one element for each probe that is out
	probes  sync.WaitGroup

	mu          sync.Mutex // guards what follows
	jobs        map[job.ID]*record
	begun       []*record // for Run to run
	stopped     bool
	past        []past // the latest that have ended here
	leftJobs    int    // handed back when this server stopped
	leftTasks   int64  // theirs that had not ended
	dispatchers map[string]*dispatcher
	members     []policy.Node
	barred      map[string]*policy.Set // by tags, the members that lack one; until a member changes
	up          int                    // members that answer
	renewed     time.Time              // when the leases were last known to hold
}

var _ job.Service = (*Scheduler)(nil)

// New makes a scheduler; Run lets it work, and submissions wait for that.
func New(cfg Config, open Opener, fleet Fleet, st Store, log *slog.Logger) *Scheduler {
	cfg = cfg.withDefaults()
	return &Scheduler{
		cfg: cfg, open: open, fleet: fleet, store: st, log: log,
		window:      newShares(cfg.Window),
		line:        &line{most: cfg.Jobs},
		wake:        make(chan struct{}, 1),
		probing:     make(chan struct{}, maxProbes),
		ready:       make(chan struct{}),
		life:        context.Background,
		jobs:        map[job.ID]*record{},
		dispatchers: map[string]*dispatcher{},
		members:     make([]policy.Node, fleet.Len()),
		barred:      map[string]*policy.Set{},
		renewed:     time.Now(),
	}
}

// Ready is closed once Run has taken over the jobs that a server left behind.
func (s *Scheduler) Ready() <-chan struct{} { return s.ready }

// lastWords is how long what jobs did may take to be kept, once they have ended
// with the server.
const lastWords = 2 * time.Second

// Run runs the jobs that are submitted, and those that a server left behind, until
// ctx ends. Then it sends nothing any more, lets what runs finish for the grace
// time, and hands the jobs that have not ended back to the store. It returns when
// nothing of theirs runs any more.
//
// Errors: Unavailable (the store, when it begins).
func (s *Scheduler) Run(ctx context.Context) error {
	life, die := context.WithCancelCause(context.WithoutCancel(ctx))
	defer die(nil)
	s.mu.Lock()
	s.life = func() context.Context { return life }
	s.mu.Unlock()
	// A server of this name may have died before it could give its leases up.
	if err := s.store.Release(ctx, s.cfg.Owner); err != nil {
		return err
	}
	if err := s.claim(ctx); err != nil {
		return err
	}
	close(s.ready)
	var wg, chores sync.WaitGroup
	tending, rest := context.WithCancel(life)
	defer rest()
	chores.Go(func() { s.lookAfter(tending) })
	chores.Go(func() { s.sweep(tending) })
	for ctx.Err() == nil {
		select {
		case <-s.wake:
			s.runBegun(&wg)
		case <-ctx.Done():
		}
	}
	s.mu.Lock()
	s.stopped = true // and nothing begins any more
	s.mu.Unlock()
	s.runBegun(&wg)
	s.each(func(r *record) { r.hold(errStopped) })
	cut := time.AfterFunc(s.cfg.Grace, func() { s.each(func(r *record) { r.stop(errStopped) }) })
	defer cut.Stop()
	last := time.AfterFunc(s.cfg.Grace+lastWords, func() { die(errStopped) })
	defer last.Stop()
	wg.Wait()
	rest()
	chores.Wait()
	s.probes.Wait()
	s.handBack(context.WithoutCancel(ctx))
	return nil
}

// runBegun runs the jobs that have begun meanwhile.
func (s *Scheduler) runBegun(wg *sync.WaitGroup) {
	s.mu.Lock()
	begun := s.begun
	s.begun = nil
	s.mu.Unlock()
	for _, r := range begun {
		wg.Go(func() { s.runJob(r) })
	}
}

// each calls f with every job that has not ended.
func (s *Scheduler) each(f func(*record)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.jobs {
		f(r)
	}
}
