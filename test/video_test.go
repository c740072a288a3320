//go:build gocv_specific_modules

package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"spillway/native/ffmpeg"
)

// needFFmpeg skips a test where FFmpeg is not installed.
func needFFmpeg(t *testing.T) {
	t.Helper()
	if err := (ffmpeg.Programs{}).Check(); err != nil {
		t.Skip("FFmpeg is not installed: " + ffmpeg.InstallHint)
	}
}

// clip makes a video file with the ffmpeg program.
func clip(t *testing.T, path, args string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "ffmpeg", append(strings.Fields("-v error -nostdin -y "+args), path)...).CombinedOutput()
	require.NoError(t, err, string(out))
}

// Three hundred frames, of which each shows its number, with sound.
const (
	numbered = "-f lavfi -i testsrc=s=65x48:r=30000/1001:d=10 -f lavfi -i sine=d=10 -frames:v 300 -shortest "
	mpeg4    = "-c:v mpeg4 -q:v 2 -g 50 -c:a pcm_s16le"
	x264     = "-c:v libx264 -pix_fmt yuv420p -vf scale=64:48 -c:a aac"
)

// frameSums are FFmpeg's hashes of all frames of a file.
func frameSums(t *testing.T, path string) []string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "ffmpeg", "-v", "error", "-nostdin", "-i", path, "-map", "0:v", "-fps_mode", "passthrough", "-f", "framemd5", "-").Output()
	require.NoError(t, err)
	var sums []string
	for line := range strings.Lines(string(out)) {
		if fields := strings.Split(line, ","); line[0] != '#' {
			sums = append(sums, strings.TrimSpace(fields[len(fields)-1]))
		}
	}
	return sums
}

// holds is what a file holds.
func holds(t *testing.T, path string) *ffmpeg.Info {
	t.Helper()
	file, err := os.Open(path)
	require.NoError(t, err)
	defer file.Close()
	info, err := ffmpeg.Programs{}.Probe(t.Context(), file)
	require.NoError(t, err)
	return info
}

// oneNode is the result of edges on a clip that one node made.
func oneNode(t *testing.T, name, args string) (sums []string) {
	t.Helper()
	c := newCluster(t, nil, nodeArgs{"0"})
	clip(t, filepath.Join(c.folder("data"), name), args)
	r, code := c.run("data/input_dir/"+name, "--op", "video:edges")
	require.Zero(t, code, "%+v", r)
	require.Equal(t, []string{"clip.mp4"}, c.outputs("data"))
	return frameSums(t, filepath.Join(c.dir, "data", "output_dir", "clip.mp4"))
}

func TestVideo_JoinedResultIsTheOneNodeResult(t *testing.T) {
	needFFmpeg(t)
	want := oneNode(t, "clip.avi", numbered+mpeg4)
	require.Len(t, want, 300)
	c := newCluster(t, nil, nodeArgs{"0.3", "--delay", "100ms"}, nodeArgs{"0"}, nodeArgs{"0"})
	in := filepath.Join(c.folder("data"), "clip.avi")
	clip(t, in, numbered+mpeg4)
	out := filepath.Join(c.dir, "data", "output_dir", "clip.mp4")
	for _, source := range []string{"data/input_dir/clip.avi", "data"} {
		r, code := c.run(source, "--op", "video:edges", "--policy", "balance")
		require.Zero(t, code, "%+v", r)
		require.Greater(t, r.Total, 2, "it is split")
		require.Equal(t, r.Total, r.Done)
		require.Equal(t, []string{"clip.mp4"}, c.outputs("data"), "nothing else is left")
		require.Equal(t, want, frameSums(t, out))
	}
	source, made := holds(t, in), holds(t, out)
	require.Equal(t, source.Video.Rate, made.Video.Rate)
	require.InDelta(t, source.Video.Duration().Seconds(), made.Video.Duration().Seconds(), 0.001)
	require.Equal(t, [2]int{66, 48}, [2]int{made.Video.Width, made.Video.Height}, "an odd width grows by a pixel")
	require.Len(t, made.Audio, 1)
	require.InDelta(t, source.Audio[0].Duration.Seconds(), made.Audio[0].Duration.Seconds(), 0.1)
}

func TestVideo_NodesThatSeeNothingAndNodesThatDieChangeNothing(t *testing.T) {
	needFFmpeg(t)
	want := oneNode(t, "clip.mp4", numbered+x264)
	t.Run("nodes that do not see the folder", func(t *testing.T) {
		c := prepare(t, 2)
		for i := range 2 {
			node, _ := c.away(i, "0")
			c.nodes = append(c.nodes, node)
		}
		c.startServer()
		clip(t, filepath.Join(c.folder("data"), "clip.mp4"), numbered+x264)
		r, code := c.run("data", "--op", "video:edges")
		require.Zero(t, code, "%+v", r)
		require.Equal(t, want, frameSums(t, filepath.Join(c.dir, "data", "output_dir", "clip.mp4")))
		require.Equal(t, []string{"clip.mp4"}, c.outputs("data"))
	})
	t.Run("a node that dies midway", func(t *testing.T) {
		// Each task is delayed, so that the blow meets some in flight.
		c := newCluster(t, nil, nodeArgs{"1", "--delay", "1s"}, nodeArgs{"1", "--delay", "1s"})
		clip(t, filepath.Join(c.folder("data"), "clip.mp4"), numbered+x264)
		client := spawn(t, c.dir, "client", "--op", "video:edges", "--policy", "random", "data")
		eventually(t, "the job runs", func() bool { out, _ := c.client("nodes"); return strings.Contains(out, "processing") })
		c.nodes[0].kill()
		require.Zero(t, client.wait(), client.out.String())
		require.Equal(t, want, frameSums(t, filepath.Join(c.dir, "data", "output_dir", "clip.mp4")))
		require.Equal(t, []string{"clip.mp4"}, c.outputs("data"))
	})
	t.Run("a server that dies midway", func(t *testing.T) {
		c := newCluster(t, nil, nodeArgs{"1", "--delay", "1s"}, nodeArgs{"1", "--delay", "1s"})
		clip(t, filepath.Join(c.folder("data"), "clip.mp4"), numbered+x264)
		out, code := c.client("--op", "video:edges", "--policy", "random", "--detach", "data")
		require.Zero(t, code, out)
		id := strings.TrimSpace(out)
		eventually(t, "the job runs", func() bool { out, _ := c.client("nodes"); return strings.Contains(out, "processing") })
		c.server.kill()
		c.startServer()
		eventually(t, "the job has ended", func() bool { out, _ := c.client("job", id); return strings.Contains(out, "succeeded") })
		require.Equal(t, want, frameSums(t, filepath.Join(c.dir, "data", "output_dir", "clip.mp4")))
		require.Equal(t, []string{"clip.mp4"}, c.outputs("data"))
	})
}

func TestVideo_CancelledJobLeavesNothing(t *testing.T) {
	needFFmpeg(t)
	c := newCluster(t, nil, nodeArgs{"1", "--delay", "2s"})
	clip(t, filepath.Join(c.folder("data"), "clip.mp4"), numbered+x264)
	client := spawn(t, c.dir, "client", "--op", "video:edges", "--policy", "random", "data")
	eventually(t, "the job runs", func() bool { out, _ := c.client("nodes"); return strings.Contains(out, "processing") })
	client.signal(os.Interrupt)
	require.Equal(t, 130, client.wait())
	eventually(t, "nothing is left", func() bool { return len(c.outputs("data")) == 0 })
}

func TestVideo_BadInputIsNamedAndTheRestIsDone(t *testing.T) {
	needFFmpeg(t)
	c := newCluster(t, nil, nodeArgs{"0"}, nodeArgs{"0"})
	in := c.folder("data")
	clip(t, filepath.Join(in, "good.mp4"), numbered+x264)
	clip(t, filepath.Join(in, "unsteady.mkv"), "-f lavfi -i testsrc2=s=64x48:r=25:d=4 -vf select='not(mod(n,3))+lt(n,20)' -fps_mode passthrough -c:v libx264 -pix_fmt yuv420p")
	clip(t, filepath.Join(in, "sound.mp4"), "-f lavfi -i sine=d=1 -c:a aac")
	write(t, filepath.Join(in, "text.mp4"), []byte(strings.Repeat("words\n", 100)))
	write(t, filepath.Join(in, "list.mkv"), []byte("ffconcat version 1.0\nfile 'good.mp4'\n"))
	write(t, filepath.Join(in, "empty.mov"), nil)
	clip(t, filepath.Join(in, "cut.mkv"), numbered+"-c:v mpeg4")
	whole, err := os.ReadFile(filepath.Join(in, "cut.mkv"))
	require.NoError(t, err)
	write(t, filepath.Join(in, "cut.mkv"), whole[:len(whole)/2])
	reasons := map[string][2]string{
		"sound.mp4": {"invalid_argument", "no video stream"},
		"text.mp4":  {"invalid_argument", "not a video"},
		"list.mkv":  {"invalid_argument", "not a video"},
		"empty.mov": {"invalid_argument", "empty"},
		"cut.mkv":   {"data_loss", "cut off"},
	}
	r, code := c.run("data", "--op", "video:edges")
	require.Equal(t, 1, code)
	require.Equal(t, len(reasons), r.Failed, "%+v", r)
	for _, f := range r.Failures {
		require.Equal(t, reasons[f.Name][0], f.Error.Code, "%+v", f)
		require.Contains(t, f.Error.Message, reasons[f.Name][1], "%+v", f)
		require.Contains(t, f.Error.Message, f.Name)
		require.NotEmpty(t, f.Error.Hint)
	}
	require.ElementsMatch(t, []string{"good.mp4", "unsteady.mp4"}, c.outputs("data"))
	source, made := holds(t, filepath.Join(in, "unsteady.mkv")).Video, holds(t, filepath.Join(c.dir, "data/output_dir/unsteady.mp4")).Video
	require.True(t, made.Variable)
	require.Len(t, made.Times, len(source.Times))
	require.InDelta(t, source.Duration().Seconds(), made.Duration().Seconds(), 0.05)
	write(t, filepath.Join(in, "cut.mkv"), whole)
	out, code := c.client("retry", r.ID)
	require.Equal(t, 1, code, out)
	require.ElementsMatch(t, []string{"good.mp4", "unsteady.mp4", "cut.mp4"}, c.outputs("data"), "what is mended is done")
}

func TestVideo_TwoInputsForOneOutputAreRefused(t *testing.T) {
	needFFmpeg(t)
	c := newCluster(t, nil, nodeArgs{"0"})
	in := c.folder("data")
	write(t, filepath.Join(in, "a.avi"), []byte("x"))
	write(t, filepath.Join(in, "a.mov"), []byte("x"))
	out, code := c.client("--op", "video:edges", "data")
	require.Equal(t, 2, code)
	require.Contains(t, out, "would both become a.mp4")
}

func TestVideo_PicturesAndMetadata(t *testing.T) {
	needFFmpeg(t)
	c := newCluster(t, nil, nodeArgs{"0"}, nodeArgs{"0"})
	clip(t, filepath.Join(c.folder("data"), "clip.mp4"), numbered+x264)
	r, code := c.run("data", "--op", "extract_frames:rate=20,start=1")
	require.Zero(t, code, "%+v", r)
	require.Len(t, c.outputs("data"), 181, "20 a second of 9.01 seconds")
	require.Contains(t, c.outputs("data"), "clip.180.png")
	require.NoError(t, os.Mkdir(filepath.Join(c.dir, "again"), 0o755))
	require.NoError(t, os.Rename(filepath.Join(c.dir, "data/output_dir"), filepath.Join(c.dir, "again/input_dir")))
	r, code = c.run("again", "--op", "create_video:rate=20")
	require.Zero(t, code, "%+v", r)
	require.Equal(t, []string{"clip.mp4"}, c.outputs("again"))
	require.Len(t, holds(t, filepath.Join(c.dir, "again/output_dir/clip.mp4")).Video.Times, 181)
	require.NoError(t, os.Link(filepath.Join(c.dir, "data/input_dir/clip.mp4"), filepath.Join(c.dir, "again/input_dir/clip.mp4")))
	r, code = c.run("again", "--op", "create_video:rate=29.97,audio=clip.mp4")
	require.Zero(t, code, "%+v", r)
	made, source := holds(t, filepath.Join(c.dir, "again/output_dir/clip.mp4")), holds(t, filepath.Join(c.dir, "data/input_dir/clip.mp4"))
	require.Equal(t, source.Video.Rate, made.Video.Rate, "29.97 is what the source has")
	require.Len(t, made.Audio, len(source.Audio))
	require.NotEmpty(t, made.Audio)
	for sound, says := range map[string]string{"none.wav": "no such file", "clip.0.png": "sound"} {
		out, code := c.client("--op", "create_video:audio="+sound, "again")
		require.Equal(t, 1, code)
		require.Contains(t, out, says)
	}
	r, code = c.run("data", "--op", "metadata")
	require.Zero(t, code, "%+v", r)
	text, err := os.ReadFile(filepath.Join(c.dir, "data/output_dir/clip.mp4.json"))
	require.NoError(t, err)
	for _, want := range []string{`"frame_rate": "30000/1001"`, `"frames": 300`, `"codec": "h264"`, `"width": 64`, `"variable_rate": false`} {
		require.Contains(t, string(text), want)
	}
}
