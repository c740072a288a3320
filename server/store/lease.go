package store

import (
	"context"
	"database/sql"
	"maps"
	"slices"
	"time"

	"spillway/job"
)

// farAhead is how many times ttl from now a lease may end. One that ends later was
// given before the clock went back, perhaps by hours, and counts as lapsed: who had it
// has a new one by now, or is gone.
const farAhead = 2

// Claim makes owner the owner of every job that has not ended and that nobody
// owns, or whose owner's lease has lapsed, for the time ttl. Their epochs rise: what
// former owners still write is stale. They are queued again, until their new owner
// starts them. The jobs come in the order in which they are
// to be started: by priority, then by age. Errors: Unavailable.
func (s *SQL) Claim(ctx context.Context, owner string, ttl time.Duration) ([]Job, error) {
	var claimed []Job
	err := s.write(ctx, "claim jobs", func(tx *sql.Tx) error {
		claimed = nil
		seqs, err := s.integers(ctx, tx, `UPDATE jobs SET owner = ?, lease = `+s.dialect.now+` + ?, state = 'queued', epoch = epoch + 1, version = version + 1
			WHERE seq IN (SELECT seq FROM jobs WHERE state IN ('queued', 'running')
			AND (owner = '' OR lease < `+s.dialect.now+` OR lease > `+s.dialect.now+` + ?)
			ORDER BY seq`+s.dialect.skip+`) RETURNING seq`, plain(owner), ttl.Milliseconds(), farAhead*ttl.Milliseconds())
		if err != nil {
			return err
		}
		for some := range slices.Chunk(seqs, 500) {
			found, err := s.selectJobs(ctx, tx, "seq IN ("+repeat("?", len(some))+") ORDER BY seq", some...)
			if err != nil {
				return err
			}
			claimed = append(claimed, found...)
		}
		for i := range claimed {
			if err := s.complete(ctx, tx, &claimed[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(claimed, startOrder)
	return claimed, nil
}

// startOrder puts the job first that is to be started first.
func startOrder(a, b Job) int {
	if a.Spec.Priority != b.Spec.Priority {
		return b.Spec.Priority - a.Spec.Priority
	}
	return int(a.Seq - b.Seq)
}

// integers reads a column of numbers, as they are passed on to another query.
func (s *SQL) integers(ctx context.Context, tx *sql.Tx, query string, args ...any) (list []any, err error) {
	err = s.each(ctx, tx, func(scan func(...any) error) error {
		var n int64
		err := scan(&n)
		list = append(list, n)
		return err
	}, query, args...)
	return list, err
}

// Renew gives owner the jobs of held, which has their epochs, for the time ttl from
// now on, by the database's clock. lost are those of held that are not its own any
// more, by id, and cancels those that somebody asked to end. A lease that has
// lapsed is renewed if nobody has claimed the job. What the owner has and does not
// hold is left to lapse: it lost sight of that. Errors: Unavailable.
func (s *SQL) Renew(ctx context.Context, owner string, ttl time.Duration, held map[job.ID]int64) (lost, cancels []job.ID, err error) {
	err = s.write(ctx, "renew leases", func(tx *sql.Tx) error {
		lost, cancels = nil, nil
		var seqs []any
		own := map[job.ID]bool{}
		err := s.each(ctx, tx, func(scan func(...any) error) error {
			var id job.ID
			var seq, epoch int64
			var cancelling bool
			err := scan(&seq, &id, &epoch, &cancelling)
			if known, ok := held[id]; err != nil || !ok || known != epoch {
				return err
			}
			seqs, own[id] = append(seqs, seq), true
			if cancelling {
				cancels = append(cancels, id)
			}
			return nil
		}, "SELECT seq, id, epoch, cancelling FROM jobs WHERE owner = ? AND state IN ('queued', 'running') ORDER BY seq"+s.dialect.lock, plain(owner))
		if err != nil {
			return err
		}
		for some := range slices.Chunk(seqs, 500) {
			_, err := s.exec(ctx, tx, "UPDATE jobs SET lease = "+s.dialect.now+" + ? WHERE seq IN ("+repeat("?", len(some))+")",
				append([]any{ttl.Milliseconds()}, some...)...)
			if err != nil {
				return err
			}
		}
		lost, err = s.without(ctx, tx, held, own)
		return err
	})
	return lost, cancels, err
}

// without leaves out the jobs that are in own, and those that ended in the epoch
// that is held.
func (s *SQL) without(ctx context.Context, tx *sql.Tx, held map[job.ID]int64, own map[job.ID]bool) ([]job.ID, error) {
	var lost []job.ID
	for _, id := range slices.Sorted(maps.Keys(held)) {
		if own[id] {
			continue
		}
		j, err := s.findJob(ctx, tx, id, "")
		if err != nil && job.CodeOf(err) != job.NotFound {
			return nil, err
		}
		if err != nil || j.Epoch != held[id] || !j.State.Final() {
			lost = append(lost, id)
		}
	}
	return lost, nil
}

// Release gives all jobs of owner that have not ended to whoever claims them
// next. Errors: Unavailable.
func (s *SQL) Release(ctx context.Context, owner string) error {
	return s.write(ctx, "release jobs", func(tx *sql.Tx) error {
		_, err := s.exec(ctx, tx, `UPDATE jobs SET owner = '', lease = 0, version = version + 1 WHERE seq IN
			(SELECT seq FROM jobs WHERE owner = ? AND state IN ('queued', 'running') ORDER BY seq`+s.dialect.lock+`)`, plain(owner))
		return err
	})
}
