package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"spillway/job"
)

// trouble gives err the code that says who acts. What has one, an ended context
// what is no failure stay what they are.
func (d *dialect) trouble(step string, err error) error {
	var known *job.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known), errors.Is(err, ErrStale), errors.Is(err, errTwice):
		return err
	case d.lost(err):
		return job.E(job.Unavailable, step, err, d.mend)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%s: %w", step, err)
	case d.again(err):
		return job.E(job.Unavailable, step, err, "try again")
	}
	return job.E(job.Internal, step, err, "")
}

// unknown is the answer for an id that names no job.
func unknown(id job.ID) error {
	return job.E(job.NotFound, "job "+job.Shown(string(id)), errors.New("no such job"), "list the jobs with: client jobs")
}

// noTask is the answer for an index that is none of the job's.
func noTask(id job.ID, index int64) error {
	return job.E(job.InvalidArgument, "job "+string(id), fmt.Errorf("it has no task %d", index), "")
}

// taken is the answer for an id that another submission has.
func taken(id job.ID) error {
	return job.E(job.AlreadyExists, "job "+string(id), errors.New("another job has this id"), "submit without an id, or with a new one")
}

// notRetriable says why a job cannot be retried, of which redone tasks that are done
// are to be done again; nil: it can.
func notRetriable(j Job, again Again, redone int64) error {
	id := j.ID
	switch {
	case again.Epoch != 0 && again.Epoch != j.Epoch:
		return job.E(job.FailedPrecondition, "retry "+string(id), errors.New("somebody else retries it"), "watch it with: client watch "+string(id))
	case !j.State.Final():
		return job.E(job.FailedPrecondition, "retry "+string(id), errors.New("the job has not ended"), "wait for it, or end it with: client cancel "+string(id))
	case j.State == job.Succeeded, j.Done-redone >= j.Total:
		return job.E(job.FailedPrecondition, "retry "+string(id), errors.New("all its tasks are done"), "submit it again to do them anew")
	}
	return nil
}

// closed is the answer of a store that has been closed.
func closed() error {
	return job.E(job.Unavailable, "store", errors.New("the server stops"), "try again when it is back")
}

// local reports whether err is of this program's making, and not of the
// database's or the way to it.
func local(err error) bool {
	return errors.Is(err, sql.ErrNoRows) || errors.Is(err, sql.ErrTxDone)
}
