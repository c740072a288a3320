package music

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
	"spillway/native/ffmpeg"
	"spillway/server/store"
	"spillway/sound"
)

// quiet is music whose loop does not run.
func quiet(t *testing.T, cfg Config) *Music {
	t.Helper()
	if err := (ffmpeg.Programs{}).Check(); err != nil {
		t.Skip("FFmpeg is not installed: " + ffmpeg.InstallHint)
	}
	cfg.Dir = filepath.Join(t.TempDir(), "music")
	m, err := New(cfg, nil, store.NewMemory(), slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	return m
}

// tune is a song of four seconds, as FFmpeg makes it with args.
func tune(t *testing.T, name string, args ...string) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	words := append([]string{"-v", "error", "-nostdin", "-f", "lavfi", "-i", "sine=440:duration=4"}, args...)
	out, err := exec.CommandContext(t.Context(), "ffmpeg", append(words, path)...).CombinedOutput()
	require.NoError(t, err, string(out))
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	return b
}

func TestAdd_NamesASongByItsTagsOrItsFile(t *testing.T) {
	m := quiet(t, Config{})
	tagged := []string{"-metadata", "title=Ein\nLied\x1b[2J", "-metadata", "artist=Die Band " + strings.Repeat("ü", 300)}
	rows := []struct {
		kind, name       string
		args             []string
		song, band, file string
	}{
		{"a.mp3", "x.mp3", tagged, "Ein Lied[2J", "Die Band " + strings.Repeat("ü", maxTag-9), "song.mp3"},
		{"a.mp3", "Other Song.mp3", nil, "Other Song", unknown, "song.mp3"},
		{"a.flac", "../../etc/pass\x00wd.txt", nil, "passwd", unknown, "song.flac"},
		{"a.wav", "", nil, unknown, unknown, "song.wav"},
		{"a.m4a", ".mp3", nil, unknown, unknown, "song.m4a"},
		{"a.ogg", "/", []string{"-c:a", "libopus"}, unknown, unknown, "song.ogg"},
		{"a.aac", "b", nil, "b", unknown, "song.aac"},
	}
	for i, row := range rows {
		data := tune(t, row.kind, row.args...)
		got, err := m.Add(t.Context(), iotest.HalfReader(bytes.NewReader(data)), row.name)
		require.NoError(t, err, row.kind)
		require.EqualValues(t, i+1, got.ID)
		require.Equal(t, []string{row.song, row.band, row.file}, []string{got.Name, got.Band, got.File})
		require.EqualValues(t, len(data), got.Bytes)
		kept, err := os.ReadFile(filepath.Join(m.folder(got.ID), job.InputDir, got.File))
		require.NoError(t, err)
		require.Equal(t, data, kept)
	}
}

func TestAdd_RefusesWhatIsNoSongAndLeavesNothing(t *testing.T) {
	m := quiet(t, Config{Longest: 3900 * time.Millisecond})
	wav := tune(t, "a.wav")
	claims := bytes.Clone(wav)
	hours := uint32(10 * 3600 * 88200 / 2)
	binary.LittleEndian.PutUint32(claims[bytes.Index(claims, []byte("data"))+4:], hours)
	film := tune(t, "a.mp4", "-f", "lavfi", "-i", "color=red:d=1:s=16x16", "-map", "1:v")
	rows := []struct {
		name string
		data []byte
		want string
	}{
		{"nothing", nil, "not a video or sound file"},
		{"text", []byte("I am a song, la la la, I am a song\n"), "not a video or sound file"},
		{"a playlist", []byte("#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n"), "not a video or sound file"},
		{"cut off", wav[:len(wav)/4], "cut off"},
		{"a header that claims hours", claims, "cut off"},
		{"no sound", film, "no sound"},
		{"too long", wav, "the longest"},
	}
	for _, row := range rows {
		_, err := m.Add(t.Context(), bytes.NewReader(row.data), "a.mp3")
		require.Equal(t, job.InvalidArgument, job.CodeOf(err), row.name)
		require.ErrorContains(t, err, row.want, row.name)
		require.NotEmpty(t, job.HintOf(err), row.name)
		require.NotContains(t, job.Describe(err), m.cfg.Dir)
	}
	broken := errors.New("the line broke")
	_, err := m.Add(t.Context(), io.MultiReader(bytes.NewReader(wav), iotest.ErrReader(broken)), "")
	require.ErrorIs(t, err, broken)
	left, err := os.ReadDir(m.cfg.Dir)
	require.NoError(t, err)
	require.Empty(t, left)
	songs, err := m.Songs(t.Context())
	require.NoError(t, err)
	require.Empty(t, songs)
}

// wavFile is a WAV file of samples at 8 kHz.
func wavFile(t *testing.T, samples []float32) *os.File {
	t.Helper()
	f, err := os.CreateTemp(t.TempDir(), "")
	require.NoError(t, err)
	t.Cleanup(func() { f.Close() })
	w, err := sound.NewWAVWriter(f, sound.Format{Rate: 8000, Channels: 1}, sound.Float32)
	require.NoError(t, err)
	require.NoError(t, w.Write(samples))
	require.NoError(t, w.Finish())
	_, err = f.Seek(0, io.SeekStart)
	require.NoError(t, err)
	return f
}

// sums is a sink that keeps what it gets.
type sums []float32

func (s *sums) Write(samples []float32) error { *s = append(*s, samples...); return nil }
func (*sums) Finish() error                   { return nil }

func TestAdd_OfTracksIsTheirSum(t *testing.T) {
	one, two, want := make([]float32, 1000), make([]float32, 1000), make(sums, 1000)
	for i := range one {
		one[i], two[i] = float32(i)/4096, -float32(i)/8192
		want[i] = one[i] + two[i]
	}
	read := func(files ...*os.File) []*sound.WAVReader {
		readers := make([]*sound.WAVReader, len(files))
		for i, f := range files {
			var err error
			readers[i], err = sound.NewWAVReader(f)
			require.NoError(t, err)
		}
		return readers
	}
	var got sums
	require.NoError(t, add(t.Context(), read(wavFile(t, one), wavFile(t, two)), &got, 64))
	require.Equal(t, want, got)
	require.ErrorIs(t, add(t.Context(), read(wavFile(t, one), wavFile(t, two[:900])), &got, 64), io.ErrUnexpectedEOF)
}
