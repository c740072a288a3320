package rpc

import (
	"context"
	"log/slog"
	"net"
	"time"

	"spillway/gen-go/spillway"
	"spillway/job"
)

// Service is what a server offers to its callers.
type Service interface {
	job.Service
	Members
	// Nodes are the compute nodes as they stand now, in order of name.
	Nodes(ctx context.Context) ([]job.Node, error)
	// Policy names the policy that submit_request's boolean asks for.
	Policy(isRandom bool) string
}

// maxWait bounds one long poll.
const maxWait = time.Minute

// ServeService answers for s on l with the default [ServerConfig].
func ServeService(ctx context.Context, l net.Listener, s Service, log *slog.Logger) error {
	return ServerConfig{}.ServeService(ctx, l, s, log)
}

// ServeService answers for s on l until ctx ends, and closes l. A caller of
// submit_request that is lost before the answer cancels its job, unless it gave
// the job an id: then the job goes on and can be attached to. A panic of s costs
// its caller an error. Returns nil once ctx has ended and every connection is
// closed.
//
// Errors: InvalidArgument (configuration), Unavailable (the listener is lost).
func (c ServerConfig) ServeService(ctx context.Context, l net.Listener, s Service, log *slog.Logger) error {
	h := &serviceHandler{service: s, log: log}
	return c.serve(ctx, l, spillway.NewServerProcessor(h), serverPermits(), log)
}

// serviceHandler is the server's side of the contract; submit_request stands in
// its own file.
type serviceHandler struct {
	service Service
	log     *slog.Logger
}

var _ spillway.Server = (*serviceHandler)(nil)

func (h *serviceHandler) Ping(context.Context) error { return nil }

func (h *serviceHandler) Submit(ctx context.Context, spec *spillway.JobSpec) (string, error) {
	asked := specFromWire(spec)
	ctx, span := h.span(ctx, "submit", asked.Trace)
	defer span.End()
	id, err := h.service.Submit(ctx, asked)
	failed(span, err)
	if err != nil {
		return "", failureToWire(err)
	}
	return string(id), nil
}

func (h *serviceHandler) Job(ctx context.Context, id string) (*spillway.Job, error) {
	j, err := h.service.Job(ctx, job.ID(id))
	if err != nil {
		return nil, failureToWire(err)
	}
	return jobToWire(j), nil
}

func (h *serviceHandler) Jobs(ctx context.Context, f *spillway.JobFilter) ([]*spillway.Job, error) {
	jobs, err := h.service.Jobs(ctx, filterFromWire(f))
	if err != nil {
		return nil, failureToWire(err)
	}
	return convert(jobs, jobToWire), nil
}

// Wait is a long poll: it watches for a version newer than seen, and tells of the steps
// behind after.
func (h *serviceHandler) Wait(ctx context.Context, id string, seen, timeoutMs, after int64) (*spillway.Job, error) {
	polling, cancel := context.WithTimeout(ctx, max(0, min(millis(timeoutMs), maxWait)))
	defer cancel()
	var last job.Event
	if timeoutMs > 0 {
		events, err := h.service.Watch(polling, job.ID(id), max(after, job.AllSteps))
		if err != nil && polling.Err() == nil {
			return nil, failureToWire(err)
		}
		if err == nil {
			for e := range events {
				last = last.Then(e)
				if e.Job.Version != seen || e.Job.State.Final() {
					return eventToWire(last), nil
				}
			}
		}
	}
	j, err := h.Job(ctx, id)
	if err == nil && after != job.NoSteps && last.Job.Version == seen && j.Version != seen {
		return jobToWire(last.Job), nil // the next answer has the newer state, and its steps
	}
	return j, err
}

func (h *serviceHandler) Cancel(ctx context.Context, id string) error {
	if err := h.service.Cancel(ctx, job.ID(id)); err != nil {
		return failureToWire(err)
	}
	return nil
}

func (h *serviceHandler) Nodes(ctx context.Context) ([]*spillway.Node, error) {
	nodes, err := h.service.Nodes(ctx)
	if err != nil {
		return nil, failureToWire(err)
	}
	return convert(nodes, nodeToWire), nil
}
