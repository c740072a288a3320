package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"text/tabwriter"
	"time"

	"spillway/job"
)

// jobs lists the jobs, newest first.
func (s *session) jobs(ctx context.Context) error {
	all, err := s.conn.Jobs(ctx, job.Filter{})
	if err != nil {
		return err
	}
	if s.cfg.json {
		return printEach(s, all, jobView)
	}
	t := tabwriter.NewWriter(s.out.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "job\tstate\tdone\tfailed\ttime s\tpolicy\toperation\tsource")
	for _, j := range all {
		fmt.Fprintf(t, "%s\t%s\t%d/%d\t%d\t%.1f\t%s\t%s\t%s\n", j.ID, j.State, j.Done, j.Total,
			j.Failed+j.Quarantined, j.Elapsed(time.Now()).Seconds(), j.Spec.Policy, j.Spec.Operation, job.Shown(j.Spec.Source))
	}
	return t.Flush()
}

// job shows one job.
func (s *session) job(ctx context.Context) error {
	j, err := s.conn.Job(ctx, job.ID(s.cfg.arg))
	if err != nil {
		return err
	}
	s.printJobs([]job.Job{j})
	if note := trouble(j); note != "" && !s.cfg.json {
		fmt.Fprintln(s.out.stdout, "\n"+note)
	}
	return nil
}

// watch follows a job to its end; a job that failed is an error.
func (s *session) watch(ctx context.Context) error {
	events, err := s.conn.Watch(ctx, job.ID(s.cfg.arg))
	if err != nil && ctx.Err() == nil {
		return err
	}
	var last job.Job
	if err == nil {
		p := s.newProgress()
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

// nodes lists the compute nodes.
func (s *session) nodes(ctx context.Context) error {
	all, err := s.conn.Nodes(ctx)
	if err != nil {
		return err
	}
	if s.cfg.json {
		return printEach(s, all, nodeView)
	}
	s.printNodes(all)
	return nil
}

// printNodes prints a row a node, and below them what else there is to say.
func (s *session) printNodes(all []job.Node) {
	t := table{text: 3}
	t.row("node", "address", "state", "slots", "running", "queued", "delayed", "sent", "mean ms", "p50 ms", "p99 ms")
	var notes []string
	for _, n := range all {
		cells := []string{string(n.ID), n.Addr, string(n.State), "-", "-", "-", "-", strconv.Itoa(n.Outstanding), "-", "-", "-"}
		if n.Link.P50 > 0 {
			cells[9], cells[10] = fmt.Sprintf("%.1f", ms(n.Link.P50)), fmt.Sprintf("%.1f", ms(n.Link.P99))
		}
		if n.State != job.Inaccessible && !n.Basic {
			copy(cells[3:], []string{
				strconv.Itoa(n.Load.Slots), strconv.Itoa(n.Load.Running), strconv.Itoa(n.Load.Queued),
				strconv.Itoa(n.Load.Delayed), strconv.Itoa(n.Outstanding), fmt.Sprintf("%.1f", ms(n.Load.Mean)),
			})
		}
		t.row(cells...)
		if n.Basic {
			notes = append(notes, string(n.ID)+": speaks only execute and delayed_execute")
		}
		if n.Err != "" {
			notes = append(notes, fmt.Sprintf("%s: %s", n.ID, n.Err))
		}
	}
	t.print(s.out.stdout)
	for _, note := range notes {
		fmt.Fprintln(s.out.stdout, note)
	}
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
		return s.printJSON(operationView(op))
	}
	fmt.Fprintf(s.out.stdout, "%s: %s\n", op.Name, op.Summary)
	for _, p := range op.Params {
		fmt.Fprintf(s.out.stdout, "    %s: %s\n", p.Usage(), p.Summary)
	}
	return nil
}
