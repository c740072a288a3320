package account

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"spillway/job"
)

// CheckName reports why name cannot be a user's. Errors: InvalidArgument.
func CheckName(name string) error {
	if job.ID(name).Check() == nil {
		return nil
	}
	return job.E(job.InvalidArgument, "user", errors.New(job.Shown(fmt.Sprintf("%.80q is not a name", name))), "use 1 to 64 letters, digits, '-', '_' or '.'")
}

// hash is password's hash, as it is kept. Errors: as those of the kiln.
func (a *Accounts) hash(ctx context.Context, password string) (hash string, err error) {
	err = a.kiln.run(ctx, func() { hash = a.cfg.Cost.hash(password) })
	return hash, err
}

// Add makes a user. Errors: InvalidArgument, AlreadyExists, ResourceExhausted, Unavailable.
func (a *Accounts) Add(ctx context.Context, name, password string, role job.Role) error {
	if err := errors.Join(CheckName(name), CheckPassword(password), role.Check()); err != nil {
		return err
	}
	hash, err := a.hash(ctx, password)
	if err != nil {
		return err
	}
	return a.store.AddUser(ctx, job.User{Name: name, Role: role, Password: hash, Created: a.cfg.Now().UTC()})
}

// Set changes a user's role, password, or both; "" leaves it. A new password ends the
// user's tokens. Errors: InvalidArgument, NotFound, FailedPrecondition (the last
// admin would be none), ResourceExhausted, Unavailable.
func (a *Accounts) Set(ctx context.Context, name, password string, role job.Role) error {
	a.changes.Lock()
	defer a.changes.Unlock()
	u, err := a.store.User(ctx, name)
	if err != nil {
		return err
	}
	if role != "" && role != u.Role {
		if err := errors.Join(role.Check(), a.spare(ctx, u)); err != nil {
			return err
		}
		u.Role = role
	}
	if password != "" {
		if err := CheckPassword(password); err != nil {
			return err
		}
		if u.Password, err = a.hash(ctx, password); err != nil {
			return err
		}
	}
	defer a.forget()
	return a.store.SetUser(ctx, u)
}

// Remove forgets a user. Errors: NotFound, FailedPrecondition (it is the last admin),
// Unavailable.
func (a *Accounts) Remove(ctx context.Context, name string) error {
	a.changes.Lock()
	defer a.changes.Unlock()
	u, err := a.store.User(ctx, name)
	if err != nil {
		return err
	}
	if err := a.spare(ctx, u); err != nil {
		return err
	}
	defer a.forget()
	return a.store.RemoveUser(ctx, name)
}

// spare refuses to lose the last admin.
func (a *Accounts) spare(ctx context.Context, u job.User) error {
	if u.Role != job.Admin {
		return nil
	}
	all, err := a.store.Users(ctx)
	if err != nil {
		return err
	}
	for _, other := range all {
		if other.Role == job.Admin && other.Name != u.Name {
			return nil
		}
	}
	return job.E(job.FailedPrecondition, "user "+u.Name, errors.New("it is the last admin"), "make another user an admin first")
}

// Users are all, by name, without their passwords. Errors: Unavailable.
func (a *Accounts) Users(ctx context.Context) ([]job.User, error) {
	all, err := a.store.Users(ctx)
	for i := range all {
		all[i].Password = ""
	}
	return all, err
}

// The account that the first start makes.
const firstAdmin = "admin"

// First makes an admin with a random password where there is no user, and returns
// both; "" where there is one. Errors: Unavailable.
func (a *Accounts) First(ctx context.Context) (name, password string, err error) {
	all, err := a.store.Users(ctx)
	if err != nil || len(all) > 0 {
		return "", "", err
	}
	password = rand.Text()
	err = a.Add(ctx, firstAdmin, password, job.Admin)
	if job.CodeOf(err) == job.AlreadyExists { // another server was first
		return "", "", nil
	}
	return firstAdmin, password, err
}
