package rpc

import (
	"context"
	"errors"
	"fmt"
	"time"

	"spillway/gen-go/spillway"
	"spillway/job"
	"spillway/rpc/mux"
)

const (
	// serviceTimeout bounds the short calls of a caller that sets no deadline.
	serviceTimeout = 10 * time.Second
	// submitTimeout bounds a submission: a folder of millions takes its time.
	submitTimeout = 2 * time.Minute
	// startHint mends an unreachable server.
	startHint = "start it with bin/server, or name another with --server H:P"
)

// ServiceConn is a far [job.Service]: a pool of connections to one server. It
// connects when it is first called. Its methods may be called concurrently.
//
// A server that cannot be reached is Unavailable, wrapping [job.ErrNotSent];
// one that is lost before it answers is Unavailable.
type ServiceConn struct {
	addr string
	pool *mux.Pool
}

var _ job.Service = (*ServiceConn)(nil)

// NewServiceConn makes a connection to the server at addr, HOST:PORT; with
// credentials, over TLS, and only to one whose certificate has the role of a server.
func NewServiceConn(addr string, c *Credentials) *ServiceConn {
	return newServiceConn(addr, NodeConnConfig{TLS: c, role: ServerRole})
}

func newServiceConn(addr string, cfg NodeConnConfig) *ServiceConn {
	pooled := cfg.withDefaults().pool(addr)
	pooled.Requests, pooled.Replies = requestLimits, serviceReplyLimits
	pooled.Bulk = func(method string) bool { return method == "jobs" }
	return &ServiceConn{addr: addr, pool: mux.NewPool(pooled)}
}

// Close closes every connection. Calls that go on, and later ones, fail with
// Unavailable.
func (s *ServiceConn) Close() error { return s.pool.Close() }

// Ping asks whether the server answers. Errors: Unavailable, DeadlineExceeded.
func (s *ServiceConn) Ping(ctx context.Context) error {
	return s.call(ctx, "ping", func(ctx context.Context, c *spillway.ServerClient) error { return c.Ping(ctx) })
}

// Submit implements [job.Service].
func (s *ServiceConn) Submit(ctx context.Context, spec job.Spec) (job.ID, error) {
	id := ""
	limited, cancel := withDefaultTimeout(ctx, submitTimeout)
	defer cancel()
	err := s.persist(limited, func() error {
		return s.callFor(limited, "submit", func(ctx context.Context, c *spillway.ServerClient) (err error) {
			id, err = c.Submit(ctx, specToWire(spec))
			return err
		})
	}, func(err error) bool { return spec.ID != "" && lostAfterSending(err) })
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

// callFor does one call that may take as long as ctx lets it, with a client of
// its own: a generated client may not be shared.
func (s *ServiceConn) callFor(ctx context.Context, op string, f func(context.Context, *spillway.ServerClient) error) error {
	err := f(ctx, spillway.NewServerClient(s.pool))
	failed := callFailure(ctx, "server "+s.addr, op, err)
	if errors.Is(failed, job.ErrNotSent) {
		return s.unreachable(failed)
	}
	return failed
}

// unreachable adds what to do about a server that does not answer.
func (s *ServiceConn) unreachable(err error) error {
	if e, ok := errors.AsType[*job.Error](err); ok && e.Code == job.Unavailable && e.Hint == "" {
		e.Hint = startHint
	}
	return err
}
