package ffmpeg_test

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"spillway/native/ffmpeg"
)

// need skips a test where FFmpeg is not installed.
func need(t *testing.T) ffmpeg.Programs {
	t.Helper()
	var p ffmpeg.Programs
	if err := p.Check(); err != nil {
		t.Skip("FFmpeg is not installed: " + ffmpeg.InstallHint)
	}
	return p
}

// makeFile runs the ffmpeg program with words of its own and returns the file it made.
func makeFile(t *testing.T, name, args string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	out, err := exec.CommandContext(t.Context(), "ffmpeg", append(strings.Fields("-v error -nostdin -y "+args), path)...).CombinedOutput()
	require.NoError(t, err, string(out))
	return path
}

// open opens a file for reading until the test ends.
func open(t *testing.T, path string) *os.File {
	t.Helper()
	file, err := os.Open(path)
	require.NoError(t, err)
	t.Cleanup(func() { file.Close() })
	return file
}

// create makes an empty file to write a result to.
func create(t *testing.T, name string) *os.File {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), name))
	require.NoError(t, err)
	t.Cleanup(func() { file.Close() })
	return file
}

// probe is what a file holds.
func probe(t *testing.T, p ffmpeg.Programs, path string) *ffmpeg.Info {
	t.Helper()
	info, err := p.Probe(t.Context(), open(t, path))
	require.NoError(t, err)
	return info
}

// frameMD5 is FFmpeg's own list of hashes, one a decoded frame.
func frameMD5(t *testing.T, path string, args ...string) []string {
	t.Helper()
	words := append([]string{"-v", "error", "-nostdin", "-i", path, "-map", "0:v", "-fps_mode", "passthrough"}, args...)
	out, err := exec.CommandContext(t.Context(), "ffmpeg", append(words, "-f", "framemd5", "-")...).Output()
	require.NoError(t, err)
	var sums []string
	for line := range strings.Lines(string(out)) {
		if fields := strings.Split(line, ","); len(fields) == 6 && line[0] != '#' {
			sums = append(sums, strings.TrimSpace(fields[5]))
		}
	}
	return sums
}

// readAll decodes a run of frames: their times, and a copy of each.
func readAll(t *testing.T, p ffmpeg.Programs, path string, v *ffmpeg.Video, r ffmpeg.Run, seek bool) (times []int64, frames [][]byte) {
	t.Helper()
	reader, err := p.Frames(t.Context(), open(t, path), v, r, seek)
	require.NoError(t, err)
	defer reader.Close()
	for {
		buf := make([]byte, v.FrameBytes())
		at, err := reader.Next(buf)
		if errors.Is(err, io.EOF) {
			return times, frames
		}
		require.NoError(t, err)
		times, frames = append(times, at), append(frames, buf)
	}
}

// encode writes frames to a new file.
func encode(t *testing.T, p ffmpeg.Programs, e ffmpeg.Encoding, times []int64, frames [][]byte) string {
	t.Helper()
	out := create(t, "out.mp4")
	w, err := p.Encode(t.Context(), out, e)
	require.NoError(t, err)
	defer w.Close()
	for i, frame := range frames {
		require.NoError(t, w.Write(times[i], frame))
	}
	require.NoError(t, w.Finish())
	return out.Name()
}
