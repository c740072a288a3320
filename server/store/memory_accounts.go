package store

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"spillway/job"
)

// accounts are the users and tokens of a [Memory].
type accounts struct {
	users  map[string]job.User
	tokens map[[32]byte]job.Token
}

// dropTokens forgets the tokens that drop tells; the store's mu is held.
func (a *accounts) dropTokens(drop func(job.Token) bool) {
	maps.DeleteFunc(a.tokens, func(_ [32]byte, t job.Token) bool { return drop(t) })
}

// AddUser is as that of [SQL].
func (m *Memory) AddUser(ctx context.Context, u job.User) error {
	leave, err := m.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	if _, ok := m.accounts.users[u.Name]; ok {
		return userTaken(u.Name)
	}
	m.accounts.users[u.Name] = u
	return nil
}

// SetUser is as that of [SQL].
func (m *Memory) SetUser(ctx context.Context, u job.User) error {
	leave, err := m.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	old, ok := m.accounts.users[u.Name]
	if !ok {
		return noUser(u.Name)
	}
	if old.Password != u.Password {
		m.accounts.dropTokens(func(t job.Token) bool { return t.User == u.Name })
	}
	old.Role, old.Password = u.Role, u.Password
	m.accounts.users[u.Name] = old
	return nil
}

// RemoveUser is as that of [SQL].
func (m *Memory) RemoveUser(ctx context.Context, name string) error {
	leave, err := m.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	if _, ok := m.accounts.users[name]; !ok {
		return noUser(name)
	}
	delete(m.accounts.users, name)
	m.accounts.dropTokens(func(t job.Token) bool { return t.User == name })
	return nil
}

// User is as that of [SQL].
func (m *Memory) User(ctx context.Context, name string) (job.User, error) {
	leave, err := m.enter(ctx)
	if err != nil {
		return job.User{}, err
	}
	defer leave()
	u, ok := m.accounts.users[name]
	if !ok {
		return job.User{}, noUser(name)
	}
	return u, nil
}

// Users is as that of [SQL].
func (m *Memory) Users(ctx context.Context) ([]job.User, error) {
	leave, err := m.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	return slices.SortedFunc(maps.Values(m.accounts.users), func(a, b job.User) int { return strings.Compare(a.Name, b.Name) }), nil
}

// AddToken is as that of [SQL].
func (m *Memory) AddToken(ctx context.Context, t job.Token) error {
	leave, err := m.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	if _, ok := m.accounts.users[t.User]; !ok {
		return noUser(t.User)
	}
	m.accounts.tokens[t.Hash] = t
	return nil
}

// Token is as that of [SQL].
func (m *Memory) Token(ctx context.Context, hash [32]byte) (job.Token, job.User, error) {
	leave, err := m.enter(ctx)
	if err != nil {
		return job.Token{}, job.User{}, err
	}
	defer leave()
	t, ok := m.accounts.tokens[hash]
	if !ok {
		return job.Token{}, job.User{}, noToken()
	}
	return t, m.accounts.users[t.User], nil
}

// RemoveToken is as that of [SQL].
func (m *Memory) RemoveToken(ctx context.Context, hash [32]byte) error {
	leave, err := m.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	if _, ok := m.accounts.tokens[hash]; !ok {
		return noToken()
	}
	delete(m.accounts.tokens, hash)
	return nil
}

// ExpireTokens is as that of [SQL].
func (m *Memory) ExpireTokens(ctx context.Context, now time.Time) error {
	leave, err := m.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	m.accounts.dropTokens(func(t job.Token) bool { return !t.Expires.After(now) })
	return nil
}
