package store_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
)

// shelf is what a store keeps of music.
type shelf interface {
	AddMusic(ctx context.Context, m job.Music, place func(id int64) error) (job.Music, error)
	Music(ctx context.Context, id int64) (job.Music, error)
	AllMusic(ctx context.Context) ([]job.Music, error)
	ChooseMusic(ctx context.Context, id int64, mix job.Mix) error
	SetMusic(ctx context.Context, m job.Music) error
	ClearMusic(ctx context.Context) error
	KeepMusicParts(ctx context.Context, music int64, parts []job.MusicPart) error
	MusicParts(ctx context.Context) ([]job.MusicPart, error)
	MusicPart(ctx context.Context, music int64, number int) (job.MusicPart, error)
}

// song keeps a song.
func song(t *testing.T, s shelf, name string) job.Music {
	var placed int64
	m, err := s.AddMusic(t.Context(), job.Music{Name: name, Band: "x'; DROP TABLE music", File: "song.mp3", Bytes: 1 << 40, Created: noon()},
		func(id int64) error { placed = id; return nil })
	require.NoError(t, err)
	require.Equal(t, placed, m.ID)
	return m
}

func keepsMusic(t *testing.T, k keeper) {
	s, ctx := k.(shelf), t.Context()
	none, err := s.AllMusic(ctx)
	require.NoError(t, err)
	require.Empty(t, none)
	first, second := song(t, s, "a"), song(t, s, "b")
	require.Positive(t, first.ID)
	require.Greater(t, second.ID, first.ID)

	require.NoError(t, s.ChooseMusic(ctx, first.ID, 5))
	first.Job, first.Separated, first.Mixed = "job", true, 3
	first.Err = job.E(job.DataLoss, "read", errors.New("it is cut off"), "mend it")
	first.Chosen = 5
	require.NoError(t, s.SetMusic(ctx, first))
	kept, err := s.Music(ctx, first.ID)
	require.NoError(t, err)
	require.Equal(t, first, kept)
	require.NoError(t, s.ChooseMusic(ctx, first.ID, 6))
	require.NoError(t, s.SetMusic(ctx, first), "what was chosen meanwhile stays, and has not failed")
	first.Chosen, first.Err = 6, nil
	all, err := s.AllMusic(ctx)
	require.NoError(t, err)
	require.Equal(t, []job.Music{first, second}, all, "a new choice forgets the old error")

	_, err = s.Music(ctx, second.ID+1)
	for _, err := range []error{err, s.ChooseMusic(ctx, 99, 1), s.SetMusic(ctx, job.Music{ID: 99}), s.KeepMusicParts(ctx, 99, nil)} {
		require.Equal(t, job.NotFound, job.CodeOf(err))
	}
	require.NoError(t, s.ClearMusic(ctx))
	all, err = s.AllMusic(ctx)
	require.NoError(t, err)
	require.Empty(t, all)
	require.Greater(t, song(t, s, "c").ID, second.ID, "no id is used again")
}

func undoesMusic(t *testing.T, k keeper) {
	s := k.(shelf)
	full := job.E(job.ResourceExhausted, "", errors.New("the disk is full"), "")
	_, err := s.AddMusic(t.Context(), job.Music{Name: "a"}, func(int64) error { return full })
	require.ErrorIs(t, err, full)
	all, err := s.AllMusic(t.Context())
	require.NoError(t, err)
	require.Empty(t, all)
}

func keepsMusicParts(t *testing.T, k keeper) {
	s, ctx := k.(shelf), t.Context()
	first, second := song(t, s, "a"), song(t, s, "b")
	require.NoError(t, s.KeepMusicParts(ctx, second.ID, []job.MusicPart{{Number: 1, Bytes: 7}}))
	require.NoError(t, s.KeepMusicParts(ctx, first.ID, []job.MusicPart{{Number: 3}}))
	require.NoError(t, s.KeepMusicParts(ctx, first.ID, []job.MusicPart{{Number: 2, Bytes: 1 << 40}, {Number: 1, Bytes: 3, Took: time.Second}}))
	all, err := s.MusicParts(ctx)
	require.NoError(t, err)
	require.Equal(t, []job.MusicPart{
		{Music: first.ID, Number: 1, Bytes: 3, Took: time.Second}, {Music: first.ID, Number: 2, Bytes: 1 << 40}, {Music: second.ID, Number: 1, Bytes: 7},
	}, all, "what was known before is replaced")
	p, err := s.MusicPart(ctx, first.ID, 1)
	require.NoError(t, err)
	require.Equal(t, all[0], p)
	_, err = s.MusicPart(ctx, first.ID, 3)
	require.Equal(t, job.NotFound, job.CodeOf(err))
	require.NoError(t, s.ClearMusic(ctx))
	all, err = s.MusicParts(ctx)
	require.NoError(t, err)
	require.Empty(t, all)
}
