package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"spillway/job"
)

// How long a job's server may be away before the client gives up, and how often
// it is called again.
const (
	patience   = 10 * time.Second
	callAgain  = 200 * time.Millisecond
	farewell   = 5 * time.Second
	firstWatch = 20 * time.Millisecond
)

// submit runs the folder through each policy in turn and prints what came out.
func (s *session) submit(ctx context.Context) int {
	var jobs []job.Job
	code := exitDone
	for _, policy := range s.cfg.policies {
		spec := job.Spec{
			ID: job.NewID(), Source: s.cfg.arg, Operation: s.cfg.op, Policy: policy, Deadline: s.cfg.deadline,
		}
		if s.cfg.detach {
			return s.detach(ctx, spec)
		}
		j, err := s.oneShot(ctx, spec)
		if err != nil && j.ID == "" {
			return report(s.out, err)
		}
		jobs = append(jobs, j)
		if code = max(code, verdict(j)); ctx.Err() != nil {
			code = exitInterrupted
			break
		}
	}
	s.printJobs(jobs)
	return code
}

// verdict is the exit code of a job that has ended.
func verdict(j job.Job) int {
	if j.State == job.Succeeded {
		return exitDone
	}
	return exitFailed
}

// detach submits without waiting.
func (s *session) detach(ctx context.Context, spec job.Spec) int {
	id, err := s.conn.Submit(ctx, spec)
	if err != nil {
		return report(s.out, err)
	}
	if s.cfg.json {
		return report(s.out, s.printJSON(map[string]any{"id": id}))
	}
	fmt.Fprintln(s.out.stdout, id)
	return exitDone
}

// oneShot makes the one call, follows the job on a second connection, and
// returns the job as it ended. Where the client is interrupted, it cancels the
// job first. Without a job there is an error.
func (s *session) oneShot(ctx context.Context, spec job.Spec) (job.Job, error) {
	watching, stop := context.WithCancel(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		s.follow(watching, spec.ID)
	}()
	err := s.call(ctx, spec)
	stop()
	<-watched

	ctx, stop = context.WithTimeout(context.WithoutCancel(ctx), farewell)
	defer stop()
	if job.CodeOf(err) == job.CancelledCode {
		if gone := s.conn.Cancel(ctx, spec.ID); gone != nil {
			return job.Job{}, fmt.Errorf("interrupted, and the job could not be cancelled: %w", gone)
		}
		s.settle(ctx, spec.ID)
	}
	j, gone := s.conn.Job(ctx, spec.ID)
	switch {
	case gone == nil:
		return j, err
	case err != nil:
		return job.Job{}, err
	}
	return job.Job{}, gone
}

// call makes the submission, and makes it again with the same id when the
// connection breaks, which attaches to the job that runs.
func (s *session) call(ctx context.Context, spec job.Spec) error {
	var lost time.Time
	for first := true; ; first = false {
		_, err := s.conn.Run(ctx, spec, spec.Policy == "random")
		if ctx.Err() != nil {
			return job.E(job.CancelledCode, "", errors.New("interrupted"), "")
		}
		if job.CodeOf(err) != job.Unavailable || first && errors.Is(err, job.ErrNotSent) {
			return err
		}
		if j, err := s.conn.Job(ctx, spec.ID); err == nil && j.State.Final() {
			return nil
		}
		switch now := time.Now(); {
		case lost.IsZero():
			lost = now
			fmt.Fprintln(s.out.stderr, "client: the connection to the server broke; calling again")
		case !errors.Is(err, job.ErrNotSent):
			lost = now // it answered in between
		case now.Sub(lost) > patience:
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(callAgain):
		}
	}
}

// settle waits until a cancelled job has ended.
func (s *session) settle(ctx context.Context, id job.ID) {
	events, err := s.conn.Watch(ctx, id)
	if err != nil {
		return
	}
	for range events {
	}
}

// follow shows the job's progress until it ends or ctx does.
func (s *session) follow(ctx context.Context, id job.ID) {
	p := s.newProgress()
	defer p.close()
	for ctx.Err() == nil {
		events, err := s.conn.Watch(ctx, id)
		if err == nil {
			for e := range events {
				p.show(e.Job)
				if e.Job.State.Final() {
					return
				}
			}
		}
		select { // the call may not have come through yet
		case <-ctx.Done():
		case <-time.After(firstWatch):
		}
	}
}
