package scheduler

import (
	"context"
	"errors"
	"time"

	"spillway/job"
	"spillway/server/store"
)

// Store keeps jobs and how their tasks ended. What it has confirmed, it never
// loses. Its methods may be called concurrently.
type Store interface {
	// Submit keeps a job with all of its tasks, or nothing. created is false where
	// that very submission came before. Errors: AlreadyExists, Unavailable, and
	// that of s.Inputs.
	Submit(ctx context.Context, s store.Submission) (j store.Job, created bool, err error)
	// Pending are tasks without an outcome, by index.
	Pending(ctx context.Context, id job.ID, after int64, limit int) ([]store.Input, error)
	// Start, Finish and End tell how far a job, or a task of it, has come; Note adds
	// what may be lost in a crash. Errors: store.ErrStale, Unavailable.
	Start(ctx context.Context, id job.ID, epoch int64, at time.Time) error
	Finish(ctx context.Context, o store.Outcome) error
	Note(i store.Interim)
	End(ctx context.Context, e store.Ending) error
	// Step keeps a step of a job that has not ended. Errors: as those of End.
	Step(ctx context.Context, id job.ID, epoch int64, st job.Step) error
	// Steps are those that were kept, by number.
	Steps(ctx context.Context, id job.ID, after int64, limit int) ([]job.Step, error)

	Job(ctx context.Context, id job.ID) (store.Job, error)
	Jobs(ctx context.Context, f job.Filter) ([]store.Job, error)
	Tasks(ctx context.Context, id job.ID, f job.TaskFilter) ([]job.TaskInfo, error)
	AskCancel(ctx context.Context, id job.ID) error
	// Retry makes what an ended job has not done pending again.
	Retry(ctx context.Context, again store.Again) (store.Job, error)
	// Expire forgets what ended longer ago than it is to be kept.
	Expire(ctx context.Context, now time.Time, keep time.Duration) (int, error)

	// Claim gives the owner every job that has not ended and whose lease has lapsed,
	// Renew prolongs its leases of held, which has their epochs, and tells which are
	// lost or to be cancelled, Release gives them up.
	Claim(ctx context.Context, owner string, lease time.Duration) ([]store.Job, error)
	Renew(ctx context.Context, owner string, lease time.Duration, held map[job.ID]int64) (lost, cancels []job.ID, err error)
	Release(ctx context.Context, owner string) error
}

// The pauses between tries to keep something, which double.
const (
	firstKeep = 20 * time.Millisecond
	maxKeep   = time.Second
)

// keep tries until the store has confirmed, or refused, what write tells it, or
// the server's life ends: a full disk or a lost database costs time, and no work.
// trouble is told of each failure. Errors: store.ErrStale, or that of the life.
func (s *Scheduler) keep(what string, trouble func(error), write func(context.Context) error) error {
	ctx := s.life()
	for pause := firstKeep; ; pause = min(2*pause, maxKeep) {
		err := write(ctx)
		switch code := job.CodeOf(err); {
		case err == nil, errors.Is(err, store.ErrStale):
			return err
		case code == job.NotFound: // it has ended elsewhere, and been forgotten
			return store.ErrStale
		case code.Permanent():
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		s.log.Warn("the store fails, trying again", "step", what, "err", err, "after", pause)
		trouble(err)
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		}
	}
}
