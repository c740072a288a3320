package main

import (
	"context"
	"errors"
	"fmt"

	"spillway/job"
	"spillway/view"
)

// watch follows a job to its end, step by step; a job that failed is an error.
func (s *session) watch(ctx context.Context) error {
	events, err := s.conn.Watch(ctx, job.ID(s.cfg.arg), job.AllSteps)
	if err != nil && ctx.Err() == nil {
		return err
	}
	var last job.Job
	if err == nil {
		p := s.newStepProgress()
		last = showAll(events, p)
		p.close()
	}
	switch {
	case ctx.Err() != nil:
		return job.E(job.CancelledCode, "", errors.New("interrupted; the job goes on"), "end it with: client cancel "+s.cfg.arg)
	case !last.State.Final():
		return job.E(job.Unavailable, "watch "+s.cfg.arg, errors.New("the server is gone"), "watch it again when the server is back")
	}
	s.printJobs([]job.Job{last})
	if last.State != job.Succeeded {
		return job.E(job.Internal, "job "+s.cfg.arg, fmt.Errorf("it ended as %s", last.State), "")
	}
	return nil
}

// cancel ends a job.
func (s *session) cancel(ctx context.Context) error {
	id := job.ID(s.cfg.arg)
	if err := s.conn.Cancel(ctx, id); err != nil {
		return err
	}
	s.settle(ctx, id)
	return s.job(ctx)
}

// operations lists what the nodes can do.
func (s *session) operations(ctx context.Context) error {
	all, err := s.conn.Nodes(ctx)
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, n := range all {
		for _, op := range n.Operations {
			if seen[op.Name] {
				continue
			}
			seen[op.Name] = true
			if err := s.printOperation(op); err != nil {
				return err
			}
		}
	}
	if len(seen) == 0 {
		return job.E(job.ResourceExhausted, "operations", errors.New("no node has told what it can do"), "look at the nodes with: client nodes")
	}
	return nil
}

// printOperation prints one operation with its parameters.
func (s *session) printOperation(op job.OperationInfo) error {
	if s.cfg.json {
		return s.printJSON(view.OfOperation(op))
	}
	fmt.Fprintf(s.out.stdout, "%s: %s\n", op.Name, op.Summary)
	for _, p := range op.Params {
		fmt.Fprintf(s.out.stdout, "    %s: %s\n", p.Usage(), p.Summary)
	}
	return nil
}
