package scheduler

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"spillway/job"
	"spillway/server/policy"
)

// Submit implements job.Service.
func (s *Scheduler) Submit(_ context.Context, spec job.Spec) (job.ID, error) {
	if err := s.complete(&spec); err != nil {
		return "", err
	}
	if known, err := s.known(spec); known || err != nil {
		return spec.ID, err
	}
	source, err := s.open(spec.Source)
	if err != nil {
		return "", err
	}
	r := newRecord(spec, source)
	added, err := s.add(r)
	if !added || err != nil {
		source.Close()
		return spec.ID, err
	}
	s.log.Info("job accepted", "job", spec.ID, "source", source.Base(), "op", spec.Operation.String(), "policy", spec.Policy)
	return spec.ID, nil
}

// complete fills the defaults of a submission in and checks it.
func (s *Scheduler) complete(spec *job.Spec) error {
	if spec.ID == "" {
		spec.ID = job.NewID()
	}
	if err := spec.ID.Check(); err != nil {
		return err
	}
	if spec.Policy == "" {
		spec.Policy = s.cfg.Policy
	}
	if _, err := policy.New(spec.Policy); err != nil {
		return err
	}
	if spec.Deadline < 0 {
		return job.E(job.InvalidArgument, "deadline", fmt.Errorf("%v is in the past", spec.Deadline), "use a positive duration, as in 90s or 10m")
	}
	if spec.Operation.Name == "" {
		spec.Operation.Name = job.DefaultOperation
	}
	spec.Operation.Params = maps.Clone(spec.Operation.Params) // the caller's own
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

// known reports whether this very submission came before.
func (s *Scheduler) known(spec job.Spec) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.knownLocked(spec)
}

func (s *Scheduler) knownLocked(spec job.Spec) (bool, error) {
	r, ok := s.jobs[spec.ID]
	if !ok {
		return false, nil
	}
	if r.spec.Source != spec.Source || !r.spec.Operation.Equal(spec.Operation) ||
		r.spec.Policy != spec.Policy || r.spec.Deadline != spec.Deadline {
		return true, job.E(job.AlreadyExists, "job "+string(spec.ID),
			errors.New("another job has this id"), "submit without an id, or with a new one")
	}
	return true, nil
}

// add accepts the job, unless it is known or there are too many.
func (s *Scheduler) add(r *record) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known, err := s.knownLocked(r.spec); known {
		return false, err
	}
	if s.stopped {
		return false, job.E(job.Unavailable, "submit", errors.New("the server stops"), "submit again when it is back")
	}
	if err := s.collision(r); err != nil {
		return false, err
	}
	if s.active >= s.cfg.MaxJobs {
		return false, job.E(job.ResourceExhausted, "submit", fmt.Errorf("%d jobs run or wait", s.active), "wait until one has ended")
	}
	s.jobs[r.spec.ID] = r
	s.order = append(s.order, r)
	s.active++
	s.accept <- r // never full: it has room for every active job
	return true, nil
}

// collision refuses a job that would write other results under the names under
// which one that has not ended writes its own; mu is held.
func (s *Scheduler) collision(r *record) error {
	if r.spec.Operation.Name == job.NoOperation {
		return nil
	}
	for _, other := range s.order {
		if other.ended() || other.spec.Operation.Name == job.NoOperation || other.source.Base() != r.source.Base() || other.spec.Operation.Equal(r.spec.Operation) {
			continue
		}
		return job.E(job.FailedPrecondition, "submit "+job.Shown(r.source.Base()),
			fmt.Errorf("job %s has not ended, and writes %s into the same %s", other.spec.ID, other.spec.Operation, job.OutputDir),
			"wait for it, or end it with: client cancel "+string(other.spec.ID))
	}
	return nil
}

// forget drops the oldest ended jobs beyond those to keep.
func (s *Scheduler) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.active--
	surplus := len(s.order) - s.active - s.cfg.Keep
	if surplus <= 0 {
		return
	}
	kept := s.order[:0]
	for _, r := range s.order {
		if surplus > 0 && r.ended() {
			delete(s.jobs, r.spec.ID)
			surplus--
			continue
		}
		kept = append(kept, r)
	}
	clear(s.order[len(kept):])
	s.order = kept
}
