package ffmpeg_test

import (
	"crypto/md5"
	"encoding/hex"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"spillway/native/ffmpeg"
)

func TestProbe_TellsFramesThatComeInPlanes(t *testing.T) {
	p := need(t)
	rows := map[string]struct {
		args string
		want bool
	}{
		"colour at half resolution": {"-f lavfi -i testsrc2=s=64x48:d=0.2 -c:v libx264 -pix_fmt yuv420p", true},
		"of high definition":        {"-f lavfi -i testsrc2=s=64x48:d=0.2 -c:v libx264 -pix_fmt yuv420p -colorspace bt709", true},
		"by another matrix":         {"-f lavfi -i testsrc2=s=64x48:d=0.2 -c:v libx264 -pix_fmt yuv420p -colorspace bt2020nc", false},
		"of full range":             {"-f lavfi -i testsrc2=s=64x48:d=0.2 -c:v libx264 -pix_fmt yuv420p -color_range pc", false},
		"colour at full resolution": {"-f lavfi -i testsrc2=s=64x48:d=0.2 -c:v libx264 -pix_fmt yuv444p", false},
		"of an odd size":            {"-f lavfi -i testsrc=s=65x48:d=0.2 -c:v mpeg4 -pix_fmt yuv420p", false},
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			v := probe(t, p, makeFile(t, "a.mkv", row.args)).Video
			require.Equal(t, row.want, v.Planar, "%s of range and matrix %q", v.PixelFormat, v.Matrix)
			again, err := ffmpeg.ParseSketch(v.Sketch())
			require.NoError(t, err)
			require.Equal(t, v.Planar, again.Planar)
			require.Equal(t, v.FrameBytes(), again.FrameBytes())
		})
	}
	_, err := ffmpeg.ParseSketch("0,65x48,1/25,25/1,0/0,,planar")
	require.Error(t, err, "an odd size has none")
}

func TestFrames_PlanesAreTheCodecsOwn(t *testing.T) {
	p := need(t)
	path := makeFile(t, "a.mp4", pattern+"-c:v libx264 -pix_fmt yuv420p")
	v := probe(t, p, path).Video
	require.True(t, v.Planar)
	times, frames := readAll(t, p, path, v, v.Between(20, 60), true)
	require.Equal(t, v.Times[20:60], times)
	want := frameMD5(t, path)[20:60]
	for i, frame := range frames {
		sum := md5.Sum(frame)
		require.Equal(t, want[i], hex.EncodeToString(sum[:]), "frame %d", i)
	}
}

func TestEncode_ColoursAndPlanesGiveTheSameVideo(t *testing.T) {
	p := need(t)
	for name, args := range map[string]string{
		"constant rate": pattern + "-c:v libx264 -pix_fmt yuv420p",
		"variable rate": pattern + "-vf select='not(mod(n,3))+lt(n,20)' -fps_mode passthrough -c:v libx264 -pix_fmt yuv420p",
	} {
		t.Run(name, func(t *testing.T) {
			path := makeFile(t, "a.mkv", args)
			v := probe(t, p, path).Video
			times, frames := readAll(t, p, path, v, v.Between(0, 30), true)
			e := v.Like()
			e.Quality = 1
			planes := encode(t, p, e, times, frames)
			v.Planar = false
			times, frames = readAll(t, p, path, v, v.Between(0, 30), true)
			e.Planar = false
			colours := encode(t, p, e, times, frames)
			require.Equal(t, probe(t, p, colours).Video.Times, probe(t, p, planes).Video.Times)
			a, b := raw(t, p, planes), raw(t, p, colours)
			require.Len(t, b, len(a))
			var off float64
			for i := range a {
				off += max(float64(a[i])-float64(b[i]), float64(b[i])-float64(a[i]))
			}
			require.Less(t, off/float64(len(a)), 3.0, "of 255, by chroma that FFmpeg smooths on the way")
		})
	}
}

// raw are the planes of all frames of a file.
func raw(t *testing.T, p ffmpeg.Programs, path string) (all []byte) {
	t.Helper()
	v := probe(t, p, path).Video
	_, frames := readAll(t, p, path, v, v.All(), false)
	for _, frame := range frames {
		all = append(all, frame...)
	}
	return all
}

func TestEncode_ASegmentIsWrittenOnce(t *testing.T) {
	p := need(t)
	e := ffmpeg.Encoding{Width: 64, Height: 48, Rate: ffmpeg.Ratio{Num: 25, Den: 1}, Planar: true}
	frame := make([]byte, 64*48*3/2)
	for _, segment := range []bool{false, true} {
		e.Segment = segment
		data, err := os.ReadFile(encode(t, p, e, []int64{0}, [][]byte{frame}))
		require.NoError(t, err)
		first := strings.Index(string(data), "moov") < strings.Index(string(data), "mdat")
		require.Equal(t, !segment, first, "where the index is")
	}
	e.Width = 65
	_, err := p.Encode(t.Context(), create(t, "x.mp4"), e)
	require.ErrorContains(t, err, "both sides must be even")
}

func TestHeader_CountsWhatAnMP4Holds(t *testing.T) {
	p := need(t)
	path := makeFile(t, "a.mp4", pattern+"-c:v libx264 -pix_fmt yuv420p")
	info, err := p.Header(t.Context(), open(t, path))
	require.NoError(t, err)
	require.EqualValues(t, 120, info.Video.Counted)
	require.Equal(t, "30000/1001", info.Video.Rate.String())
	require.Empty(t, info.Video.Times, "nothing is listed")
	_, err = p.Header(t.Context(), create(t, "empty.mp4"))
	require.ErrorIs(t, err, ffmpeg.ErrNotMedia)
}
