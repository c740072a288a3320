// Package scheduler runs jobs: a goroutine for each task in flight picks a node,
// sends, retries elsewhere, and finishes. It implements [job.Service].
package scheduler

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"spillway/job"
	"spillway/server/policy"
)

// Config of a scheduler. The zero value takes every default.
type Config struct {
	// Window bounds the tasks in flight, of all jobs together. Default 1024.
	Window int
	// Policy is used for a job that names none. Default "balance".
	Policy string
	// Breaks is how many nodes an input may break before it is quarantined.
	// Default 3.
	Breaks int
	// Stall is how long a job may go on while every node rejects it or none
	// answers. Default 1 min; negative: for ever.
	Stall time.Duration
	// Keep is how many ended jobs are remembered. Default 1000.
	Keep int
	// MaxJobs bounds the jobs that have not ended. Default 1000.
	MaxJobs int
	// Seed makes the choices of nodes reproducible. Default: from the clock.
	Seed uint64
}

// Validate reports the first value that cannot be used.
func (c Config) Validate() error {
	for name, n := range map[string]int{"window": c.Window, "breaks": c.Breaks, "keep": c.Keep, "max-jobs": c.MaxJobs} {
		if n < 0 {
			return job.E(job.InvalidArgument, name, fmt.Errorf("%d is negative", n), "use a positive number")
		}
	}
	if c.Policy == "" {
		return nil
	}
	_, err := policy.New(c.Policy)
	return err
}

func (c Config) withDefaults() Config {
	def := func(n *int, d int) {
		if *n == 0 {
			*n = d
		}
	}
	def(&c.Window, 1024)
	def(&c.Breaks, 3)
	def(&c.Keep, 1000)
	def(&c.MaxJobs, 1000)
	if c.Policy == "" {
		c.Policy = "balance"
	}
	if c.Stall == 0 {
		c.Stall = time.Minute
	}
	if c.Seed == 0 {
		c.Seed = uint64(time.Now().UnixNano())
	}
	return c
}

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
	// Count counts the inputs.
	Count(ctx context.Context) (int64, error)
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

// Submit implements job.Service.
func (s *Scheduler) Submit(_ context.Context, spec job.Spec) (job.ID, error) {
	if err := s.complete(&spec); err != nil {
		return "", err
	}
	if known, err := s.known(spec); known || err != nil {
		return spec.ID, err
	}
	source, err := s.open(spec.Source)
	if err != nil {
		return "", err
	}
	r := newRecord(spec, source)
	added, err := s.add(r)
	if !added || err != nil {
		source.Close()
		return spec.ID, err
	}
	s.log.Info("job accepted", "job", spec.ID, "source", source.Base(), "op", spec.Operation.String(), "policy", spec.Policy)
	return spec.ID, nil
}

// complete fills the defaults of a submission in and checks it.
func (s *Scheduler) complete(spec *job.Spec) error {
	if spec.ID == "" {
		spec.ID = job.NewID()
	}
	if err := spec.ID.Check(); err != nil {
		return err
	}
	if spec.Policy == "" {
		spec.Policy = s.cfg.Policy
	}
	if _, err := policy.New(spec.Policy); err != nil {
		return err
	}
	if spec.Deadline < 0 {
		return job.E(job.InvalidArgument, "deadline", fmt.Errorf("%v is in the past", spec.Deadline), "use a positive duration, as in 90s or 10m")
	}
	if spec.Operation.Name == "" {
		spec.Operation.Name = job.DefaultOperation
	}
	spec.Operation.Params = maps.Clone(spec.Operation.Params) // the caller's own
	offered := s.fleet.Operations()
	if len(offered) == 0 {
		return nil // no node has told yet; the one that gets the task checks it
	}
	info, err := job.FindOperation(offered, spec.Operation)
	if err == nil {
		_, err = info.Check(spec.Operation)
	}
	return err
}

// known reports whether this very submission came before.
func (s *Scheduler) known(spec job.Spec) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.knownLocked(spec)
}

func (s *Scheduler) knownLocked(spec job.Spec) (bool, error) {
	r, ok := s.jobs[spec.ID]
	if !ok {
		return false, nil
	}
	if r.spec.Source != spec.Source || !r.spec.Operation.Equal(spec.Operation) ||
		r.spec.Policy != spec.Policy || r.spec.Deadline != spec.Deadline {
		return true, job.E(job.AlreadyExists, "job "+string(spec.ID),
			errors.New("another job has this id"), "submit without an id, or with a new one")
	}
	return true, nil
}

// add accepts the job, unless it is known or there are too many.
func (s *Scheduler) add(r *record) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known, err := s.knownLocked(r.spec); known {
		return false, err
	}
	if s.stopped {
		return false, job.E(job.Unavailable, "submit", errors.New("the server stops"), "submit again when it is back")
	}
	if s.active >= s.cfg.MaxJobs {
		return false, job.E(job.ResourceExhausted, "submit", fmt.Errorf("%d jobs run or wait", s.active), "wait until one has ended")
	}
	s.jobs[r.spec.ID] = r
	s.order = append(s.order, r)
	s.active++
	s.accept <- r // never full: it has room for every active job
	return true, nil
}

// forget drops the oldest ended jobs beyond those to keep.
func (s *Scheduler) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.active--
	surplus := len(s.order) - s.active - s.cfg.Keep
	if surplus <= 0 {
		return
	}
	kept := s.order[:0]
	for _, r := range s.order {
		if surplus > 0 && r.ended() {
			delete(s.jobs, r.spec.ID)
			surplus--
			continue
		}
		kept = append(kept, r)
	}
	clear(s.order[len(kept):])
	s.order = kept
}
