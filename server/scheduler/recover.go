package scheduler

import (
	"context"
	"errors"
	"time"

	"spillway/job"
	"spillway/server/store"
)

// expireEvery is how often ended jobs are looked through for those to forget.
const expireEvery = time.Minute

// claim takes over the jobs that no server runs any more.
func (s *Scheduler) claim(ctx context.Context) error {
	found, err := s.store.Claim(ctx, s.cfg.Owner, s.cfg.Lease)
	if err != nil {
		return err
	}
	for _, j := range found {
		s.adopt(j)
	}
	return nil
}

// adopt runs a job that came from the store.
func (s *Scheduler) adopt(j store.Job) {
	r := newRecord(j)
	if j.CancelAsked {
		r.stop(errCancelled)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if old, known := s.jobs[j.ID]; known && !old.ended() {
		if old.isKept() && old.epoch != j.Epoch {
			old.stop(errLost) // and it is taken over again when that has ended
		}
		return
	}
	close(r.kept)
	s.jobs[j.ID] = r
	s.begin(r)
	s.log.Info("job taken over", "job", j.ID, "state", j.State, "done", j.Done, "total", j.Total)
}

// takeAgain takes over a job that this server lost to itself.
func (s *Scheduler) takeAgain(id job.ID) {
	j, err := s.store.Job(s.life(), id)
	if err != nil || j.Owner != s.cfg.Owner || j.State.Final() {
		return
	}
	if !s.isStopped() {
		s.adopt(j)
	}
}

// isStopped tells that nothing begins any more.
func (s *Scheduler) isStopped() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stopped
}

// recount takes what the store has counted for the job where the two may differ: an
// answer of the store may have been lost. Errors: errLost.
func (s *Scheduler) recount(r *record) error {
	j, err := s.read(r.spec.ID)
	if err != nil || j.Epoch != r.epoch {
		return errLost
	}
	r.change(func() {
		r.job.Done, r.job.Failed, r.job.Quarantined, r.job.Failures = j.Done, j.Failed, j.Quarantined, j.Failures
		for _, t := range j.Nodes {
			r.tallies[t.Node] = &t
		}
	})
	return nil
}

// read is the job as it is kept; a store that fails is waited for.
func (s *Scheduler) read(id job.ID) (j store.Job, err error) {
	err = s.keep("read job "+string(id), func(error) {}, func(ctx context.Context) error {
		j, err = s.store.Job(ctx, id)
		return err
	})
	return j, err
}

// lookAfter renews the leases, takes over what others left, hears of cancellations
// that were asked elsewhere, and forgets old jobs, until ctx ends.
func (s *Scheduler) lookAfter(ctx context.Context) {
	tick := time.NewTicker(s.cfg.Lease / 4)
	defer tick.Stop()
	expired := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		stopped := s.isStopped()
		err := s.renew(ctx)
		if err == nil && !stopped { // else it might claim what it has itself
			err = s.claim(ctx)
		}
		if err != nil && ctx.Err() == nil {
			s.log.Warn("the store fails", "step", "leases", "err", err)
		}
		if now := time.Now(); now.Sub(expired) >= expireEvery {
			expired = now
			if _, err := s.store.Expire(ctx, now, s.cfg.Keep); err != nil && ctx.Err() == nil {
				s.log.Warn("the store fails", "step", "expire", "err", err)
			}
		}
	}
}

func (s *Scheduler) renew(ctx context.Context) error {
	held := map[job.ID]int64{}
	s.each(func(r *record) {
		if r.isKept() {
			held[r.spec.ID] = r.epoch
		}
	})
	at := time.Now()
	lost, cancels, err := s.store.Renew(ctx, s.cfg.Owner, s.cfg.Lease, held)
	if err != nil {
		return err
	}
	s.stopAll(lost, errLost)
	s.mu.Lock()
	s.renewed = at
	s.mu.Unlock()
	s.stopAll(cancels, errCancelled)
	return nil
}

func (s *Scheduler) stopAll(ids []job.ID, why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		if r := s.jobs[id]; r != nil {
			r.stop(why)
		}
	}
}

// countLeft counts what a server that stops did not finish.
func (s *Scheduler) countLeft(j job.Job, why error) {
	if !errors.Is(why, errStopped) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leftJobs++
	s.leftTasks += j.Total - j.Ended()
}

// handBack lets another server, or this one when it is back, go on with the jobs.
func (s *Scheduler) handBack(ctx context.Context) {
	s.mu.Lock()
	s.log.Info("stopped taking work, the rest is handed back", "jobs", s.leftJobs, "tasks", s.leftTasks)
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, lastWords)
	defer cancel()
	if err := s.store.Release(ctx, s.cfg.Owner); err != nil {
		s.log.Warn("leases not given up, others wait until they lapse", "err", err)
	}
}
