package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"spillway/job"
)

// jobColumns are those that scanJob reads.
const jobColumns = `seq, id, spec, source, base, owner, epoch, cancelling, state, version, created, started, finished,
	deadline, total, skipped, done, failed, quarantined, err`

// Job is the job with all that is known of it. Errors: NotFound, Unavailable.
func (s *SQL) Job(ctx context.Context, id job.ID) (Job, error) {
	var j Job
	err := s.read(ctx, "read job", func(tx *sql.Tx) (err error) {
		j, err = s.findJob(ctx, tx, id, "")
		if err != nil {
			return err
		}
		return s.complete(ctx, tx, &j)
	})
	if err != nil {
		return Job{}, err
	}
	return j, nil
}

// Jobs are the jobs that f selects, newest first unless it says otherwise. They have no Failures and no Steps.
// Errors: NotFound (f.After), Unavailable.
func (s *SQL) Jobs(ctx context.Context, f job.Filter) ([]Job, error) {
	where, args := "state <> 'expired'", []any{}
	if len(f.States) > 0 {
		where = "state IN (" + repeat("?", len(f.States)) + ")"
		for _, state := range f.States {
			args = append(args, plain(string(state)))
		}
	}
	behind, order := " AND seq < ?", " ORDER BY seq DESC LIMIT ?"
	if f.OldestFirst {
		behind, order = " AND seq > ?", " ORDER BY seq LIMIT ?"
	}
	var found []Job
	err := s.read(ctx, "list jobs", func(tx *sql.Tx) error {
		if f.After != "" {
			after, err := s.findJob(ctx, tx, f.After, "")
			if err != nil {
				return err
			}
			where, args = where+behind, append(args, after.Seq)
		}
		var err error
		found, err = s.selectJobs(ctx, tx, where+order, append(args, limit(f.Limit))...)
		if err != nil {
			return err
		}
		for i := range found {
			if err := s.tallies(ctx, tx, &found[i]); err != nil {
				return err
			}
		}
		return nil
	})
	return found, err
}

// limit is how many a caller gets that asks for n.
func limit(n int) int {
	if n <= 0 {
		return 100
	}
	return n
}

// findJob reads one job's row and, with lock, keeps others from changing it.
func (s *SQL) findJob(ctx context.Context, tx *sql.Tx, id job.ID, lock string) (Job, error) {
	if id.Check() != nil {
		return Job{}, unknown(id)
	}
	row := tx.QueryRowContext(ctx, s.dialect.sql("SELECT "+jobColumns+" FROM jobs WHERE id = ?"+lock), string(id))
	j, err := scanJob(row.Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return Job{}, unknown(id)
	}
	return j, err
}

func (s *SQL) selectJobs(ctx context.Context, tx *sql.Tx, where string, args ...any) (found []Job, err error) {
	err = s.each(ctx, tx, func(scan func(...any) error) error {
		j, err := scanJob(scan)
		found = append(found, j)
		return err
	}, "SELECT "+jobColumns+" FROM jobs WHERE "+where, args...)
	return found, err
}

func scanJob(scan func(...any) error) (Job, error) {
	var (
		j                                    Job
		spec, failure                        string
		source, base                         []byte
		created, started, finished, deadline int64
	)
	err := scan(&j.Seq, &j.ID, &spec, &source, &base, &j.Owner, &j.Epoch, &j.CancelAsked, &j.State, &j.Version,
		&created, &started, &finished, &deadline, &j.Total, &j.Skipped, &j.Done, &j.Failed, &j.Quarantined, &failure)
	if err != nil {
		return Job{}, err
	}
	j.Base, j.Counted = string(base), true
	j.Created, j.Started, j.Finished, j.Deadline = moment(created), moment(started), moment(finished), moment(deadline)
	if j.Spec, j.Asked, err = decodeSpec(j.ID, string(source), spec); err != nil {
		return Job{}, err
	}
	j.Err, err = decodeError(failure)
	return j, err
}

// complete adds what the job's other tables hold.
func (s *SQL) complete(ctx context.Context, tx *sql.Tx, j *Job) error {
	if err := s.tallies(ctx, tx, j); err != nil {
		return err
	}
	var err error
	if j.Steps, err = s.latestSteps(ctx, tx, j.Seq); err != nil {
		return err
	}
	if j.Failed+j.Quarantined == 0 {
		return nil
	}
	return s.failures(ctx, tx, j)
}

func (s *SQL) tallies(ctx context.Context, tx *sql.Tx, j *Job) error {
	return s.each(ctx, tx, func(scan func(...any) error) error {
		var t job.Tally
		var busy int64
		err := scan(&t.Node, &t.Done, &t.Rejected, &t.Delayed, &t.Failed, &t.Superseded, &busy)
		t.Busy = time.Duration(busy)
		j.Nodes = append(j.Nodes, t)
		return err
	}, "SELECT node, done, rejected, delayed, failed, superseded, busy FROM tallies WHERE job = ? ORDER BY node", j.Seq)
}

func (s *SQL) failures(ctx context.Context, tx *sql.Tx, j *Job) error {
	ended, err := s.outcomes(ctx, tx, "job = ? AND state <> 'done' ORDER BY idx LIMIT ?", j.Seq, job.MaxFailures)
	if err != nil {
		return err
	}
	names, err := s.names(ctx, tx, j.Seq, indexes(ended))
	if err != nil {
		return err
	}
	for _, o := range ended {
		f, err := o.failure(names[o.index])
		if err != nil {
			return err
		}
		j.Failures = append(j.Failures, f)
	}
	return nil
}
