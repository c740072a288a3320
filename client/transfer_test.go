package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"spillway/computenode/files"
	"spillway/computenode/workspace"
	"spillway/job"
)

// flaky loses some of the calls, half of them after they were done.
type flaky struct {
	job.Files
	rng   *rand.Rand
	share float64 // of the calls that are lost
	puts  int64   // bytes that were put
	gets  int64
}

func (f *flaky) lost() error {
	return job.E(job.Unavailable, "node", job.Lost(errors.New("the connection broke")), "")
}

func (f *flaky) Put(ctx context.Context, p job.Piece) error {
	f.puts += int64(len(p.Data))
	lost := f.rng.Float64() < f.share
	if lost && f.rng.IntN(2) == 0 {
		return f.lost()
	}
	if err := f.Files.Put(ctx, p); err != nil || !lost {
		return err
	}
	return f.lost()
}

func (f *flaky) PutOffset(ctx context.Context, name string, size int64) (int64, error) {
	if f.rng.Float64() < f.share {
		return 0, f.lost()
	}
	return f.Files.PutOffset(ctx, name, size)
}

func (f *flaky) Get(ctx context.Context, name string, offset int64) (job.Piece, error) {
	if f.rng.Float64() < f.share {
		return job.Piece{}, f.lost()
	}
	p, err := f.Files.Get(ctx, name, offset)
	f.gets += int64(len(p.Data))
	return p, err
}

// newFlaky is a node's file space behind a connection that loses so many calls.
func newFlaky(t *testing.T, share float64) *flaky {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	space, err := workspace.Open(workspace.Config{Dir: t.TempDir()}, log)
	require.NoError(t, err)
	t.Cleanup(func() { _ = space.Close() })
	return &flaky{Files: files.New(files.Config{Space: space}, log), rng: rand.New(rand.NewPCG(1, 2)), share: share}
}

// content is bytes that differ, and the file that holds them.
func content(t *testing.T, size int) (data []byte, path string) {
	t.Helper()
	data = make([]byte, size)
	rng := rand.NewChaCha8([32]byte{1})
	_, _ = rng.Read(data)
	path = filepath.Join(t.TempDir(), "in.bin")
	require.NoError(t, os.WriteFile(path, data, 0o600))
	return data, path
}

func quiet(int64, int64) {}

func TestTransfer_GoesOnWhereItBrokeOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFlaky(t, 0.3)
		for _, size := range []int{0, 1, job.ChunkBytes, job.ChunkBytes + 1, 20*job.ChunkBytes + 7} {
			data, path := content(t, size)
			f.puts, f.gets = 0, 0
			n, err := upload{f, quiet}.run(t.Context(), path, "a.bin")
			require.NoError(t, err)
			require.Equal(t, int64(size), n)
			to := filepath.Join(t.TempDir(), "out.bin")
			_, err = download{f, quiet}.run(t.Context(), "a.bin", to)
			require.NoError(t, err)
			back, err := os.ReadFile(to)
			require.NoError(t, err)
			require.True(t, bytes.Equal(data, back))
			if size > 2*job.ChunkBytes {
				require.Less(t, f.puts, int64(2*size), "what has come is not sent again")
				require.Less(t, f.gets, int64(size+1000))
			}
		}
	})
}

func TestTransfer_GoesOnWhereAnEarlierRunBrokeOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFlaky(t, 0)
		data, path := content(t, 4*job.ChunkBytes)
		half := job.Piece{Name: "a.bin", Size: int64(len(data)), Data: data[:job.ChunkBytes]}
		require.NoError(t, f.Files.Put(t.Context(), half))
		_, err := upload{f, quiet}.run(t.Context(), path, "a.bin")
		require.NoError(t, err)
		require.Equal(t, int64(3*job.ChunkBytes), f.puts)

		to := filepath.Join(t.TempDir(), "out.bin")
		part := filepath.Join(filepath.Dir(to), job.HiddenPrefix+"out.bin.part")
		require.NoError(t, os.WriteFile(part, data[:3*job.ChunkBytes], 0o600))
		_, err = download{f, quiet}.run(t.Context(), "a.bin", to)
		require.NoError(t, err)
		require.LessOrEqual(t, f.gets, int64(2*job.ChunkBytes))
		back, err := os.ReadFile(to)
		require.NoError(t, err)
		require.True(t, bytes.Equal(data, back))
		require.NoFileExists(t, part)
	})
}

func TestTransfer_WhatAnotherFileLeftIsNotTakenForItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFlaky(t, 0)
		data, path := content(t, 3*job.ChunkBytes)
		other := job.Piece{Name: "a.bin", Size: int64(len(data)), Data: make([]byte, job.ChunkBytes)}
		require.NoError(t, f.Files.Put(t.Context(), other))
		_, err := upload{f, quiet}.run(t.Context(), path, "a.bin")
		require.NoError(t, err)
		for name, left := range map[string][]byte{"other": make([]byte, job.ChunkBytes), "longer": make([]byte, 9*job.ChunkBytes), "as long": make([]byte, len(data))} {
			to := filepath.Join(t.TempDir(), "out.bin")
			require.NoError(t, os.WriteFile(filepath.Join(filepath.Dir(to), job.HiddenPrefix+"out.bin.part"), left, 0o600))
			_, err = download{f, quiet}.run(t.Context(), "a.bin", to)
			require.NoError(t, err, name)
			back, err := os.ReadFile(to)
			require.NoError(t, err)
			require.True(t, bytes.Equal(data, back), name)
		}
	})
}

func TestTransfer_GivesUpWhatIsOfNoUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFlaky(t, 1)
		_, path := content(t, 10)
		_, err := upload{f, quiet}.run(t.Context(), path, "a.bin")
		require.ErrorIs(t, err, job.ErrLost)
		f.share = 0
		to := filepath.Join(t.TempDir(), "out")
		_, err = download{f, quiet}.run(t.Context(), "gone", to)
		require.Equal(t, job.NotFound, job.CodeOf(err))
		left, _ := os.ReadDir(filepath.Dir(to))
		require.Empty(t, left)
		for _, wrong := range []string{filepath.Dir(path), filepath.Join(path, "x"), filepath.Join(filepath.Dir(path), "none")} {
			_, err = upload{f, quiet}.run(t.Context(), wrong, "x")
			require.Error(t, err)
		}
		_, err = upload{f, quiet}.run(t.Context(), path, "a\nb")
		require.Equal(t, job.InvalidArgument, job.CodeOf(err))
	})
}
