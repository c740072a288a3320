package scheduler

import (
	"context"
	"time"

	"spillway/job"
)

// Carrier carries the files of a job that runs to nodes that do not see its folder.
type Carrier interface {
	// Marker is the name of a file in output_dir, for [job.Task].
	Marker() string
	// Pixels is how large the input called name is; 0: unknown.
	Pixels(name string) int64
	// Parcel is the files of one attempt at the input called name.
	Parcel(name string) Parcel
	Close() error
}

// Parcel is the files of one attempt.
type Parcel interface {
	job.Content
	// Commit gives the outputs that came their names.
	Commit() error
	// Discard removes those that were not committed.
	Discard()
}

// carry opens the folder of a job that begins to run, and waits for a disk that is
// full or broken, until sending ends. Where the folder cannot be written at all, nodes
// that see it work on it all the same.
func (s *Scheduler) carry(sending context.Context, r *record) (done func()) {
	if s.cfg.Carry == nil || r.spec.Operation.Name == job.NoOperation {
		return func() {}
	}
	for pause := firstKeep; ; pause = min(2*pause, maxKeep) {
		c, err := s.cfg.Carry(r.base, r.spec.ID)
		if err == nil {
			r.carrier = c
			return func() {
				if err := c.Close(); err != nil {
					s.log.Warn("job's folder closed with an error", "job", r.spec.ID, "err", err)
				}
			}
		}
		if job.CodeOf(err).Permanent() || sending.Err() != nil {
			s.log.Warn("files cannot be sent to nodes that do not see the job's folder", "job", r.spec.ID, "err", job.Describe(err))
			return func() {}
		}
		s.log.Warn("the job's folder cannot be written, trying again", "job", r.spec.ID, "err", job.Describe(err), "after", pause)
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-sending.Done():
			timer.Stop()
		}
	}
}

// send sends one attempt with its files. Outputs that came back get their names
// here, before the end of the task is kept: a server that dies in between does the
// task again, and none is ever told done whose output is not in place.
func (s *Scheduler) send(ctx context.Context, y *try, t job.Task, i int) (job.Result, error) {
	if y.r.carrier == nil {
		return s.fleet.Execute(ctx, i, t)
	}
	p := y.r.carrier.Parcel(t.Name)
	defer p.Discard()
	t.Marker, t.Content = y.r.carrier.Marker(), p
	res, err := s.fleet.Execute(ctx, i, t)
	if err != nil {
		return res, err
	}
	if err := s.holds(ctx); err != nil {
		return res, err
	}
	return res, p.Commit()
}

// holds waits, if this server has not been able to renew its leases in time, until
// it has, since the job may be another server's meanwhile. It returns ctx's error
// where the attempt does not count any more.
func (s *Scheduler) holds(ctx context.Context) error {
	tick := time.NewTicker(leaseLook)
	defer tick.Stop()
	for {
		if !s.lapsed() || ctx.Err() != nil {
			return ctx.Err()
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// lapsed tells that this server has not been able to renew its leases in time.
func (s *Scheduler) lapsed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Since(s.renewed) > s.cfg.Lease
}

// leaseLook is how often a lease that has lapsed is looked at.
const leaseLook = 50 * time.Millisecond
