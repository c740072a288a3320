package main

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"spillway/computenode/files"
	"spillway/computenode/media"
	"spillway/computenode/operation"
	"spillway/job"
)

// asked is a runner that calls back.
type asked func()

func (a asked) Do(context.Context, operation.Request) (operation.Reply, error) {
	a()
	return operation.Reply{}, nil
}

func TestWatched_APartIsToldByItsFile(t *testing.T) {
	desk := files.New(files.Config{}, slog.New(slog.DiscardHandler))
	part := job.Part{File: "clip.avi", Number: 3, Of: 16, From: 60060, To: 90090, Count: 30, Note: "0,768x576"}
	_, err := watched{asked(func() {
		all, err := desk.View(t.Context())
		require.NoError(t, err)
		require.Len(t, all, 1)
		video, frame := all[0].Frame()
		require.Equal(t, "clip", video)
		require.Zero(t, frame)
	}), desk}.Do(t.Context(), operation.Request{Name: part.Name(), Operation: job.Operation{Name: "edges"}})
	require.NoError(t, err)
}

func TestWork_OnlyWhatWritesFilesMayGoOnForLong(t *testing.T) {
	dir := t.TempDir()
	require.Equal(t, int64(-1), work{Task: &operation.Request{}}.Progress())
	require.Equal(t, int64(-1), work{Media: &media.Request{Kind: media.Metadata, Path: "/v"}}.Progress())
	require.Equal(t, int64(-1), work{Media: &media.Request{Kind: media.Extract, Out: filepath.Join(dir, "gone")}}.Progress())
	extract := work{Media: &media.Request{Kind: media.Extract, Out: dir}}
	require.Zero(t, extract.Progress())
	require.NoError(t, os.WriteFile(filepath.Join(dir, "0.png"), []byte("picture"), 0o600))
	require.Equal(t, int64(7), extract.Progress())
	require.Equal(t, int64(7), work{Media: &media.Request{Kind: media.Create, Out: filepath.Join(dir, "it.mp4")}}.Progress())
}
