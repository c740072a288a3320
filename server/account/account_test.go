package account_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
	"spillway/server/account"
	"spillway/server/store"
)

// clock is a time that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// open gives accounts with one user, ada, whose password is "correct horse".
func open(t *testing.T) (*account.Accounts, *clock, account.Store) {
	c := &clock{now: time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)}
	s := store.NewMemory()
	a := account.New(account.Config{Cost: account.Cost{Memory: 64, Passes: 1}, Now: c.Now}, s)
	require.NoError(t, a.Add(t.Context(), "ada", "correct horse", job.Operator))
	return a, c, s
}

func TestAccounts_ALoginGivesATokenThatStandsForTheUser(t *testing.T) {
	a, c, _ := open(t)
	token, kept, err := a.Login(t.Context(), "ada", "correct horse", "1.2.3.4")
	require.NoError(t, err)
	require.Equal(t, c.Now().Add(12*time.Hour), kept.Expires)
	require.NotContains(t, fmt.Sprintf("%x %v", kept.Hash, kept), token)
	who, err := a.Principal(t.Context(), token)
	require.NoError(t, err)
	require.Equal(t, job.Principal{User: "ada", Role: job.Operator}, who)
	again, _, err := a.Login(t.Context(), "ada", "correct horse", "1.2.3.4")
	require.NoError(t, err)
	require.NotEqual(t, token, again)
}

func TestAccounts_OnlyHashesAreKept(t *testing.T) {
	a, _, s := open(t)
	_, _, err := a.Login(t.Context(), "ada", "correct horse", "")
	require.NoError(t, err)
	u, err := s.User(t.Context(), "ada")
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(u.Password, "$argon2id$v=19$m=64,t=1,p=1$"), u.Password)
	require.NotContains(t, u.Password, "correct horse")
	all, err := a.Users(t.Context())
	require.NoError(t, err)
	require.Empty(t, all[0].Password)
}

func TestAccounts_NoAnswerTellsWhetherANameExists(t *testing.T) {
	a, _, _ := open(t)
	_, _, unknown := a.Login(t.Context(), "eve", "correct horse", "1.1.1.1")
	_, _, wrong := a.Login(t.Context(), "ada", "wrong horse", "1.1.1.1")
	_, _, long := a.Login(t.Context(), "ada", strings.Repeat("x", 1<<20), "1.1.1.1")
	_, _, hostile := a.Login(t.Context(), "ada' OR '1'='1", "' OR 1=1 --", "1.1.1.1")
	require.Equal(t, job.Unauthenticated, job.CodeOf(unknown))
	require.Equal(t, unknown, wrong)
	require.Equal(t, unknown, long)
	require.Equal(t, unknown, hostile)
}

func TestAccounts_GuessingIsSlow(t *testing.T) {
	a, c, _ := open(t)
	guess := func(name, from string) error {
		_, _, err := a.Login(t.Context(), name, "guess", from)
		return err
	}
	for range 5 {
		require.Equal(t, job.Unauthenticated, job.CodeOf(guess("ada", "1.1.1.1")))
	}
	_, _, err := a.Login(t.Context(), "ada", "correct horse", "1.1.1.1")
	require.Equal(t, job.ResourceExhausted, job.CodeOf(err), "not even with the password")
	require.Equal(t, 10*time.Second, job.AsError(err).RetryAfter)
	_, _, err = a.Login(t.Context(), "ada", "correct horse", "2.2.2.2")
	require.NoError(t, err, "the user elsewhere is not locked out")
	c.advance(10 * time.Second)
	require.Equal(t, job.Unauthenticated, job.CodeOf(guess("ada", "1.1.1.1")))
	require.Equal(t, job.ResourceExhausted, job.CodeOf(guess("ada", "1.1.1.1")), "one every ten seconds")

	for i := range 50 {
		_ = guess(fmt.Sprint("user", i), "3.3.3.3")
	}
	require.Equal(t, job.ResourceExhausted, job.CodeOf(guess("another", "3.3.3.3")), "nor by going through names")
	c.advance(time.Hour)
	_, _, err = a.Login(t.Context(), "ada", "correct horse", "3.3.3.3")
	require.NoError(t, err)
}

func TestAccounts_WhoLogsInWellIsNeverSlowed(t *testing.T) {
	a, _, _ := open(t)
	for range 200 {
		_, _, err := a.Login(t.Context(), "ada", "correct horse", "1.1.1.1")
		require.NoError(t, err)
	}
}

func TestAccounts_TokensDie(t *testing.T) {
	rows := []struct {
		name string
		kill func(t *testing.T, a *account.Accounts, c *clock, token string)
	}{
		{"by logout", func(t *testing.T, a *account.Accounts, _ *clock, token string) {
			require.NoError(t, a.Logout(t.Context(), token))
			require.Equal(t, job.Unauthenticated, job.CodeOf(a.Logout(t.Context(), token)))
		}},
		{"by age", func(_ *testing.T, _ *account.Accounts, c *clock, _ string) { c.advance(12 * time.Hour) }},
		{"by a new password", func(t *testing.T, a *account.Accounts, _ *clock, _ string) {
			require.NoError(t, a.Set(t.Context(), "ada", "battery staple", ""))
		}},
		{"with their user", func(t *testing.T, a *account.Accounts, _ *clock, _ string) {
			require.NoError(t, a.Remove(t.Context(), "ada"))
		}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			a, c, _ := open(t)
			token, _, err := a.Login(t.Context(), "ada", "correct horse", "")
			require.NoError(t, err)
			_, err = a.Principal(t.Context(), token)
			require.NoError(t, err)
			row.kill(t, a, c, token)
			_, err = a.Principal(t.Context(), token)
			require.Equal(t, job.Unauthenticated, job.CodeOf(err))
			_, unknown := a.Principal(t.Context(), "spw_nonsense")
			require.Equal(t, unknown, err, "the same as of one that never was")
		})
	}
}

func TestAccounts_WhatAnotherServerChangesIsKnownSoon(t *testing.T) {
	a, c, s := open(t)
	token, kept, err := a.Login(t.Context(), "ada", "correct horse", "")
	require.NoError(t, err)
	_, err = a.Principal(t.Context(), token)
	require.NoError(t, err)
	require.NoError(t, s.RemoveToken(t.Context(), kept.Hash))
	c.advance(5 * time.Second)
	_, err = a.Principal(t.Context(), token)
	require.Equal(t, job.Unauthenticated, job.CodeOf(err))
}

func TestAccounts_ARoleIsThatOfNow(t *testing.T) {
	a, _, _ := open(t)
	token, _, err := a.Login(t.Context(), "ada", "correct horse", "")
	require.NoError(t, err)
	_, err = a.Principal(t.Context(), token)
	require.NoError(t, err)
	require.NoError(t, a.Set(t.Context(), "ada", "", job.Viewer))
	who, err := a.Principal(t.Context(), token)
	require.NoError(t, err)
	require.Equal(t, job.Viewer, who.Role)
}

func TestAccounts_ThereIsAlwaysAnAdmin(t *testing.T) {
	a, _, _ := open(t)
	require.NoError(t, a.Add(t.Context(), "root", "correct horse", job.Admin))
	require.Equal(t, job.FailedPrecondition, job.CodeOf(a.Remove(t.Context(), "root")))
	require.Equal(t, job.FailedPrecondition, job.CodeOf(a.Set(t.Context(), "root", "", job.Viewer)))
	require.NoError(t, a.Set(t.Context(), "ada", "", job.Admin))
	require.NoError(t, a.Remove(t.Context(), "root"))
}

func TestAccounts_TheFirstStartMakesAnAdminOnce(t *testing.T) {
	a := account.New(account.Config{Cost: account.Cost{Memory: 64, Passes: 1}}, store.NewMemory())
	name, password, err := a.First(t.Context())
	require.NoError(t, err)
	require.Equal(t, "admin", name)
	_, _, err = a.Login(t.Context(), name, password, "")
	require.NoError(t, err)
	name, password, err = a.First(t.Context())
	require.NoError(t, err)
	require.Empty(t, name+password)
}

func TestAccounts_RefusesWhatCannotBeAUser(t *testing.T) {
	a, _, _ := open(t)
	for _, row := range []struct{ name, password, role string }{
		{"", "long enough", "viewer"},
		{"a/b", "long enough", "viewer"},
		{"..", "long enough", "viewer"},
		{"a\nb", "long enough", "viewer"},
		{"bob", "short", "viewer"},
		{"bob", strings.Repeat("x", 1025), "viewer"},
		{"bob", "bad\xffpassword", "viewer"},
		{"bob", "long enough", "root"},
		{"bob", "long enough", ""},
	} {
		err := a.Add(t.Context(), row.name, row.password, job.Role(row.role))
		require.Equal(t, job.InvalidArgument, job.CodeOf(err), row)
		require.NotEmpty(t, job.HintOf(err))
	}
	require.Equal(t, job.AlreadyExists, job.CodeOf(a.Add(t.Context(), "ada", "long enough", job.Viewer)))
}

// slow is a store that has others go first.
type slow struct{ account.Store }

func (s slow) User(ctx context.Context, name string) (job.User, error) {
	u, err := s.Store.User(ctx, name)
	yield()
	return u, err
}

func (s slow) Users(ctx context.Context) ([]job.User, error) {
	all, err := s.Store.Users(ctx)
	yield()
	return all, err
}

func yield() {
	for range 1000 {
		runtime.Gosched()
	}
}

func TestAccounts_ChangesAtOnceLeaveAnAdminAndUndoNothing(t *testing.T) {
	for range 20 {
		s := store.NewMemory()
		a := account.New(account.Config{Cost: account.Cost{Memory: 64, Passes: 1}}, slow{s})
		require.NoError(t, a.Add(t.Context(), "ada", "correct horse", job.Admin))
		require.NoError(t, a.Add(t.Context(), "bob", "correct horse", job.Admin))
		require.NoError(t, a.Add(t.Context(), "eve", "correct horse", job.Admin))
		var wg sync.WaitGroup
		for _, change := range []func() error{
			func() error { return a.Set(t.Context(), "ada", "", job.Viewer) },
			func() error { return a.Remove(t.Context(), "bob") },
			func() error { return a.Set(t.Context(), "eve", "", job.Viewer) },
			func() error { return a.Set(t.Context(), "eve", "another horse", "") },
		} {
			wg.Go(func() {
				if err := change(); err != nil && job.CodeOf(err) != job.FailedPrecondition {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		all, err := s.Users(t.Context())
		require.NoError(t, err)
		admins := slices.DeleteFunc(all, func(u job.User) bool { return u.Role != job.Admin })
		require.Len(t, admins, 1)
	}
}

// away is a store whose database is away.
type away struct{ account.Store }

func (away) User(context.Context, string) (job.User, error) {
	return job.User{}, job.E(job.Unavailable, "", errors.New("away"), "")
}

func (away) Token(context.Context, [32]byte) (job.Token, job.User, error) {
	return job.Token{}, job.User{}, job.E(job.Unavailable, "", errors.New("away"), "")
}

func TestAccounts_AStoreThatIsAwayIsNotAWrongPassword(t *testing.T) {
	a := account.New(account.Config{Cost: account.Cost{Memory: 64, Passes: 1}}, away{})
	_, _, err := a.Login(t.Context(), "ada", "correct horse", "")
	require.Equal(t, job.Unavailable, job.CodeOf(err))
	_, err = a.Principal(t.Context(), "spw_x")
	require.Equal(t, job.Unavailable, job.CodeOf(err))
}

func TestAccounts_ManyAtOnce(t *testing.T) {
	a, _, _ := open(t)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			token, _, err := a.Login(t.Context(), "ada", "correct horse", "")
			if err != nil {
				return // too many at once from one address
			}
			if _, err := a.Principal(t.Context(), token); err != nil {
				t.Error(err)
			}
			if err := a.Logout(t.Context(), token); err != nil {
				t.Error(err)
			}
			if _, err := a.Principal(t.Context(), token); job.CodeOf(err) != job.Unauthenticated {
				t.Error("a token outlives its logout")
			}
		})
	}
	wg.Wait()
}

// meanwhile is a store in which something happens once, just after a user was read.
type meanwhile struct {
	account.Store
	happens func()
}

func (m *meanwhile) User(ctx context.Context, name string) (job.User, error) {
	u, err := m.Store.User(ctx, name)
	if happens := m.happens; happens != nil {
		m.happens = nil
		happens()
	}
	return u, err
}

func TestAccounts_ALoginOutlivesNeitherItsPasswordNorItsUser(t *testing.T) {
	for name, change := range map[string]func(*account.Accounts) error{
		"password": func(a *account.Accounts) error { return a.Set(t.Context(), "ada", "another horse", "") },
		"removed":  func(a *account.Accounts) error { return a.Remove(t.Context(), "ada") },
		"replaced": func(a *account.Accounts) error {
			return errors.Join(a.Remove(t.Context(), "ada"), a.Add(t.Context(), "ada", "correct horse", job.Admin))
		},
	} {
		t.Run(name, func(t *testing.T) {
			a, c, s := open(t)
			m := &meanwhile{Store: s}
			m.happens = func() { require.NoError(t, change(a)) }
			login := account.New(account.Config{Cost: account.Cost{Memory: 64, Passes: 1}, Now: c.Now}, m)
			token, _, err := login.Login(t.Context(), "ada", "correct horse", "1.1.1.1")
			require.Equal(t, job.Unauthenticated, job.CodeOf(err))
			require.Empty(t, token)
		})
	}
}
