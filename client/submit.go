package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"spillway/job"
	"spillway/rpc"
	"spillway/trace"
)

// firstWatch is the pause before the server is asked again for a job whose
// submission may still be on its way. A client that was interrupted asks so
// often, and takes so long, at most.
const (
	firstWatch    = 20 * time.Millisecond
	farewellCalls = 10
	farewell      = 5 * time.Second
)

// submit runs the folder through each policy in turn and prints what came out.
func (s *session) submit(ctx context.Context) int {
	var jobs []job.Job
	code := exitDone
	for _, policy := range s.cfg.policies {
		spec := job.Spec{
			ID: job.NewID(), Source: s.cfg.arg, Operation: s.cfg.op, Policy: policy, Deadline: s.cfg.deadline,
			Priority: s.cfg.priority, Tags: s.cfg.tags, Keep: s.cfg.keep, Trace: s.cfg.trace,
		}
		if s.cfg.detach {
			return s.detach(ctx, spec)
		}
		j, err := s.oneShot(ctx, spec)
		if err != nil && !j.State.Final() {
			code = report(s.out, err)
		}
		if j.ID != "" {
			jobs = append(jobs, j)
			code = max(code, verdict(j))
		}
		if ctx.Err() != nil {
			code = exitInterrupted
		}
		if j.ID == "" || ctx.Err() != nil {
			break
		}
	}
	if len(jobs) > 0 {
		s.printJobs(jobs)
	}
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
		answer := map[string]any{"id": id}
		if trace := trace.ID(spec.Trace); trace != "" {
			answer["trace_id"] = trace
		}
		return report(s.out, s.printJSON(answer))
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

	interrupted := ctx.Err() != nil
	ctx, stop = context.WithTimeout(context.WithoutCancel(ctx), farewell)
	defer stop()
	if interrupted {
		if err := s.abandon(ctx, spec.ID); err != nil {
			return job.Job{}, err
		}
	}
	j, gone := s.conn.Job(ctx, spec.ID)
	switch {
	case gone == nil:
		return j, err
	case errors.Is(err, rpc.ErrLost):
		return job.Job{}, job.E(job.Unavailable, "", err,
			fmt.Sprintf("job %s goes on when the server is back; then: client watch %s", spec.ID, spec.ID))
	case err != nil:
		return job.Job{}, err
	}
	return job.Job{}, gone
}

// call makes the submission and waits for its end. Where the connection breaks,
// it is made again for a while, and attaches to the job that runs.
func (s *session) call(ctx context.Context, spec job.Spec) error {
	_, err := s.conn.Run(ctx, spec, spec.Policy == "random")
	if ctx.Err() != nil {
		return job.E(job.CancelledCode, "", errors.New("interrupted"), "")
	}
	return err
}

// abandon cancels the job of a client that was interrupted. A submission that
// was under way may reach the server a moment later than that.
func (s *session) abandon(ctx context.Context, id job.ID) error {
	for range farewellCalls {
		err := s.conn.Cancel(ctx, id)
		if err == nil {
			s.settle(ctx, id)
			return nil
		}
		if job.CodeOf(err) != job.NotFound {
			return job.E(job.CancelledCode, "", fmt.Errorf("interrupted, and the job could not be cancelled: %w", err),
				"when the server is back: client cancel "+string(id))
		}
		time.Sleep(firstWatch)
	}
	return job.E(job.CancelledCode, "", errors.New("interrupted before the job began"), "")
}

// settle waits until a cancelled job has ended.
func (s *session) settle(ctx context.Context, id job.ID) {
	events, err := s.conn.Watch(ctx, id, job.NoSteps)
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
		events, err := s.conn.Watch(ctx, id, job.NoSteps)
		if err == nil && showAll(events, p).State.Final() {
			return
		}
		if ctx.Err() == nil && (err == nil || job.CodeOf(err) == job.Unavailable) {
			p.away()
		}
		select { // the call may not have come through yet
		case <-ctx.Done():
		case <-time.After(firstWatch):
		}
	}
}

// showAll shows each event, and the last one again as time goes by, until there
// are no more; it returns the last.
func showAll(events <-chan job.Event, p progress) job.Job {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var last job.Job
	for {
		select {
		case e, ok := <-events:
			if !ok {
				return last
			}
			last = e.Job
			p.event(e)
		case <-tick.C:
			if last.ID != "" {
				p.show(last)
			}
		}
	}
}
