//go:build gocv_specific_modules

package test

import (
	"crypto/sha256"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"spillway/native/ffmpeg"
)

// tune makes a song of 20 s with the ffmpeg program: a chord whose tones have places of
// their own, and noise that comes and goes.
func tune(t *testing.T, path, args string) {
	t.Helper()
	if err := (ffmpeg.Programs{}).Check(); err != nil {
		t.Skip("FFmpeg is not installed: " + ffmpeg.InstallHint)
	}
	const song = "aevalsrc=0.2*sin(880*PI*t)+0.1*sin(120*PI*t)+0.1*random(0)*gt(mod(t\\,0.5)\\,0.4)|0.2*sin(880*PI*t)+0.1*sin(1400*PI*t):s=44100:d=20"
	words := slices.Concat([]string{"-v", "error", "-nostdin", "-y", "-f", "lavfi", "-i", song, "-metadata", "title=Ein Lied"}, strings.Fields(args), []string{path})
	out, err := exec.CommandContext(t.Context(), "ffmpeg", words...).CombinedOutput()
	require.NoError(t, err, string(out))
}

// made are the hashes of the files in the folder's output_dir.
func (c *cluster) made(name string) map[string][sha256.Size]byte {
	c.t.Helper()
	files := map[string][sha256.Size]byte{}
	for _, out := range c.outputs(name) {
		data, err := os.ReadFile(filepath.Join(c.dir, name, "output_dir", out))
		require.NoError(c.t, err)
		files[out] = sha256.Sum256(data)
	}
	return files
}

// probe looks at an output.
func (c *cluster) probe(name, out string) *ffmpeg.Info {
	c.t.Helper()
	file, err := os.Open(filepath.Join(c.dir, name, "output_dir", out))
	require.NoError(c.t, err)
	defer file.Close()
	info, err := ffmpeg.Programs{}.Probe(c.t.Context(), file)
	require.NoError(c.t, err)
	return info
}

func TestSong_JoinedStemsAreThoseOfOneTask(t *testing.T) {
	c := newCluster(t, nil, nodeArgs{"0.3", "--delay", "100ms"}, nodeArgs{"0"})
	for name, more := range map[string]map[string]int{
		"song.wav": {"stems:chunks=nodes": 2}, "song.mp3": {"stems:seconds=4": 5}, "song.m4a": {}, "song.flac": {}, "song.ogg": {},
	} {
		t.Run(name, func(t *testing.T) {
			args := ""
			if name == "song.ogg" {
				args = "-c:a libvorbis"
			}
			more["stems:chunks=3"] = 3
			tune(t, filepath.Join(c.folder(name), name), args)
			r, code := c.run(name, "--op", "stems")
			require.Zero(t, code, "%+v", r)
			require.Equal(t, 1, r.Total, "a short song is one task")
			whole := c.made(name)
			require.Len(t, whole, 4)
			for out := range whole {
				require.Equal(t, "Ein Lied", c.probe(name, out).Tags["title"])
			}
			for how, tasks := range more {
				r, code = c.run(name, "--op", how)
				require.Zero(t, code, "%+v", r)
				require.Equal(t, tasks, r.Total)
				require.Equal(t, tasks, r.Done)
				require.Equal(t, whole, c.made(name), how)
			}
		})
	}
}

func TestSong_AnyMixInAnyFormatIsThatOfOneTask(t *testing.T) {
	c := newCluster(t, nil, nodeArgs{"0"}, nodeArgs{"0"})
	tune(t, filepath.Join(c.folder("data"), "a.mp3"), "")
	_, code := c.run("data", "--op", "stems")
	require.Zero(t, code)
	voice := c.made("data")["a.vocals.wav"]
	for _, format := range []string{"wav", "mp3"} {
		mix := "karaoke:vocals=1,drums=0,bass=0,other=0,format=" + format
		_, code = c.run("data", "--op", mix)
		require.Zero(t, code)
		whole := c.made("data")["a.karaoke."+format]
		if format == "wav" {
			require.Equal(t, voice, whole, "the voice alone")
		}
		_, code = c.run("data", "--op", mix+",chunks=3")
		require.Zero(t, code)
		require.Equal(t, whole, c.made("data")["a.karaoke."+format])
	}
}

func TestSong_KaraokeOfAFolderOnNodesThatDoNotSeeIt(t *testing.T) {
	c := prepare(t, 2)
	for i := range 2 {
		node, _ := c.away(i, "0")
		c.nodes = append(c.nodes, node)
	}
	c.startServer()
	dir := c.folder("data")
	tune(t, filepath.Join(dir, "a.ogg"), "-c:a libvorbis")
	tune(t, filepath.Join(dir, "b.flac"), "")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "notes.txt"), []byte("not for us"), 0o600))
	r, code := c.run("data", "--op", "karaoke:format=mp3,chunks=2")
	require.Zero(t, code, "%+v", r)
	require.Equal(t, 4, r.Total)
	require.Equal(t, []string{"a.karaoke.mp3", "b.karaoke.mp3"}, c.outputs("data"))
	for _, out := range c.outputs("data") {
		info := c.probe("data", out)
		require.Equal(t, "Ein Lied", info.Tags["title"])
		require.InDelta(t, 20, info.Duration.Seconds(), 0.15)
	}
}

func TestSong_TwoOfOneNameAreRefused(t *testing.T) {
	c := newCluster(t, nil, nodeArgs{"0"})
	dir := c.folder("data")
	tune(t, filepath.Join(dir, "a.ogg"), "-c:a libvorbis")
	tune(t, filepath.Join(dir, "a.mp3"), "")
	out, code := c.client("--op", "karaoke", "data")
	require.NotZero(t, code)
	require.Contains(t, out, "would both become a.karaoke.wav")
	require.Empty(t, c.outputs("data"))
}
