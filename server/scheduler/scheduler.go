// Package scheduler runs jobs: a goroutine for each task in flight picks a node,
// sends, retries elsewhere, and finishes. It implements [job.Service].
package scheduler

import (
	"context"
	"log/slog"
	"sync"

	"golang.org/x/sync/semaphore"

	"spillway/job"
	"spillway/server/policy"
)

// Fleet is the nodes that attempts are sent to, known by their index.
type Fleet interface {
	// Len is the number of nodes, fixed.
	Len() int
	// ID is the name of node i.
	ID(i int) job.NodeID
	// Execute sends one attempt, as [job.Worker] promises.
	Execute(ctx context.Context, i int, t job.Task) (job.Result, error)
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
	Close() error
}

// Opener opens the folder of a job, or says why it cannot.
type Opener func(path string) (Source, error)

// Scheduler runs jobs. It may be used concurrently.
type Scheduler struct {
	cfg    Config
	open   Opener
	fleet  Fleet
	log    *slog.Logger
	window *semaphore.Weighted
	accept chan *record

	mu          sync.Mutex // guards what follows
	jobs        map[job.ID]*record
	order       []*record // by submission
	active      int       // jobs that have not ended
	stopped     bool
	dispatchers map[string]*dispatcher
	members     []policy.Node
	up          int // members that answer
}

var _ job.Service = (*Scheduler)(nil)

// New makes a scheduler; Run lets it work.
func New(cfg Config, open Opener, fleet Fleet, log *slog.Logger) *Scheduler {
	cfg = cfg.withDefaults()
	return &Scheduler{
		cfg: cfg, open: open, fleet: fleet, log: log,
		window:      semaphore.NewWeighted(int64(cfg.Window)),
		accept:      make(chan *record, cfg.MaxJobs),
		jobs:        map[job.ID]*record{},
		dispatchers: map[string]*dispatcher{},
		members:     make([]policy.Node, fleet.Len()),
	}
}

// Run runs the jobs that are submitted until ctx ends; it then cancels those
// that have not ended and returns when nothing of theirs runs any more.
func (s *Scheduler) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	for {
		select {
		case r := <-s.accept:
			wg.Go(func() { s.runJob(ctx, r) })
			continue
		case <-ctx.Done():
		}
		break
	}
	s.mu.Lock()
	s.stopped = true
	s.mu.Unlock()
	for {
		select {
		case r := <-s.accept:
			wg.Go(func() { s.runJob(ctx, r) })
			continue
		default:
		}
		break
	}
	wg.Wait()
	return nil
}
