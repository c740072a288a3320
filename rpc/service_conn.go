package rpc

import (
	"context"
	"errors"
	"fmt"
	"time"

	"spillway/gen-go/spillway"
	"spillway/job"
)

const (
	// serviceTimeout bounds the short calls of a caller that sets no deadline.
	serviceTimeout = 10 * time.Second
	// serviceConns is how many calls go on at once; further ones wait.
	serviceConns = 256
	serviceIdle  = time.Minute
	// startHint mends an unreachable server.
	startHint = "start it with bin/server, or name another with --server H:P"
)

// ServiceConn is a far [job.Service]: a pool of connections to one server. It
// connects when it is first called. Its methods may be called concurrently.
//
// A server that cannot be reached is Unavailable, wrapping [job.ErrNotSent];
// one that is lost before it answers is Unavailable.
type ServiceConn struct {
	addr  string
	pool  *pool
	calls gate
}

var _ job.Service = (*ServiceConn)(nil)

// NewServiceConn makes a connection to the server at addr, HOST:PORT.
func NewServiceConn(addr string) *ServiceConn {
	return newServiceConn(addr, NodeConnConfig{}.withDefaults(addr))
}

func newServiceConn(addr string, cfg NodeConnConfig) *ServiceConn {
	pooled := cfg.pool()
	pooled.limits = serviceReplyLimits
	return &ServiceConn{addr: addr, pool: newPool(pooled), calls: make(gate, serviceConns)}
}

// Close closes every connection. Calls that go on, and later ones, fail with
// Unavailable.
func (s *ServiceConn) Close() error {
	s.pool.close()
	return nil
}

// Ping asks whether the server answers. Errors: Unavailable, DeadlineExceeded.
func (s *ServiceConn) Ping(ctx context.Context) error {
	return s.call(ctx, "ping", func(ctx context.Context, c *spillway.ServerClient) error { return c.Ping(ctx) })
}

// Submit implements [job.Service].
func (s *ServiceConn) Submit(ctx context.Context, spec job.Spec) (job.ID, error) {
	id := ""
	err := s.call(ctx, "submit", func(ctx context.Context, c *spillway.ServerClient) (err error) {
		id, err = c.Submit(ctx, specToWire(spec))
		return err
	})
	return job.ID(id), err
}

// Job implements [job.Service].
func (s *ServiceConn) Job(ctx context.Context, id job.ID) (job.Job, error) {
	var j *spillway.Job
	err := s.call(ctx, "job", func(ctx context.Context, c *spillway.ServerClient) (err error) {
		j, err = c.Job(ctx, string(id))
		return err
	})
	if err != nil {
		return job.Job{}, err
	}
	return jobFromWire(j), nil
}

// Jobs implements [job.Service].
func (s *ServiceConn) Jobs(ctx context.Context, f job.Filter) ([]job.Job, error) {
	var jobs []*spillway.Job
	err := s.call(ctx, "jobs", func(ctx context.Context, c *spillway.ServerClient) (err error) {
		jobs, err = c.Jobs(ctx, filterToWire(f))
		return err
	})
	return convert(jobs, jobFromWire), err
}

// Cancel implements [job.Service].
func (s *ServiceConn) Cancel(ctx context.Context, id job.ID) error {
	return s.call(ctx, "cancel", func(ctx context.Context, c *spillway.ServerClient) error {
		return c.Cancel(ctx, string(id))
	})
}

// Nodes are the server's compute nodes. Errors: Unavailable.
func (s *ServiceConn) Nodes(ctx context.Context) ([]job.Node, error) {
	var nodes []*spillway.Node
	err := s.call(ctx, "nodes", func(ctx context.Context, c *spillway.ServerClient) (err error) {
		nodes, err = c.Nodes(ctx)
		return err
	})
	return convert(nodes, nodeFromWire), err
}

// call does one short call.
func (s *ServiceConn) call(ctx context.Context, op string, f func(context.Context, *spillway.ServerClient) error) error {
	limited, cancel := withDefaultTimeout(ctx, serviceTimeout)
	defer cancel()
	err := s.callFor(limited, op, f)
	if job.CodeOf(err) == job.DeadlineExceeded && ctx.Err() == nil {
		return job.E(job.Unavailable, "server "+s.addr, fmt.Errorf("%s: no answer within %v", op, serviceTimeout),
			"see whether it still runs, and its log")
	}
	return err
}

// callFor does one call that may take as long as ctx lets it. A pooled
// connection that turns out to be closed before anything left is replaced once
// by a new one.
func (s *ServiceConn) callFor(ctx context.Context, op string, f func(context.Context, *spillway.ServerClient) error) error {
	peer := "server " + s.addr
	if err := s.calls.enter(ctx); err != nil {
		return callFailure(ctx, peer, op, err)
	}
	defer s.calls.leave()
	for fresh := false; ; fresh = true {
		c, err := s.pool.get(ctx, fresh)
		if err != nil {
			return s.unreachable(callFailure(ctx, peer, op, err))
		}
		err = f(ctx, spillway.NewServerClient(c))
		s.pool.put(c, serviceIdle)
		if b, ok := errors.AsType[*brokenError](err); ok && b.unsent && c.reused && !fresh && ctx.Err() == nil {
			continue
		}
		return callFailure(ctx, peer, op, err)
	}
}

// unreachable adds what to do about a server that does not answer.
func (s *ServiceConn) unreachable(err error) error {
	if e, ok := errors.AsType[*job.Error](err); ok && e.Code == job.Unavailable {
		e.Hint = startHint
	}
	return err
}
