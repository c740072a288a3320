package store

import (
	"context"
	"database/sql"
	"time"

	"spillway/job"
)

// Start makes a queued job a running one, which began when it was first started. One
// that runs already stays as it is.
// Errors: ErrStale (another server has it, or it has ended), NotFound, Unavailable.
func (s *SQL) Start(ctx context.Context, id job.ID, epoch int64, at time.Time) error {
	return s.write(ctx, "start job", func(tx *sql.Tx) error {
		j, err := s.findJob(ctx, tx, id, s.dialect.lock)
		switch {
		case err != nil:
			return err
		case j.Epoch != epoch || j.State.Final():
			return ErrStale
		case j.State == job.Running:
			return nil
		}
		_, err = s.exec(ctx, tx, `UPDATE jobs SET state = 'running', version = version + 1, started = CASE WHEN started = 0 THEN ? ELSE started END
			WHERE seq = ?`, nanos(at), j.Seq)
		return err
	})
}

// AskCancel has the job's owner end it: it learns so by Renew, or by Claim if the
// job has no owner yet. Asking it of a job that has ended is no error.
// Errors: NotFound, Unavailable.
func (s *SQL) AskCancel(ctx context.Context, id job.ID) error {
	return s.write(ctx, "cancel job", func(tx *sql.Tx) error {
		j, err := s.findJob(ctx, tx, id, s.dialect.lock)
		if err != nil || j.State.Final() || j.CancelAsked {
			return err
		}
		_, err = s.exec(ctx, tx, "UPDATE jobs SET cancelling = 1, version = version + 1 WHERE seq = ?", j.Seq)
		return err
	})
}

// Retry queues an ended job again, for whoever claims it. What is done stays
// done; its other tasks are to be done, with their attempts on record.
// Errors: NotFound, FailedPrecondition (it has not ended, all of it is done, or
// another one writes other results into its folder), Unavailable.
func (s *SQL) Retry(ctx context.Context, id job.ID, at time.Time) (Job, error) {
	var j Job
	err := s.write(ctx, "retry job", func(tx *sql.Tx) error {
		old, err := s.findJob(ctx, tx, id, s.dialect.lock)
		if err != nil {
			return err
		}
		if err := notRetriable(id, old.State, old.Done, old.Total); err != nil {
			return err
		}
		if err := s.clear(ctx, tx, id, old.Base, old.Spec.Operation); err != nil {
			return err
		}
		_, err = s.exec(ctx, tx, `INSERT INTO attempts (job, idx, epoch, number, attempt)
			SELECT job, idx, CAST(? AS BIGINT), number, last FROM outcomes WHERE job = ? AND state <> 'done' AND number > 0
				AND NOT EXISTS (SELECT 1 FROM attempts a WHERE a.job = outcomes.job AND a.idx = outcomes.idx AND a.number = outcomes.number)
			ON CONFLICT (job, idx, epoch, number) DO NOTHING`, old.Epoch, old.Seq)
		if err != nil {
			return err
		}
		if _, err := s.exec(ctx, tx, "DELETE FROM outcomes WHERE job = ? AND state <> 'done'", old.Seq); err != nil {
			return err
		}
		_, err = s.exec(ctx, tx, `UPDATE jobs SET state = 'queued', version = version + 1, epoch = epoch + 1, retried = epoch + 1,
			owner = '', lease = 0, cancelling = 0, started = 0, finished = 0, deadline = ?, failed = 0, quarantined = 0, err = ''
			WHERE seq = ?`, deadline(old.Spec, at), old.Seq)
		if err != nil {
			return err
		}
		if j, err = s.findJob(ctx, tx, id, ""); err != nil {
			return err
		}
		return s.complete(ctx, tx, &j)
	})
	if err != nil {
		return Job{}, err
	}
	return j, nil
}

// findRetried is findJob with the epoch of the job's last retry; 0: none.
func (s *SQL) findRetried(ctx context.Context, tx *sql.Tx, id job.ID) (j Job, retried int64, err error) {
	if j, err = s.findJob(ctx, tx, id, ""); err != nil {
		return Job{}, 0, err
	}
	err = tx.QueryRowContext(ctx, s.dialect.sql("SELECT retried FROM jobs WHERE seq = ?"), j.Seq).Scan(&retried)
	return j, retried, err
}
