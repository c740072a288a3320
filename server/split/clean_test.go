package split_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"spillway/job"
)

func TestClean_RemovesWhatBeginsSoAndNothingElse(t *testing.T) {
	ours, others := job.TempPrefix("a"), job.TempPrefix("b")
	root, roots := tree(t, "data/input_dir/a.png", "data/input_dir/"+ours+"1.part", "data/output_dir/a.png",
		"data/output_dir/"+ours+"1.part", "data/output_dir/"+ours+"2.part", "data/output_dir/"+others+"1.part")
	s := open(t, roots, "data")
	removed, err := s.Clean(t.Context(), ours)
	require.NoError(t, err)
	require.Equal(t, 2, removed)
	left, err := os.ReadDir(filepath.Join(root, "data", job.OutputDir))
	require.NoError(t, err)
	require.Len(t, left, 2)
	require.Equal(t, others+"1.part", left[0].Name())
	require.Equal(t, "a.png", left[1].Name())
	require.FileExists(t, filepath.Join(root, "data", job.InputDir, ours+"1.part"))

	removed, err = s.Clean(t.Context(), ours)
	require.NoError(t, err)
	require.Zero(t, removed, "twice")
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = s.Clean(gone, ours)
	require.ErrorIs(t, err, context.Canceled)
}

func TestClean_OfAFolderWithoutOutputsDoesNothing(t *testing.T) {
	_, roots := tree(t, "data/input_dir/a.png")
	removed, err := open(t, roots, "data").Clean(t.Context(), job.TempPrefix("a"))
	require.NoError(t, err)
	require.Zero(t, removed)
}

func TestClean_LeavesWhatALinkLeadsTo(t *testing.T) {
	root, roots := tree(t, "data/input_dir/a.png")
	outside := t.TempDir()
	stray := filepath.Join(outside, job.TempPrefix("a")+"1.part")
	require.NoError(t, os.WriteFile(stray, nil, 0o600))
	require.NoError(t, os.Symlink(outside, filepath.Join(root, "data", job.OutputDir)))
	_, err := open(t, roots, "data").Clean(t.Context(), job.TempPrefix("a"))
	require.Equal(t, job.Unavailable, job.CodeOf(err))
	require.FileExists(t, stray)
}
