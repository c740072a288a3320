package store_test

import (
	"context"
	"crypto/sha256"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
)

// books is what a store keeps of accounts.
type books interface {
	AddUser(ctx context.Context, u job.User) error
	SetUser(ctx context.Context, u job.User) error
	RemoveUser(ctx context.Context, name string) error
	User(ctx context.Context, name string) (job.User, error)
	Users(ctx context.Context) ([]job.User, error)
	AddToken(ctx context.Context, t job.Token) error
	Token(ctx context.Context, hash [32]byte) (job.Token, job.User, error)
	RemoveToken(ctx context.Context, hash [32]byte) error
	ExpireTokens(ctx context.Context, now time.Time) error
}

// account is a user for tests, as it is kept.
func account(name string) job.User {
	return job.User{Name: name, Role: job.Operator, Password: "$argon2id$" + name, Created: noon()}
}

// token is one of the user's for tests, which ends an hour after noon.
func token(name, secret string) job.Token {
	return job.Token{Hash: sha256.Sum256([]byte(secret)), User: name, Scope: job.NodeScope("node_0"), Created: noon(), Expires: noon().Add(time.Hour)}
}

func keepsUsers(t *testing.T, s keeper) {
	b := s.(books)
	ctx := t.Context()
	none, err := b.Users(ctx)
	require.NoError(t, err)
	require.Empty(t, none)
	for _, name := range []string{"eve", "ada"} {
		require.NoError(t, b.AddUser(ctx, account(name)))
	}
	require.Equal(t, job.AlreadyExists, job.CodeOf(b.AddUser(ctx, job.User{Name: "ada", Role: job.Admin})))
	all, err := b.Users(ctx)
	require.NoError(t, err)
	require.Equal(t, []job.User{account("ada"), account("eve")}, all, "by name, and as they were added")

	require.NoError(t, b.AddToken(ctx, token("ada", "x")))
	promoted := account("ada")
	promoted.Role = job.Admin
	require.NoError(t, b.SetUser(ctx, promoted))
	kept, err := b.User(ctx, "ada")
	require.NoError(t, err)
	require.Equal(t, promoted, kept)
	_, _, err = b.Token(ctx, token("ada", "x").Hash)
	require.NoError(t, err, "a new role leaves the tokens")
	promoted.Password = "other"
	require.NoError(t, b.SetUser(ctx, promoted))
	_, _, err = b.Token(ctx, token("ada", "x").Hash)
	require.Equal(t, job.NotFound, job.CodeOf(err), "a new password ends them")

	for _, err := range []error{b.SetUser(ctx, account("no'body")), b.RemoveUser(ctx, "nobody"), b.AddToken(ctx, token("nobody", "y"))} {
		require.Equal(t, job.NotFound, job.CodeOf(err))
	}
	_, err = b.User(ctx, "ADA")
	require.Equal(t, job.NotFound, job.CodeOf(err))
}

func keepsTokens(t *testing.T, s keeper) {
	b := s.(books)
	ctx := t.Context()
	require.NoError(t, b.AddUser(ctx, account("ada")))
	for _, secret := range []string{"one", "two", "three"} {
		require.NoError(t, b.AddToken(ctx, token("ada", secret)))
	}
	kept, owner, err := b.Token(ctx, token("ada", "one").Hash)
	require.NoError(t, err)
	require.Equal(t, token("ada", "one"), kept)
	require.Equal(t, account("ada"), owner)

	require.NoError(t, b.RemoveToken(ctx, token("ada", "one").Hash))
	require.Equal(t, job.NotFound, job.CodeOf(b.RemoveToken(ctx, token("ada", "one").Hash)))
	_, _, err = b.Token(ctx, token("ada", "one").Hash)
	require.Equal(t, job.NotFound, job.CodeOf(err))

	require.NoError(t, b.ExpireTokens(ctx, noon().Add(time.Hour-time.Nanosecond)))
	_, _, err = b.Token(ctx, token("ada", "two").Hash)
	require.NoError(t, err)
	require.NoError(t, b.ExpireTokens(ctx, noon().Add(time.Hour)))
	_, _, err = b.Token(ctx, token("ada", "two").Hash)
	require.Equal(t, job.NotFound, job.CodeOf(err))

	require.NoError(t, b.AddToken(ctx, token("ada", "four")))
	require.NoError(t, b.RemoveUser(ctx, "ada"))
	_, _, err = b.Token(ctx, token("ada", "four").Hash)
	require.Equal(t, job.NotFound, job.CodeOf(err), "a user's tokens go with the user")
}

func addsAUserOnce(t *testing.T, s keeper) {
	b := s.(books)
	var wg sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		wg.Go(func() { errs[i] = b.AddUser(t.Context(), account("ada")) })
	}
	wg.Wait()
	added := 0
	for _, err := range errs {
		if err == nil {
			added++
			continue
		}
		require.Equal(t, job.AlreadyExists, job.CodeOf(err))
	}
	require.Equal(t, 1, added)
}
