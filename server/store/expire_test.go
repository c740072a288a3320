package store

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
)

func TestSQLite_AnExpiryThatIsInterruptedGoesOnLater(t *testing.T) {
	s, err := OpenSQLite(t.Context(), t.TempDir(), Config{})
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	sub := Submission{Spec: job.Spec{ID: "a", Source: "data"}, Owner: "me", Created: time.Now(), Inputs: names(500_000)}
	_, _, err = s.Submit(t.Context(), sub)
	require.NoError(t, err)
	require.NoError(t, s.End(t.Context(), Ending{Job: "a", Epoch: 1, State: job.Cancelled, At: time.Now()}))

	n, err := s.hide(t.Context(), time.Now().Add(time.Hour), 0)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	more, err := s.sweep(t.Context())
	require.NoError(t, err)
	require.True(t, more)

	sub.Inputs = func(context.Context, func(string) bool) error { return nil }
	j, created, err := s.Submit(t.Context(), sub)
	require.NoError(t, err)
	require.True(t, created, "the id is free at once")
	require.Zero(t, j.Total)
	list, err := s.Jobs(t.Context(), job.Filter{})
	require.NoError(t, err)
	require.Len(t, list, 1)

	n, err = s.Expire(t.Context(), time.Now(), time.Hour)
	require.NoError(t, err)
	require.Zero(t, n, "it was counted before")
	for _, table := range []string{"pages", "jobs WHERE id <> 'a'"} {
		var rows int
		require.NoError(t, s.reader.QueryRowContext(t.Context(), "SELECT count(*) FROM "+table).Scan(&rows))
		require.Zero(t, rows, table)
	}
}
