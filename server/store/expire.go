package store

import (
	"context"
	"database/sql"
	"time"
)

// Bounds of what one transaction of Expire changes.
const (
	expireJobs  = 1000
	expireRows  = 5000
	expirePages = 200
)

// Expire forgets the jobs that ended longer ago than their Spec.Keep or, where
// that is zero, than keep, and tells how many. It works in steps, between which
// others come along; a job is gone with the first of them.
// Errors: Unavailable, and the context's.
func (s *SQL) Expire(ctx context.Context, now time.Time, keep time.Duration) (int, error) {
	forgotten := 0
	for {
		n, err := s.hide(ctx, now, keep)
		forgotten += n
		if err != nil {
			return forgotten, err
		}
		if n < expireJobs {
			break
		}
	}
	for {
		more, err := s.sweep(ctx)
		if err != nil || !more {
			return forgotten, err
		}
	}
}

// hide takes jobs and their ids out of sight.
func (s *SQL) hide(ctx context.Context, now time.Time, keep time.Duration) (int, error) {
	var n int64
	err := s.write(ctx, "expire jobs", func(tx *sql.Tx) (err error) {
		n, err = s.exec(ctx, tx, `UPDATE jobs SET state = 'expired', id = '~' || CAST(seq AS TEXT) WHERE seq IN
			(SELECT seq FROM jobs WHERE state IN ('succeeded', 'failed', 'cancelled')
			AND finished + CASE WHEN keep > 0 THEN keep ELSE CAST(? AS BIGINT) END < ? ORDER BY seq LIMIT ?`+s.dialect.lock+`)`,
			int64(min(keep, longest)), nanos(now), expireJobs)
		return err
	})
	return int(n), err
}

// sweep deletes some of what hidden jobs left, and reports whether there may be more.
func (s *SQL) sweep(ctx context.Context) (more bool, err error) {
	err = s.write(ctx, "expire jobs", func(tx *sql.Tx) error {
		more = false
		hidden, err := s.integers(ctx, tx, "SELECT seq FROM jobs WHERE state = 'expired' ORDER BY seq LIMIT 1"+s.dialect.skip)
		if err != nil || len(hidden) == 0 {
			return err
		}
		more = true
		seq := hidden[0]
		for _, table := range []struct {
			name, key string
			rows      int
		}{{"outcomes", "idx", expireRows}, {"attempts", "idx", expireRows}, {"pages", "first", expirePages}, {"tallies", "node", expireRows}, {"steps", "number", expireRows}} {
			n, err := s.exec(ctx, tx, "DELETE FROM "+table.name+" WHERE job = ? AND "+table.key+" IN (SELECT "+table.key+
				" FROM "+table.name+" WHERE job = ? ORDER BY "+table.key+" LIMIT ?)", seq, seq, table.rows)
			if err != nil || n > 0 {
				return err
			}
		}
		_, err = s.exec(ctx, tx, "DELETE FROM jobs WHERE seq = ?", seq)
		return err
	})
	return more, err
}
