package store

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"spillway/job"
)

// postgresConns bounds the connections of one server.
const postgresConns = 8

// OpenPostgres opens the store in a PostgreSQL database, which several servers
// may share: postgres://USER:PASSWORD@HOST/DATABASE. It makes what is missing.
//
// Errors: InvalidArgument (the url), FailedPrecondition (a newer program wrote
// it), Unavailable.
func OpenPostgres(ctx context.Context, url string, cfg Config) (*SQL, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	conf, err := pgx.ParseConfig(url)
	if err != nil {
		// The cause may hold the password.
		return nil, job.E(job.InvalidArgument, "--db", errors.New("it names no PostgreSQL database"), "use postgres://USER:PASSWORD@HOST/DATABASE")
	}
	if conf.ConnectTimeout == 0 {
		conf.ConnectTimeout = 5 * time.Second
	}
	db := stdlib.OpenDB(*conf)
	db.SetMaxOpenConns(postgresConns)
	db.SetMaxIdleConns(postgresConns)
	s := &SQL{cfg: cfg, dialect: postgresDialect(), writer: db, reader: db}
	if err := s.open(ctx, goose.DialectPostgres); err != nil {
		trouble := job.AsError(s.dialect.trouble("open the database", err))
		if trouble.Code == job.Unavailable {
			trouble = job.E(trouble.Code, trouble.Op, trouble.Err, "start the database, or mend --db, and start the server again")
		}
		return nil, errors.Join(trouble, s.abandon())
	}
	return s, nil
}

func postgresDialect() dialect {
	return dialect{
		numbered: true,
		lock:     " FOR UPDATE",
		skip:     " FOR UPDATE SKIP LOCKED",
		alone:    "SELECT pg_advisory_xact_lock(?)",
		now:      "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)",
		rows:     512,
		patience: 30 * time.Second,
		again:    postgresAgain,
		lost:     postgresLost,
		mend:     "see whether the database of --db runs and has space; this goes on by itself when it does",
	}
}

// postgresAgain reports a deadlock, or a transaction that could not be put into
// an order with the others.
func postgresAgain(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (e.Code == "40001" || e.Code == "40P01")
}

// postgresLost reports whether the database or the way to it is at fault. What
// it refuses because of the statement is not that.
func postgresLost(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return !errors.Is(err, context.Canceled) && !local(err)
	}
	switch e.Code[:2] {
	case "08", "25", "53", "57", "58": // connection, read-only, resources, shutdown, disk
		return true
	}
	return false
}
