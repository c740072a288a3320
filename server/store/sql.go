package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"spillway/job"
)

// SQL is a store in a database. All its methods may be called concurrently.
//
// Errors of each: Unavailable where the database is away or its disk full, and
// the context's own.
type SQL struct {
	dialect dialect
	cfg     Config
	// writer has one connection where the database has one writer; reader may be
	// the same.
	writer, reader *sql.DB
	// inserts write outcomes, most rows first.
	inserts []insert
	queue   queue
	// release gives the directory back.
	release func() error
}

// Close writes what waits and closes the database. Calls that come later, or
// that go on, fail with Unavailable.
func (s *SQL) Close() error {
	first, err := s.stop()
	if !first {
		return nil
	}
	return errors.Join(err, s.abandon())
}

// trouble is that of the dialect, or of a store that has been closed meanwhile.
func (s *SQL) trouble(step string, err error) error {
	err = s.dialect.trouble(step, err)
	if known, ok := errors.AsType[*job.Error](err); ok && known.Code == job.Internal && s.queue.stopped() {
		return closed()
	}
	return err
}

// write runs f in a transaction, and once more where it lost against another one.
func (s *SQL) write(ctx context.Context, step string, f func(*sql.Tx) error) error {
	const tries = 5
	at := s.clock()
	var err error
	for range tries {
		err = transact(ctx, s.writer, nil, f)
		if err == nil || !s.dialect.again(err) {
			break
		}
	}
	err = s.trouble(step, err)
	s.tell(step, at, err)
	return err
}

// read runs f in a transaction that sees one state of the database.
func (s *SQL) read(ctx context.Context, step string, f func(*sql.Tx) error) error {
	opts := &sql.TxOptions{ReadOnly: true}
	if s.dialect.numbered {
		opts.Isolation = sql.LevelRepeatableRead
	}
	at := s.clock()
	err := s.trouble(step, transact(ctx, s.reader, opts, f))
	s.tell(step, at, err)
	return err
}

// clock is when a transaction begins, where somebody wants to know.
func (s *SQL) clock() (at time.Time) {
	if s.cfg.Observer != nil {
		at = time.Now()
	}
	return at
}

// tell tells the observer, if there is one, of a transaction that began at that time.
func (s *SQL) tell(step string, at time.Time, err error) {
	if s.cfg.Observer == nil {
		return
	}
	known, ok := errors.AsType[*job.Error](err)
	failed := ok && (known.Code == job.Unavailable || known.Code == job.Internal)
	s.cfg.Observer.Transacted(step, time.Since(at), failed)
}

// transact runs f in a transaction, which its error undoes.
func transact(ctx context.Context, db *sql.DB, opts *sql.TxOptions, f func(*sql.Tx) error) error {
	tx, err := db.BeginTx(ctx, opts)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	done := false
	defer func() {
		if !done { // f failed or broke
			_ = tx.Rollback() // it tells no more than f
		}
	}()
	if err := f(tx); err != nil {
		return err
	}
	done = true
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// exec changes rows and tells how many.
func (s *SQL) exec(ctx context.Context, tx *sql.Tx, query string, args ...any) (int64, error) {
	result, err := tx.ExecContext(ctx, s.dialect.sql(query), args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// each runs f for every row of a query. f scans it.
func (s *SQL) each(ctx context.Context, tx *sql.Tx, f func(scan func(...any) error) error, query string, args ...any) error {
	rows, err := tx.QueryContext(ctx, s.dialect.sql(query), args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := f(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}
