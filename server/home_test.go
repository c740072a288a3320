package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"spillway/job"
	"spillway/server/store"
)

func TestBindFiles_AnothersFilesAreLeftAlone(t *testing.T) {
	song := filepath.Join(musicDir, "1", "song.mp3")
	for name, row := range map[string]struct {
		before func(t *testing.T, kept *store.Memory, dir string)
		shared bool
		good   bool
	}{
		"both are new":      {good: true},
		"both are of today": {before: file(song), good: true},
		"both know each other": {
			before: func(t *testing.T, kept *store.Memory, dir string) {
				require.NoError(t, bindFiles(t.Context(), kept, dir, true))
				file(song)(t, kept, dir)
			}, shared: true, good: true,
		},
		"the database is another":                                {before: both(known, file(song))},
		"the database is another, all is empty":                  {before: known, good: true},
		"the directory is another server's of a shared database": {before: taken, shared: true},
		"the directory was lost, of a server alone":              {before: taken, good: true},
	} {
		t.Run(name, func(t *testing.T) {
			kept, dir := store.NewMemory(), t.TempDir()
			if row.before != nil {
				row.before(t, kept, dir)
			}
			for range 2 { // the second is a restart
				err := bindFiles(t.Context(), kept, dir, row.shared)
				if row.good {
					require.NoError(t, err)
					continue
				}
				require.ErrorIs(t, err, errElsewhere)
				require.Equal(t, job.FailedPrecondition, job.CodeOf(err))
				require.NotEmpty(t, job.HintOf(err))
			}
		})
	}
}

// file is there before.
func file(name string) func(*testing.T, *store.Memory, string) {
	return func(t *testing.T, _ *store.Memory, dir string) {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), nil, 0o600))
	}
}

// known has another database know the directory.
func known(t *testing.T, _ *store.Memory, dir string) {
	require.NoError(t, bindFiles(t.Context(), store.NewMemory(), dir, false))
}

// taken has the database know another directory.
func taken(t *testing.T, kept *store.Memory, _ string) {
	require.NoError(t, bindFiles(t.Context(), kept, t.TempDir(), false))
}

func both(first, second func(*testing.T, *store.Memory, string)) func(*testing.T, *store.Memory, string) {
	return func(t *testing.T, kept *store.Memory, dir string) {
		first(t, kept, dir)
		second(t, kept, dir)
	}
}
