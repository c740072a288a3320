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

// findRetried is findJob with the epoch of the job's last retry; 0: none.
func (s *SQL) findRetried(ctx context.Context, tx *sql.Tx, id job.ID) (j Job, retried int64, err error) {
	if j, err = s.findJob(ctx, tx, id, ""); err != nil {
		return Job{}, 0, err
	}
	err = tx.QueryRowContext(ctx, s.dialect.sql("SELECT retried FROM jobs WHERE seq = ?"), j.Seq).Scan(&retried)
	return j, retried, err
}
