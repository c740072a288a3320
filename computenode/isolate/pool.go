package isolate

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"spillway/job"
)

// errStopped answers tasks that come when the pool has ended, or ends.
var errStopped = errors.New("the pool of child processes has stopped")

// Pool runs tasks in child processes, as many at once as it has children. A
// child that crashes, hangs or takes too much memory costs the one task that it
// has; another is started in its place. Req and Rep must be types that gob
// encodes. All methods may be called concurrently.
type Pool[Req, Rep any] struct {
	cfg       Config
	abandoned func(Req)
	log       *slog.Logger

	slots   []*slot
	idle    chan *slot    // those that have a child which waits for a task
	empty   chan *slot    // those that want a new child
	stopped chan struct{} // closed when the pool ends
	calls   sync.WaitGroup
	own     sync.WaitGroup // goroutines that the pool started

	mu      sync.Mutex
	closed  bool          // guarded by mu
	failing int           // guarded by mu: slots whose last child did not start
	down    chan struct{} // guarded by mu: closed while every slot is failing
	downErr error         // guarded by mu: why
}

// slot is the place of one child. It is either in one of the pool's queues or in
// the hands of one goroutine, which alone may touch all but child.
type slot struct {
	mu       sync.Mutex
	child    *child // guarded by mu
	failures int    // children in a row that did not start
}

// New makes a pool; Run starts it. abandoned, unless it is nil, is called for
// each task whose caller went away while a child had it, once the child surely
// touches it no more. A cfg that is not valid fails in Run.
func New[Req, Rep any](cfg Config, abandoned func(Req), log *slog.Logger) *Pool[Req, Rep] {
	if abandoned == nil {
		abandoned = func(Req) {}
	}
	p := &Pool[Req, Rep]{
		cfg: cfg.withDefaults(), abandoned: abandoned, log: log,
		stopped: make(chan struct{}), down: make(chan struct{}),
	}
	size := max(p.cfg.Size, 1)
	p.idle, p.empty = make(chan *slot, size), make(chan *slot, size)
	for range size {
		s := &slot{}
		p.slots = append(p.slots, s)
		p.empty <- s
	}
	return p
}

// Run starts the children, replaces those that die, and blocks until ctx ends.
// Then tasks in hand may finish within the grace; children that are left are
// killed, and none is left when it returns. It may be called once.
//
// Errors: InvalidArgument for a cfg that is not valid; nil when ctx ended.
func (p *Pool[Req, Rep]) Run(ctx context.Context) error {
	if err := p.cfg.Validate(); err != nil {
		return err
	}
	// The kernel kills a child when the thread that started it ends, so every
	// child is started from here, on a thread that stays.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for {
		select {
		case s := <-p.empty:
			p.start(s)
		case <-ctx.Done():
			p.shutdown()
			return nil
		}
	}
}

// hasStopped reports whether the pool ends or has ended.
func (p *Pool[Req, Rep]) hasStopped() bool {
	select {
	case <-p.stopped:
		return true
	default:
		return false
	}
}

// shutdown ends every child and waits for every goroutine and call.
func (p *Pool[Req, Rep]) shutdown() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	close(p.stopped)
	timer := time.AfterFunc(p.cfg.Grace, func() { p.each((*child).kill) })
	defer timer.Stop()
	p.each(func(c *child) { c.requests.Close() })
	p.calls.Wait()
	p.own.Wait()
	p.each((*child).close)
}

// each calls do with every child there is.
func (p *Pool[Req, Rep]) each(do func(*child)) {
	for _, s := range p.slots {
		s.mu.Lock()
		c := s.child
		s.mu.Unlock()
		if c != nil {
			do(c)
		}
	}
}

// unavailable is the error of a pool that cannot take a task.
func unavailable(err error, hint string) error {
	return job.E(job.Unavailable, "", err, hint)
}
