package store

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"spillway/job"
)

//go:embed migrations
var migrations embed.FS

// open brings the database to the newest schema, and makes ready what is used
// over and over.
func (s *SQL) open(ctx context.Context, engine goose.Dialect) error {
	if err := s.migrate(ctx, engine); err != nil {
		return err
	}
	return s.prepareInserts(ctx)
}

// migrate runs the migrations that the database has not seen, one server at a
// time. A database that has seen more than this program knows is refused.
func (s *SQL) migrate(ctx context.Context, engine goose.Dialect) error {
	folder, opts := "migrations/sqlite", []goose.ProviderOption{
		goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()),
		goose.WithAllowOutofOrder(true), // there are databases with the sixth that have not seen the fifth
	}
	if engine == goose.DialectPostgres {
		locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 30))
		if err != nil {
			return fmt.Errorf("migrate: %w", err)
		}
		folder, opts = "migrations/postgres", append(opts, goose.WithSessionLocker(locker))
	}
	files, err := fs.Sub(migrations, folder)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	provider, err := goose.NewProvider(engine, s.writer, files, opts...)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	results, err := provider.Up(ctx)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	for _, r := range results {
		s.cfg.Log.Info("database migrated", "version", r.Source.Version, "took", r.Duration)
	}
	version, err := provider.GetDBVersion(ctx)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	sources := provider.ListSources()
	if known := sources[len(sources)-1].Version; version > known {
		return job.E(job.FailedPrecondition, "open the database",
			fmt.Errorf("a newer program made it: its schema is %d, and this server knows up to %d", version, known),
			"start the newer server, or give this one another place with --state or --db")
	}
	return nil
}

// abandon closes what a failed opening has opened.
func (s *SQL) abandon() error {
	var errs []error
	if s.writer != nil {
		errs = append(errs, s.writer.Close())
	}
	if s.reader != nil && s.reader != s.writer {
		errs = append(errs, s.reader.Close())
	}
	if s.release != nil {
		errs = append(errs, s.release())
	}
	return errors.Join(errs...)
}
