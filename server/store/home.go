package store

import (
	"context"
	"database/sql"
	"errors"
)

// FilesHome is the id of the directory that has the files of the workloads and the music;
// "": none has been told yet. Errors: Unavailable.
func (s *SQL) FilesHome(ctx context.Context) (id string, err error) {
	err = s.read(ctx, "read the home of files", func(tx *sql.Tx) error {
		err := tx.QueryRowContext(ctx, "SELECT id FROM files_home").Scan(&id)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		return err
	})
	return id, err
}

// BindFiles keeps which directory has the files of the workloads and the music, unless
// there is one already that is not to be replaced. It tells which one has them then.
// Errors: Unavailable.
func (s *SQL) BindFiles(ctx context.Context, id string, replace bool) (bound string, err error) {
	query := "INSERT INTO files_home (one, id) VALUES (1, ?) ON CONFLICT (one) DO NOTHING"
	if replace {
		query = "INSERT INTO files_home (one, id) VALUES (1, ?) ON CONFLICT (one) DO UPDATE SET id = excluded.id"
	}
	err = s.write(ctx, "keep the home of files", func(tx *sql.Tx) error {
		if _, err := s.exec(ctx, tx, query, plain(id)); err != nil {
			return err
		}
		return tx.QueryRowContext(ctx, "SELECT id FROM files_home").Scan(&bound)
	})
	return bound, err
}

// FilesHome is as that of [SQL].
func (m *Memory) FilesHome(ctx context.Context) (string, error) {
	leave, err := m.enter(ctx)
	if err != nil {
		return "", err
	}
	defer leave()
	return m.home, nil
}

// BindFiles is as that of [SQL].
func (m *Memory) BindFiles(ctx context.Context, id string, replace bool) (string, error) {
	leave, err := m.enter(ctx)
	if err != nil {
		return "", err
	}
	defer leave()
	if m.home == "" || replace {
		m.home = id
	}
	return m.home, nil
}
