package store

import (
	"context"
	"database/sql"
	"errors"
	"iter"
	"time"

	"spillway/job"
)

// heldBytes is how many bytes of names a submission holds in memory before it
// begins to write: a database with one writer is then not kept waiting while a
// folder is listed, but for the largest ones.
const heldBytes = 16 << 20

// Submit keeps a job with its tasks, all or nothing. The same Spec with the same
// ID again gives the job that there is, and false.
//
// Errors: AlreadyExists (another Spec has the ID), FailedPrecondition (a job that has
// not ended writes other results into the same folder), that of sub.Inputs,
// InvalidArgument (an input's name), Unavailable.
func (s *SQL) Submit(ctx context.Context, sub Submission) (Job, bool, error) {
	if err := sub.Spec.ID.Check(); err != nil {
		return Job{}, false, err
	}
	if known, found, err := s.submitted(ctx, sub); found || err != nil {
		return known, false, err
	}
	next, stop := iter.Pull2(pages(ctx, sub.Inputs))
	defer stop()
	held, err := hold(next)
	if err != nil {
		return Job{}, false, err
	}
	var kept Job
	created := false
	err = transact(ctx, s.writer, nil, func(tx *sql.Tx) error {
		seq, err := s.insertJob(ctx, tx, sub)
		if err != nil || seq == 0 {
			return err
		}
		if err := s.clear(ctx, tx, sub.Spec.ID, sub.Base, sub.Spec.Operation); err != nil {
			return err
		}
		created = true
		if err := s.insertPages(ctx, tx, seq, held, next); err != nil {
			return err
		}
		if err := s.insertSteps(ctx, tx, seq, sub.steps()); err != nil {
			return err
		}
		kept, err = s.finishSubmit(ctx, tx, sub.Spec.ID, sub.Lease)
		return err
	})
	if err != nil {
		return Job{}, false, s.trouble("submit", err)
	}
	if !created {
		kept, _, err = s.submitted(ctx, sub)
	}
	return kept, created, err
}

// submitted finds the job that a submission has made before.
func (s *SQL) submitted(ctx context.Context, sub Submission) (Job, bool, error) {
	known, err := s.Job(ctx, sub.Spec.ID)
	switch {
	case job.CodeOf(err) == job.NotFound:
		return Job{}, false, nil
	case err != nil:
		return Job{}, false, err
	case !known.Same(sub.Spec, sub.asked()):
		return Job{}, true, taken(sub.Spec.ID)
	}
	return known, true, nil
}

// hold takes the first pages.
func hold(next func() (page, error, bool)) (held []page, err error) {
	for size := 0; size < heldBytes; {
		p, err, more := next()
		if err != nil {
			return nil, err
		}
		if !more {
			break
		}
		held = append(held, p)
		size += cap(p.names)
	}
	return held, nil
}

// insertJob gives 0 where the id is taken.
func (s *SQL) insertJob(ctx context.Context, tx *sql.Tx, sub Submission) (int64, error) {
	spec, err := encodeSpec(sub.Spec, sub.asked())
	if err != nil {
		return 0, err
	}
	owner, epoch, lease := plain(sub.Owner), 0, sub.Lease
	if lease == 0 {
		lease = defaultLease
	}
	if owner != "" {
		epoch = 1
	}
	var seq int64
	err = tx.QueryRowContext(ctx, s.dialect.sql(`INSERT INTO jobs (id, spec, source, base, priority, keep, owner, lease, epoch,
		retried, cancelling, state, version, created, started, finished, deadline, total, skipped, done, failed, quarantined, err)
		VALUES (?, ?, ?, ?, ?, ?, ?, `+s.dialect.now+` + ?, ?, 0, 0, 'queued', 1, ?, 0, 0, ?, 0, ?, 0, 0, 0, '')
		ON CONFLICT (id) DO NOTHING RETURNING seq`),
		string(sub.Spec.ID), spec, []byte(sub.Spec.Source), []byte(sub.Base), sub.Spec.Priority, min(sub.Spec.Keep, longest),
		owner, lease.Milliseconds(), epoch, nanos(sub.Created), deadline(sub.Spec, sub.Created), sub.Skipped).Scan(&seq)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return seq, err
}

// insertPages writes the pages that are held, and then those that are to come.
func (s *SQL) insertPages(ctx context.Context, tx *sql.Tx, seq int64, held []page, next func() (page, error, bool)) error {
	insert, err := tx.PrepareContext(ctx, s.dialect.sql("INSERT INTO pages (job, first, count, names) VALUES (?, ?, ?, ?)"))
	if err != nil {
		return err
	}
	defer insert.Close()
	var total int64
	write := func(p page) error {
		total += p.count
		_, err := insert.ExecContext(ctx, seq, p.first, p.count, p.names)
		return err
	}
	for _, p := range held {
		if err := write(p); err != nil {
			return err
		}
	}
	for {
		p, err, more := next()
		if err != nil {
			return err
		}
		if !more {
			break
		}
		if err := write(p); err != nil {
			return err
		}
	}
	_, err = s.exec(ctx, tx, "UPDATE jobs SET total = ? WHERE seq = ?", total, seq)
	return err
}

// finishSubmit gives the lease its whole time, which counts from the commit and not
// from the first row, and the job as it is now kept.
func (s *SQL) finishSubmit(ctx context.Context, tx *sql.Tx, id job.ID, lease time.Duration) (j Job, err error) {
	if lease == 0 {
		lease = defaultLease
	}
	_, err = s.exec(ctx, tx, "UPDATE jobs SET lease = "+s.dialect.now+" + ? WHERE id = ? AND owner <> ''", lease.Milliseconds(), string(id))
	if err != nil {
		return j, err
	}
	j, err = s.findJob(ctx, tx, id, "")
	if err != nil {
		return j, err
	}
	return j, s.complete(ctx, tx, &j)
}
