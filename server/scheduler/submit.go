package scheduler

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"spillway/job"
	"spillway/server/policy"
	"spillway/server/store"
)

// Submit implements job.Service.
func (s *Scheduler) Submit(ctx context.Context, asked job.Spec) (id job.ID, err error) {
	asked.ID = cmp.Or(asked.ID, job.NewID())
	ctx, span := s.submitSpan(ctx, &asked)
	defer func() {
		if err != nil && span.On() {
			span.Fail(string(job.CodeOf(err)), err.Error())
		}
		span.End()
	}()
	if err := asked.ID.Check(); err != nil {
		return "", err
	}
	if err := s.started(ctx); err != nil {
		return "", err
	}
	spec := s.complete(asked)
	for {
		known, err := s.known(ctx, spec, asked)
		if known || err != nil {
			return spec.ID, err
		}
		again, err := s.submit(ctx, spec, asked)
		if !again {
			s.tellSubmission(ctx, err)
			return spec.ID, err
		}
	}
}

// started waits until Run has taken over what was left behind. Errors: Unavailable.
func (s *Scheduler) started(ctx context.Context) error {
	select {
	case <-s.ready:
		return nil
	case <-ctx.Done():
		return job.E(job.Unavailable, "", context.Cause(ctx), "")
	}
}

// submit keeps and begins a job; again: another submission with this id came first.
func (s *Scheduler) submit(ctx context.Context, spec, asked job.Spec) (again bool, err error) {
	if err := s.check(spec); err != nil {
		return false, err
	}
	at := time.Now()
	source, err := s.open(spec.Source, spec.Operation)
	if err != nil {
		return false, err
	}
	defer source.Close()
	r := newRecord(store.Job{Job: job.Job{ID: spec.ID, Spec: spec, State: job.Queued}, Base: source.Base()})
	sub := store.Submission{Spec: spec, Asked: asked, Base: source.Base(), Owner: s.cfg.Owner, Lease: s.cfg.Lease, Created: at, Inputs: source.Inputs, Steps: splits(source)}
	if again, err := s.reserve(r); again || err != nil {
		return again, err
	}
	defer close(r.kept)
	j, created, err := s.put(ctx, sub, source)
	if !created || err != nil {
		s.forget(r) // an ended job, or one of another server
		return false, err
	}
	s.mu.Lock()
	r.adopt(j)
	s.begin(r)
	s.mu.Unlock()
	s.tellSplits(source)
	s.log.InfoContext(ctx, "job accepted", "job", spec.ID, "source", source.Base(), "op", spec.Operation.String(), "policy", spec.Policy, "tasks", j.Total)
	return false, nil
}

// put gives the job with its tasks to the store.
func (s *Scheduler) put(ctx context.Context, sub store.Submission, source Source) (j store.Job, created bool, err error) {
	if limit := sub.Spec.Deadline; limit > 0 {
		late := job.E(job.DeadlineExceeded, "submit", fmt.Errorf("the deadline of %v passed while the folder was listed", limit),
			"give it more time with --deadline")
		limited, cancel := context.WithDeadlineCause(ctx, sub.Created.Add(limit), late)
		defer cancel()
		defer func() {
			if err != nil && errors.Is(context.Cause(limited), late) {
				err = late
			}
		}()
		ctx = limited
	}
	_, sub.Skipped, err = source.Count(ctx)
	if err != nil {
		return j, false, err
	}
	return s.store.Submit(ctx, sub)
}

// begin hands a job over to Run, or to the next server where this one stops; mu is
// held.
func (s *Scheduler) begin(r *record) {
	if s.stopped {
		delete(s.jobs, r.spec.ID)
		r.leave()
		return
	}
	r.turn = s.line.join(r.spec.Priority, r.seq)
	s.begun = append(s.begun, r)
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// complete is what is asked with the defaults filled in, and the number of nodes where it
// depends on that; it shares nothing with it.
func (s *Scheduler) complete(spec job.Spec) job.Spec {
	spec.Policy = cmp.Or(spec.Policy, s.cfg.Policy)
	spec.Operation.Name = cmp.Or(spec.Operation.Name, job.DefaultOperation)
	spec.Operation.Params = maps.Clone(spec.Operation.Params)
	spec.Operation = spec.Operation.ForNodes(s.takers(spec.Tags))
	spec.Tags = slices.Clone(spec.Tags)
	return spec
}

// check refuses what cannot be done. Errors: InvalidArgument.
func (s *Scheduler) check(spec job.Spec) error {
	if _, err := policy.New(spec.Policy); err != nil {
		return err
	}
	if spec.Deadline < 0 {
		return job.E(job.InvalidArgument, "deadline", fmt.Errorf("%v is in the past", spec.Deadline), "use a positive duration, as in 90s or 10m")
	}
	if spec.Keep < 0 {
		return job.E(job.InvalidArgument, "keep", fmt.Errorf("%v is negative", spec.Keep), "use a positive duration, as in 48h")
	}
	if spec.Priority < job.MinPriority || spec.Priority > job.MaxPriority {
		return job.E(job.InvalidArgument, "priority", fmt.Errorf("%d is out of range", spec.Priority),
			fmt.Sprintf("use %d to %d; higher starts first", job.MinPriority, job.MaxPriority))
	}
	if err := job.CheckTags(spec.Tags); err != nil {
		return err
	}
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

// known reports whether this very submission came before. One that is just being
// kept is waited for.
func (s *Scheduler) known(ctx context.Context, spec, asked job.Spec) (bool, error) {
	s.mu.Lock()
	r, ok := s.jobs[spec.ID]
	s.mu.Unlock()
	if ok {
		select {
		case <-r.kept:
		case <-ctx.Done():
			return false, job.E(job.Unavailable, "submit", context.Cause(ctx), "")
		}
	}
	j, err := s.store.Job(ctx, spec.ID)
	switch {
	case job.CodeOf(err) == job.NotFound:
		return false, nil
	case err != nil:
		return false, err
	case !j.Same(spec, asked):
		return true, job.E(job.AlreadyExists, "job "+string(spec.ID),
			errors.New("another job has this id"), "submit without an id, or with a new one")
	}
	return true, nil
}

// reserve makes room for a job, unless its id is taken or there are too many.
func (s *Scheduler) reserve(r *record) (again bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old, taken := s.jobs[r.spec.ID]; taken && !old.ended() {
		return true, nil
	}
	if s.stopped {
		return false, job.E(job.Unavailable, "submit", errors.New("the server stops"), "submit again when it is back")
	}
	if len(s.jobs) >= s.cfg.MaxJobs {
		return false, job.E(job.ResourceExhausted, "submit", fmt.Errorf("%d jobs run or wait", len(s.jobs)), "wait until one has ended")
	}
	s.jobs[r.spec.ID] = r
	return false, nil
}

// forget drops a job from memory.
func (s *Scheduler) forget(r *record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.jobs[r.spec.ID] == r {
		delete(s.jobs, r.spec.ID)
	}
}
