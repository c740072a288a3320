package split_test

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"spillway/confine"
	"spillway/job"
	"spillway/native/ffmpeg"
	"spillway/server/split"
	"spillway/sound"
)

const tuneRate = 8000

// writeTune writes samples as a WAV file.
func writeTune(t *testing.T, path string, channels int, samples []float32) {
	t.Helper()
	file, err := os.Create(path)
	require.NoError(t, err)
	defer file.Close()
	w, err := sound.NewWAVWriter(file, sound.Format{Rate: tuneRate, Channels: channels}, sound.PCM16)
	require.NoError(t, err)
	require.NoError(t, w.Write(samples))
	require.NoError(t, w.Finish())
}

// steps are samples that differ from each other, and are whole in 16 bits.
func steps(n int) []float32 {
	samples := make([]float32, n)
	for i := range samples {
		samples[i] = float32(i%30000) / (1 << 15)
	}
	return samples
}

// songOf makes a folder with a song of so many seconds.
func songOf(t *testing.T, seconds int) (root string, roots confine.Roots) {
	t.Helper()
	root, roots = tree(t, "data/input_dir/", "data/output_dir/")
	writeTune(t, filepath.Join(root, "data/input_dir/a.wav"), 1, steps(seconds*tuneRate))
	return root, roots
}

func plan(t *testing.T, roots confine.Roots, base, operation string) (parts []job.Part) {
	t.Helper()
	if err := (ffmpeg.Programs{}).Check(); err != nil {
		t.Skip("FFmpeg is not installed: " + ffmpeg.InstallHint)
	}
	op, err := job.ParseOperation(operation)
	require.NoError(t, err)
	s, err := split.Open(roots, base, op)
	require.NoError(t, err)
	defer s.Close()
	require.NoError(t, s.Inputs(t.Context(), func(name string) bool {
		p, isPart := job.ParsePart(name)
		if !isPart {
			require.Equal(t, "a.wav", name)
			return true
		}
		parts = append(parts, p)
		return true
	}))
	return parts
}

func TestSongs_AreSplitAsTheJobSays(t *testing.T) {
	for _, row := range []struct {
		operation string
		seconds   int
		parts     int
	}{
		{"stems", 20, 0},
		{"stems", 90, 3},
		{"stems", 1200, 8},
		{"karaoke:chunks=5", 20, 5},
		{"karaoke:chunks=64", 20, 26}, // none is mostly context
		{"stems:seconds=4", 20, 5},
		{"stems:seconds=4", 21, 5},
		{"stems:seconds=4", 22, 6},
		{"stems:seconds=1", 1200, job.MaxSongParts},
		{"stems:seconds=100", 20, 0},
	} {
		t.Run(row.operation, func(t *testing.T) {
			root, roots := songOf(t, row.seconds)
			parts := plan(t, roots, filepath.Join(root, "data"), row.operation)
			require.Len(t, parts, row.parts)
			at := int64(0)
			for i, p := range parts {
				require.Equal(t, i+1, p.Number)
				require.Equal(t, at, p.From)
				require.Equal(t, p.To-p.From, p.Count)
				at = p.To
			}
			if row.parts > 0 {
				require.InDelta(t, row.seconds*tuneRate, at, tuneRate/10)
			}
		})
	}
}

func TestSongs_WhatCannotBeReadIsOneTaskForTheNodeToName(t *testing.T) {
	root, roots := tree(t, "data/input_dir/")
	require.NoError(t, os.WriteFile(filepath.Join(root, "data/input_dir/a.wav"), []byte("words"), 0o600))
	require.Empty(t, plan(t, roots, filepath.Join(root, "data"), "stems:chunks=4"))
}

func TestSongs_FoldersWithoutSongsAreToldWhatIsTaken(t *testing.T) {
	root, roots := tree(t, "data/input_dir/a.png")
	_, err := split.Open(roots, filepath.Join(root, "data"), job.Operation{Name: job.Karaoke})
	require.Equal(t, job.FailedPrecondition, job.CodeOf(err))
	require.Contains(t, job.HintOf(err), ".flac")
	require.NotContains(t, job.HintOf(err), ".avi")
}

// segments writes what nodes would have made of two parts of a song of three seconds.
func segments(t *testing.T, root string, channels int) []job.Part {
	t.Helper()
	parts := []job.Part{
		{File: "a.wav", Number: 1, Of: 2, To: tuneRate, Count: tuneRate, Note: "-"},
		{File: "a.wav", Number: 2, Of: 2, From: tuneRate, To: 3 * tuneRate, Count: 2 * tuneRate, Note: "-"},
	}
	samples := steps(3 * tuneRate * channels)
	for _, p := range parts {
		to := p.To + 7*(int64(p.Number)-1) // the last goes on to the end that was found
		piece := append(samples[int(p.From)*channels:int(p.To)*channels:int(p.To)*channels], steps(int(to-p.To)*channels)...)
		writeTune(t, filepath.Join(root, "data/output_dir", p.Segment("j")), channels, piece)
	}
	return parts
}

func TestSongs_SegmentsBecomeAFileForEachStem(t *testing.T) {
	root, roots := songOf(t, 3)
	base := filepath.Join(root, "data")
	parts := segments(t, root, 4)
	for range 2 { // the second time as after a server's death
		written, err := split.Joiner{Roots: roots}.Join(t.Context(), base, "j", job.Operation{Name: job.Stems}, parts)
		require.NoError(t, err)
		var size int64
		for _, stem := range job.StemNames() {
			info, err := os.Stat(filepath.Join(base, "output_dir", "a."+stem+".wav"))
			require.NoError(t, err)
			size += info.Size()
		}
		require.Equal(t, size, written)
	}
	want := make([][]float32, 4)
	sound.Unweave(want, append(steps(3*tuneRate*4), steps(7*4)...), 1)
	for i, stem := range job.StemNames() {
		file, err := os.Open(filepath.Join(base, "output_dir", "a."+stem+".wav"))
		require.NoError(t, err)
		defer file.Close()
		r, err := sound.NewWAVReader(file)
		require.NoError(t, err)
		require.EqualValues(t, 3*tuneRate+7, r.Moments)
		got := make([]float32, r.Moments)
		if _, err = r.Read(got); err != nil {
			require.ErrorIs(t, err, io.EOF)
		}
		require.Equal(t, want[i], got)
	}
	require.Len(t, files(t, filepath.Join(base, "output_dir")), 6, "segments stay until the job has ended")
}

func TestSongs_SegmentsThatDoNotFitMakeNothing(t *testing.T) {
	root, roots := songOf(t, 3)
	base := filepath.Join(root, "data")
	parts := segments(t, root, 4)
	second := filepath.Join(base, "output_dir", parts[1].Segment("j"))
	first := filepath.Join(base, "output_dir", parts[0].Segment("j"))
	whole, err := os.ReadFile(first)
	require.NoError(t, err)
	for name, spoil := range map[string]func(){
		"cut off":          func() { require.NoError(t, os.WriteFile(first, whole[:len(whole)-100], 0o600)) },
		"another length":   func() { writeTune(t, first, 4, steps(400)) },
		"another format":   func() { writeTune(t, second, 2, steps(400)) },
		"no sound":         func() { require.NoError(t, os.WriteFile(second, []byte("words"), 0o600)) },
		"not there at all": func() { require.NoError(t, os.Remove(second)) },
	} {
		t.Run(name, func(t *testing.T) {
			segments(t, root, 4)
			spoil()
			_, err := split.Joiner{Roots: roots}.Join(t.Context(), base, "j", job.Operation{Name: job.Stems}, parts)
			require.Error(t, err)
			require.True(t, job.CodeOf(err).Permanent(), "%v", err)
			require.NotEmpty(t, job.HintOf(err))
			require.LessOrEqual(t, len(files(t, filepath.Join(base, "output_dir"))), 2)
		})
	}
}
