package workload_test

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"spillway/job"
	"spillway/server/store"
	"spillway/server/workload"
)

// removing is a store that does something in place of removing a workload.
type removing struct {
	*store.Memory
	remove func() error
}

func (r removing) RemoveWorkload(context.Context, int64) error { return r.remove() }

func TestDelete_NoFilesStayUnderANameThatMayBeGivenAgain(t *testing.T) {
	dir := t.TempDir()
	kept := removing{store.NewMemory(), func() error {
		require.NoDirExists(t, filepath.Join(dir, "a"), "a server that ends right behind this forgets the folder")
		return nil
	}}
	w, err := workload.New(workload.Config{Dir: dir}, newService(), kept, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	l := create(t, w)
	upload(t, w, l.ID, jpeg)
	require.NoError(t, w.Delete(t.Context(), l.ID))
	require.Empty(t, files(t, dir))
}

func TestDelete_ThatTheStoreRefusesLeavesTheFiles(t *testing.T) {
	dir, down := t.TempDir(), job.E(job.Unavailable, "remove", errors.New("the database is away"), "")
	kept := removing{store.NewMemory(), func() error { return down }}
	w, err := workload.New(workload.Config{Dir: dir}, newService(), kept, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	l := create(t, w)
	upload(t, w, l.ID, jpeg)
	require.ErrorIs(t, w.Delete(t.Context(), l.ID), down)
	require.Equal(t, []string{"a/original/0.jpg"}, files(t, dir))
}

