package store

import (
	"context"
	"database/sql"
	"time"

	"spillway/job"
)

// Again is the retry of a job that has ended.
type Again struct {
	Job job.ID
	At  time.Time
	// Epoch is the job's that Redo was made of. 0: that of now.
	Epoch int64
	// Redo are tasks that are done again though they are done.
	Redo Spans
}

// Span is a run of tasks, the last included.
type Span struct{ First, Last int64 }

// Spans are runs of tasks, in ascending order.
type Spans []Span

// Add is the spans with a task behind all of theirs.
func (s Spans) Add(index int64) Spans {
	if n := len(s); n > 0 && s[n-1].Last == index-1 {
		s[n-1].Last = index
		return s
	}
	return append(s, Span{index, index})
}

// redoRows is how many outcomes are taken back at once.
const redoRows = 5000

// pieces calls f with each run of at most redoRows of a job's tasks.
func (s Spans) pieces(total int64, f func(first, last int64) error) error {
	for _, span := range s {
		end := min(span.Last, total-1)
		for first := max(0, span.First); first <= end; first += redoRows {
			if err := f(first, min(end, first+redoRows-1)); err != nil {
				return err
			}
		}
	}
	return nil
}

// Retry queues an ended job again, for whoever claims it. What is done stays
// done, except for the tasks of again.Redo; its other tasks are to be done, with their
// attempts on record.
// Errors: NotFound, FailedPrecondition (it has not ended or another has retried it, all of
// it is done, or another one writes other results into its folder), Unavailable.
func (s *SQL) Retry(ctx context.Context, again Again) (Job, error) {
	var j Job
	err := s.write(ctx, "retry job", func(tx *sql.Tx) error {
		old, err := s.findJob(ctx, tx, again.Job, s.dialect.lock)
		if err != nil {
			return err
		}
		if err := notRetriable(old, again, old.Total); err != nil {
			return err
		}
		if err := s.clear(ctx, tx, again.Job, old.Base, old.Spec.Operation); err != nil {
			return err
		}
		redone, err := s.takeBack(ctx, tx, old, again.Redo)
		if err != nil {
			return err
		}
		if err := notRetriable(old, again, redone); err != nil {
			return err
		}
		if err := s.undo(ctx, tx, old, "state <> 'done'"); err != nil {
			return err
		}
		_, err = s.exec(ctx, tx, `UPDATE jobs SET state = 'queued', version = version + 1, epoch = epoch + 1, retried = epoch + 1,
			owner = '', lease = 0, cancelling = 0, started = 0, finished = 0, deadline = ?, done = done - ?, failed = 0, quarantined = 0, err = ''
			WHERE seq = ?`, deadline(old.Spec, again.At), redone, old.Seq)
		if err != nil {
			return err
		}
		if j, err = s.findJob(ctx, tx, again.Job, ""); err != nil {
			return err
		}
		return s.complete(ctx, tx, &j)
	})
	if err != nil {
		return Job{}, err
	}
	return j, nil
}

// takeBack undoes what is done of some tasks, and counts them.
func (s *SQL) takeBack(ctx context.Context, tx *sql.Tx, j Job, redo Spans) (redone int64, err error) {
	back := map[job.NodeID]job.Tally{}
	err = redo.pieces(j.Total, func(first, last int64) error {
		done, err := s.outcomes(ctx, tx, "job = ? AND idx >= ? AND idx <= ? AND state = 'done'", j.Seq, first, last)
		if err != nil {
			return err
		}
		redone += int64(len(done))
		if err := takeBack(back, done); err != nil {
			return err
		}
		return s.undo(ctx, tx, j, "state = 'done' AND idx >= ? AND idx <= ?", first, last)
	})
	if err != nil {
		return 0, err
	}
	for _, t := range back {
		if err := s.addTally(ctx, tx, j.Seq, t); err != nil {
			return 0, err
		}
	}
	return redone, nil
}

// takeBack adds to tallies what takes the outcomes of tasks that were done out of them.
func takeBack(back map[job.NodeID]job.Tally, done []outcome) error {
	for _, o := range done {
		last, err := decodeAttempt(o.last)
		if err != nil {
			return err
		}
		t := tallyOf(Outcome{State: job.TaskDone, Last: last})
		if t.Node == "" {
			continue
		}
		back[t.Node] = sum(back[t.Node], job.Tally{Node: t.Node, Done: -t.Done, Delayed: -t.Delayed, Busy: -t.Busy})
	}
	return nil
}

// undo makes the job's tasks pending again whose outcomes where selects, and keeps their
// last attempts.
func (s *SQL) undo(ctx context.Context, tx *sql.Tx, j Job, where string, args ...any) error {
	_, err := s.exec(ctx, tx, `INSERT INTO attempts (job, idx, epoch, number, attempt)
		SELECT job, idx, CAST(? AS BIGINT), number, last FROM outcomes WHERE job = ? AND `+where+` AND number > 0
			AND NOT EXISTS (SELECT 1 FROM attempts a WHERE a.job = outcomes.job AND a.idx = outcomes.idx AND a.number = outcomes.number)
		ON CONFLICT (job, idx, epoch, number) DO NOTHING`, append([]any{j.Epoch, j.Seq}, args...)...)
	if err != nil {
		return err
	}
	_, err = s.exec(ctx, tx, "DELETE FROM outcomes WHERE job = ? AND "+where, append([]any{j.Seq}, args...)...)
	return err
}
