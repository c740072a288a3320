package store_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

// bindsFiles: the first directory has the files, until another is to replace it.
func bindsFiles(t *testing.T, s keeper) {
	k, ok := s.(interface {
		FilesHome(ctx context.Context) (string, error)
		BindFiles(ctx context.Context, id string, replace bool) (string, error)
	})
	require.True(t, ok)
	has := func(want string, replace bool, id string) {
		t.Helper()
		bound, err := k.BindFiles(t.Context(), id, replace)
		require.NoError(t, err)
		home, err := k.FilesHome(t.Context())
		require.NoError(t, err)
		require.Equal(t, []string{want, want}, []string{bound, home})
	}
	home, err := k.FilesHome(t.Context())
	require.NoError(t, err)
	require.Empty(t, home)
	has("a", false, "a")
	has("a", false, "b")
	has("b", true, "b")
}
