package isolate

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"spillway/job"
)

// tryElsewhere is the hint of every error that a single input may have caused.
const tryElsewhere = "if this input does it on every node, check the file"

// Do has a child do req, waiting for one that is free, and returns its answer.
// When ctx ends it returns at once; the child gets a short grace to finish, is
// killed after that, and its answer is dropped.
//
// Errors: the handler's own, as a job.Error; Internal where the child died, took
// too long or ran out of memory, saying which; Cancelled or DeadlineExceeded
// where ctx ended; Unavailable where no child starts or the pool has stopped.
// Before Run it waits.
func (p *Pool[Req, Rep]) Do(ctx context.Context, req Req) (Rep, error) {
	var none Rep
	if !p.enter() {
		return none, unavailable(errStopped, "")
	}
	defer p.calls.Done()
	for {
		s, err := p.take(ctx)
		if err != nil {
			return none, err
		}
		c := s.child // nobody changes it while we hold s
		if c.dead() {
			p.empty <- s
			continue
		}
		c.printed.reset()
		if err := c.out.encode(req); err != nil {
			p.discard(s)
			return none, job.E(job.Internal, "send the task to a child process", err, "")
		}
		if err := c.out.send(); err != nil {
			p.discard(s) // it died while it had nothing to do: the task is untouched
			continue
		}
		return p.await(ctx, s, req)
	}
}

// enter counts a call in, unless the pool ends.
func (p *Pool[Req, Rep]) enter() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.calls.Add(1)
	}
	return !p.closed
}

// take waits for a slot with a child that has nothing to do.
func (p *Pool[Req, Rep]) take(ctx context.Context) (*slot, error) {
	p.mu.Lock()
	down := p.down
	p.mu.Unlock()
	if ctx.Err() != nil {
		return nil, ended(ctx)
	}
	select {
	case s := <-p.idle:
		return s, nil
	case <-ctx.Done():
		return nil, ended(ctx)
	case <-p.stopped:
		return nil, unavailable(errStopped, "")
	case <-down:
		p.mu.Lock()
		defer p.mu.Unlock()
		return nil, unavailable(fmt.Errorf("no child process starts: %w", p.downErr), "see the node's log")
	}
}

// discard ends the child of s, which then wants another.
func (p *Pool[Req, Rep]) discard(s *slot) {
	s.child.bury()
	p.empty <- s
}

// await waits for the answer of the child of s to req.
func (p *Pool[Req, Rep]) await(ctx context.Context, s *slot, req Req) (Rep, error) {
	c := s.child
	_ = c.answers.SetReadDeadline(time.Now().Add(p.cfg.Timeout))
	woken := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		_ = c.answers.SetReadDeadline(time.Unix(1, 0))
		close(woken)
	})
	var a answer[Rep]
	err := p.receive(ctx, c, req, &a)
	if !stop() {
		<-woken // else it would strike the next task
	}
	switch {
	case err == nil:
		p.idle <- s
		return a.Rep, a.Err.err()
	case errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() != nil:
		p.own.Go(func() { p.linger(s, req) })
		return a.Rep, ended(ctx)
	}
	p.discard(s)
	return a.Rep, p.died(c, req, err)
}

// Mover is a request that may take longer than the pool's timeout, as long as it moves on.
type Mover interface {
	// Progress is how far it has come, in any unit; less than 0: the timeout holds.
	Progress() int64
}

// progress is that of a request.
func progress(req any) int64 {
	if m, ok := req.(Mover); ok {
		return m.Progress()
	}
	return -1
}

// receive waits for the answer to req: for the timeout, and again for as long as req has
// moved on meanwhile.
func (p *Pool[Req, Rep]) receive(ctx context.Context, c *child, req Req, a *answer[Rep]) error {
	last := progress(req)
	for {
		err := c.in.receive(a)
		if !errors.Is(err, os.ErrDeadlineExceeded) || ctx.Err() != nil || last < 0 {
			return err
		}
		now := progress(req)
		if now == last {
			return err
		}
		last = now
		_ = c.answers.SetReadDeadline(time.Now().Add(p.cfg.Timeout))
		if ctx.Err() != nil { // its own deadline was overwritten
			_ = c.answers.SetReadDeadline(time.Unix(1, 0))
		}
	}
}

// linger gives the child of s a grace for a task that nobody waits for.
func (p *Pool[Req, Rep]) linger(s *slot, req Req) {
	_ = s.child.answers.SetReadDeadline(time.Now().Add(p.cfg.Grace))
	var a answer[Rep]
	if err := s.child.in.receive(&a); err != nil {
		s.child.bury()
		p.abandoned(req)
		p.empty <- s
		return
	}
	p.abandoned(req)
	p.idle <- s
}

// died is the error for a task whose child is buried, given what reading its
// answer ended with.
func (p *Pool[Req, Rep]) died(c *child, req Req, err error) error {
	if p.hasStopped() {
		return unavailable(errStopped, "")
	}
	text := c.printed.text()
	p.log.Warn("child process replaced", "pid", c.cmd.Process.Pid, "err", err, "cause", c.cause())
	fault := func(err error, hint string) error { return job.E(job.Internal, "", err, hint) }
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded) && progress(req) > 0:
		return fault(fmt.Errorf("it has not moved on for %v and was stopped", p.cfg.Timeout), "allow it more with --task-timeout, or check the file")
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fault(fmt.Errorf("it ran longer than %v and was stopped", p.cfg.Timeout), "allow it more with --task-timeout, or check the file")
	case starved(text):
		return fault(fmt.Errorf("it ran out of memory (limit %s; %s)", Size(p.cfg.Memory), c.cause()), "allow it more with --memory, or check the file")
	case errors.Is(err, errGarbled):
		return fault(errors.New("its process answered rubbish and was stopped"), tryElsewhere)
	}
	return fault(fmt.Errorf("its process died: %s", c.cause()), tryElsewhere)
}
