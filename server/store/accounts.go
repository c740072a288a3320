package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"spillway/job"
)

// noUser is the error for a user that there is not.
func noUser(name string) error {
	return job.E(job.NotFound, "", errors.New(job.Shown(fmt.Sprintf("there is no user %.80q", name))), "server user list names them")
}

// userTaken is the error for a name that another user has.
func userTaken(name string) error {
	return job.E(job.AlreadyExists, "", fmt.Errorf("there is a user %q", name), "choose another name, or change that one with server user set")
}

// noToken is the error for a token that there is not.
func noToken() error { return job.E(job.NotFound, "", errors.New("there is no such token"), "") }

// AddUser keeps a new user. Errors: AlreadyExists, Unavailable.
func (s *SQL) AddUser(ctx context.Context, u job.User) error {
	return s.write(ctx, "add user", func(tx *sql.Tx) error {
		n, err := s.exec(ctx, tx, "INSERT INTO users (name, role, password, created) VALUES (?, ?, ?, ?) ON CONFLICT (name) DO NOTHING",
			plain(u.Name), string(u.Role), u.Password, nanos(u.Created))
		if err == nil && n == 0 {
			return userTaken(u.Name)
		}
		return err
	})
}

// SetUser gives a user the role and the password of u. With a new password, all
// tokens of the user end. Errors: NotFound, Unavailable.
func (s *SQL) SetUser(ctx context.Context, u job.User) error {
	return s.write(ctx, "change user", func(tx *sql.Tx) error {
		old, err := s.findUser(ctx, tx, u.Name)
		if err != nil {
			return err
		}
		if _, err := s.exec(ctx, tx, "UPDATE users SET role = ?, password = ? WHERE name = ?", string(u.Role), u.Password, plain(u.Name)); err != nil {
			return err
		}
		if old.Password != u.Password {
			_, err = s.exec(ctx, tx, "DELETE FROM tokens WHERE name = ?", plain(u.Name))
		}
		return err
	})
}

// RemoveUser forgets a user and all tokens of theirs. Errors: NotFound, Unavailable.
func (s *SQL) RemoveUser(ctx context.Context, name string) error {
	return s.write(ctx, "remove user", func(tx *sql.Tx) error {
		if _, err := s.exec(ctx, tx, "DELETE FROM tokens WHERE name = ?", plain(name)); err != nil {
			return err
		}
		n, err := s.exec(ctx, tx, "DELETE FROM users WHERE name = ?", plain(name))
		if err == nil && n == 0 {
			return noUser(name)
		}
		return err
	})
}

// User is the user of that name. Errors: NotFound, Unavailable.
func (s *SQL) User(ctx context.Context, name string) (job.User, error) {
	var u job.User
	err := s.read(ctx, "read user", func(tx *sql.Tx) (err error) {
		u, err = s.findUser(ctx, tx, name)
		return err
	})
	return u, err
}

// userColumns are those that scanUser reads.
const userColumns = "name, role, password, created"

func scanUser(scan func(...any) error) (job.User, error) {
	var u job.User
	var created int64
	err := scan(&u.Name, &u.Role, &u.Password, &created)
	u.Created = moment(created)
	return u, err
}

func (s *SQL) findUser(ctx context.Context, tx *sql.Tx, name string) (job.User, error) {
	u, err := scanUser(tx.QueryRowContext(ctx, s.dialect.sql("SELECT "+userColumns+" FROM users WHERE name = ?"), plain(name)).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return job.User{}, noUser(name)
	}
	return u, err
}

// Users are all, by name. Errors: Unavailable.
func (s *SQL) Users(ctx context.Context) ([]job.User, error) {
	var all []job.User
	err := s.read(ctx, "list users", func(tx *sql.Tx) error {
		all = nil
		return s.each(ctx, tx, func(scan func(...any) error) error {
			u, err := scanUser(scan)
			all = append(all, u)
			return err
		}, "SELECT "+userColumns+" FROM users ORDER BY name")
	})
	return all, err
}

// AddToken keeps a token of a user. Errors: NotFound (the user), Unavailable.
func (s *SQL) AddToken(ctx context.Context, t job.Token) error {
	return s.write(ctx, "keep token", func(tx *sql.Tx) error {
		if _, err := s.findUser(ctx, tx, t.User); err != nil {
			return err
		}
		_, err := s.exec(ctx, tx, "INSERT INTO tokens (hash, name, scope, created, expires) VALUES (?, ?, ?, ?, ?)",
			t.Hash[:], plain(t.User), plain(string(t.Scope)), nanos(t.Created), nanos(t.Expires))
		return err
	})
}

// Token is the token with that hash, and its user. Errors: NotFound, Unavailable.
func (s *SQL) Token(ctx context.Context, hash [32]byte) (job.Token, job.User, error) {
	t, u := job.Token{Hash: hash}, job.User{}
	err := s.read(ctx, "read token", func(tx *sql.Tx) error {
		var created, expires int64
		err := tx.QueryRowContext(ctx, s.dialect.sql("SELECT name, scope, created, expires FROM tokens WHERE hash = ?"), hash[:]).
			Scan(&t.User, &t.Scope, &created, &expires)
		if errors.Is(err, sql.ErrNoRows) {
			return noToken()
		}
		if err != nil {
			return err
		}
		t.Created, t.Expires = moment(created), moment(expires)
		u, err = s.findUser(ctx, tx, t.User)
		return err
	})
	if err != nil {
		return job.Token{}, job.User{}, err
	}
	return t, u, nil
}

// RemoveToken forgets a token. Errors: NotFound, Unavailable.
func (s *SQL) RemoveToken(ctx context.Context, hash [32]byte) error {
	return s.write(ctx, "remove token", func(tx *sql.Tx) error {
		n, err := s.exec(ctx, tx, "DELETE FROM tokens WHERE hash = ?", hash[:])
		if err == nil && n == 0 {
			return noToken()
		}
		return err
	})
}

// ExpireTokens forgets the tokens that had ended by now. Errors: Unavailable.
func (s *SQL) ExpireTokens(ctx context.Context, now time.Time) error {
	return s.write(ctx, "expire tokens", func(tx *sql.Tx) error {
		_, err := s.exec(ctx, tx, "DELETE FROM tokens WHERE expires <= ?", nanos(now))
		return err
	})
}
