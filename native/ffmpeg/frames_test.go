package ffmpeg_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/native/ffmpeg"
)

func TestFrames_RunsThatTouchMissNothingAndShareNothing(t *testing.T) {
	p := need(t)
	rows := []struct{ name, args string }{
		{"a.mp4", "-c:v libx264 -pix_fmt yuv420p -g 40"},
		{"b.mkv", "-c:v libx264 -pix_fmt yuv420p -bf 3"},
		{"c.avi", "-c:v mpeg4 -bf 2 -g 20"},
		{"d.mp4", "-vf select='not(mod(n,3))+lt(n,20)' -fps_mode passthrough -c:v libx264 -pix_fmt yuv420p"},
		{"e.mov", "-c:v mjpeg"},
		{"f.webm", "-c:v libvpx -deadline realtime -cpu-used 8 -auto-alt-ref 1 -lag-in-frames 10"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			path := makeFile(t, row.name, pattern+row.args)
			v := probe(t, p, path).Video
			times, frames := readAll(t, p, path, v, v.All(), false)
			require.Equal(t, v.Times, times)
			var again []int64
			at := 0
			for _, to := range []int{1, 17, 18, 40, len(v.Times)} {
				run := v.Between(len(again), to)
				require.Equal(t, to-len(again), v.Count(run))
				some, pictures := readAll(t, p, path, v, run, true)
				again = append(again, some...)
				for _, picture := range pictures {
					require.True(t, bytes.Equal(frames[at], picture), "frame %d is another", at)
					at++
				}
			}
			require.Equal(t, v.Times, again)
		})
	}
}

func TestRun_EndsAtTickZeroAsAtAnyOther(t *testing.T) {
	v := &ffmpeg.Video{Times: []int64{-80, -40, 0, 40}}
	require.Equal(t, 2, v.Count(v.Between(0, 2)))
	require.Equal(t, 2, v.Count(v.Between(2, 4)))
	require.Equal(t, 4, v.Count(v.All()))
}

func TestFrames_WithoutSeekingTransportStreamsAreExactToo(t *testing.T) {
	p := need(t)
	path := makeFile(t, "a.ts", pattern+"-c:v libx264 -pix_fmt yuv420p -g 400")
	v := probe(t, p, path).Video
	times, _ := readAll(t, p, path, v, v.Between(50, 70), false)
	require.Equal(t, v.Times[50:70], times)
}

func TestFrames_WhatIsLookedForInAStreamWithoutIndexIsExact(t *testing.T) {
	p := need(t)
	rows := []struct{ name, args string }{ // where frames are missing, whoever asked sees it by their times
		{"a.ts", "-c:v libx264 -pix_fmt yuv420p -g 12 -bf 3"},
		{"open.ts", "-c:v libx264 -pix_fmt yuv420p -bf 3 -x264-params open-gop=1:keyint=12:scenecut=0"},
		{"refresh.ts", "-c:v libx264 -pix_fmt yuv420p -x264-params intra-refresh=1:keyint=12"},
		{"b.mts", "-c:v mpeg2video -g 12 -bf 2 -q:v 3"},
		{"c.mpg", "-c:v mpeg2video -g 12 -bf 2 -q:v 3"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			path := makeFile(t, row.name, pattern+row.args)
			v := probe(t, p, path).Video
			require.False(t, v.Seekable)
			_, frames := readAll(t, p, path, v, v.All(), false)
			looked := 0
			for _, from := range []int{1, 36, 37, 60, 71, 72, 85, 110} {
				run := v.Between(from, min(len(v.Times), from+9))
				v.Search = v.SearchFor(from)
				if v.CanSeek() {
					looked++
				}
				times, pictures := readAll(t, p, path, v, run, true)
				if row.name != "refresh.ts" {
					require.Equal(t, v.Times[from:from+v.Count(run)], times)
				}
				for i, picture := range pictures {
					at, found := slices.BinarySearch(v.Times, times[i])
					require.True(t, found)
					require.True(t, bytes.Equal(frames[at], picture), "frame %d of the run at %d is another", i, from)
				}
			}
			require.GreaterOrEqual(t, looked, 5)
		})
	}
}

func TestFrames_EndWithTheContextAndLeaveNoProgram(t *testing.T) {
	p := need(t)
	path := makeFile(t, "a.mp4", pattern+"-c:v libx264 -pix_fmt yuv420p")
	v := probe(t, p, path).Video
	ctx, cancel := context.WithCancel(t.Context())
	reader, err := p.Frames(ctx, open(t, path), v, v.All(), true)
	require.NoError(t, err)
	buf := make([]byte, v.FrameBytes())
	_, err = reader.Next(buf)
	require.NoError(t, err)
	cancel()
	for err == nil {
		_, err = reader.Next(buf)
	}
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, reader.Close())
	out, _ := exec.Command("pgrep", "-P", itoa(os.Getpid()), "ffmpeg").Output()
	require.Empty(t, strings.TrimSpace(string(out)), "no program is left")
}

func TestPrograms_ATimeoutEndsAProgram(t *testing.T) {
	p := need(t)
	path := makeFile(t, "a.mp4", pattern+"-c:v libx264 -pix_fmt yuv420p")
	v := probe(t, p, path).Video
	p.Timeout = time.Nanosecond
	_, err := p.Probe(t.Context(), open(t, path))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NotErrorIs(t, err, ffmpeg.ErrNotMedia)
	reader, err := p.Frames(t.Context(), open(t, path), v, v.All(), true)
	if err == nil {
		_, err = reader.Next(make([]byte, v.FrameBytes()))
		reader.Close()
	}
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestEncode_WhatIsEncodedAndJoinedHasTheFramesOfItsSegments(t *testing.T) {
	p := need(t)
	path := makeFile(t, "a.mp4", pattern+"-f lavfi -i sine=d=4 -c:v libx264 -pix_fmt yuv420p -c:a aac -metadata title=T")
	info := probe(t, p, path)
	v := info.Video
	times, frames := readAll(t, p, path, v, v.All(), true)
	j := ffmpeg.Joining{Rate: v.Rate, Sound: open(t, path), Info: info, Begin: v.Begin()}
	var want []string
	for _, cut := range [][2]int{{0, 1}, {1, 50}, {50, 93}, {93, 120}} {
		segment := encode(t, p, v.Like(), times[cut[0]:cut[1]], frames[cut[0]:cut[1]])
		want = append(want, frameMD5(t, segment)...)
		j.Segments = append(j.Segments, open(t, segment))
	}
	out := create(t, "joined.mp4")
	require.NoError(t, p.Join(t.Context(), out, j))
	joined := probe(t, p, out.Name())
	require.Len(t, want, 120)
	require.Equal(t, want, frameMD5(t, out.Name()))
	require.Equal(t, v.Rate, joined.Video.Rate)
	require.False(t, joined.Video.Variable)
	require.InDelta(t, v.Duration().Seconds(), joined.Video.Duration().Seconds(), 0.0005)
	require.Equal(t, "h264", joined.Video.Codec)
	require.Equal(t, "yuv420p", joined.Video.PixelFormat)
	require.Len(t, joined.Audio, 1)
	require.InDelta(t, info.Audio[0].Duration.Seconds(), joined.Audio[0].Duration.Seconds(), 0.05)
	require.Equal(t, "T", joined.Tags["title"])
	data, err := os.ReadFile(out.Name())
	require.NoError(t, err)
	require.Less(t, strings.Index(string(data), "moov"), strings.Index(string(data), "mdat"), "a browser plays it while it loads")
}

func TestEncode_HDRStaysWhatItSays(t *testing.T) {
	p := need(t)
	path := makeFile(t, "a.mkv", "-f lavfi -i color=c=0x30A050:s=64x48:r=25:d=1 -c:v ffv1 -pix_fmt yuv420p10le -colorspace bt2020nc -color_primaries bt2020 -color_trc arib-std-b67")
	v := probe(t, p, path).Video
	times, frames := readAll(t, p, path, v, v.Between(0, 3), true)
	made := encode(t, p, v.Like(), times, frames)
	again := probe(t, p, made).Video
	require.Equal(t, []string{"bt2020nc", "bt2020", "arib-std-b67"}, []string{again.Matrix, again.Primaries, again.Transfer})
	_, pictures := readAll(t, p, made, again, again.All(), true)
	for i := range 3 {
		require.InDelta(t, frames[0][i], pictures[0][i], 3, "the colours are others")
	}
}

func TestEncode_VariableRateKeepsTheTimes(t *testing.T) {
	p := need(t)
	path := makeFile(t, "v.mkv", pattern+"-vf select='not(mod(n,3))+lt(n,20)' -fps_mode passthrough -c:v libx264 -pix_fmt yuv420p")
	v := probe(t, p, path).Video
	times, frames := readAll(t, p, path, v, v.All(), true)
	j := ffmpeg.Joining{Base: v.TimeBase}
	for _, cut := range [][2]int{{0, 15}, {15, 30}, {30, len(times)}} {
		j.Segments = append(j.Segments, open(t, encode(t, p, v.Like(), times[cut[0]:cut[1]], frames[cut[0]:cut[1]])))
		end := v.End
		if cut[1] < len(times) {
			end = times[cut[1]]
		}
		j.Lengths = append(j.Lengths, end-times[cut[0]])
	}
	out := create(t, "joined.mp4")
	require.NoError(t, p.Join(t.Context(), out, j))
	got := probe(t, p, out.Name()).Video
	require.True(t, got.Variable)
	require.Len(t, got.Times, len(v.Times))
	for i := range got.Times {
		require.InDelta(t, v.TimeBase.Duration(v.Times[i]-v.Times[0]).Seconds(), got.TimeBase.Duration(got.Times[i]-got.Times[0]).Seconds(), 0.0001, "frame %d", i)
	}
}

func TestEncode_OddSizesGrowByOnePixel(t *testing.T) {
	p := need(t)
	path := makeFile(t, "odd.mkv", "-f lavfi -i testsrc=s=161x121:r=25:d=1 -c:v ffv1 -pix_fmt bgr0")
	v := probe(t, p, path).Video
	require.Equal(t, 161, v.Width)
	times, frames := readAll(t, p, path, v, v.All(), true)
	out := probe(t, p, encode(t, p, v.Like(), times, frames)).Video
	require.Equal(t, [2]int{162, 122}, [2]int{out.Width, out.Height})
	require.Equal(t, "yuv420p", out.PixelFormat)
	require.Len(t, out.Times, 25)
}

func TestEncode_SaysWhatItCannotDo(t *testing.T) {
	p := need(t)
	rows := map[string]ffmpeg.Encoding{
		"no size": {Rate: ffmpeg.Ratio{Num: 25, Den: 1}}, "no rate": {Width: 2, Height: 2},
		"too large": {Width: 20000, Height: 20000, Rate: ffmpeg.Ratio{Num: 25, Den: 1}},
	}
	for name, e := range rows {
		_, err := p.Encode(t.Context(), create(t, "x.mp4"), e)
		require.Error(t, err, name)
	}
	e := ffmpeg.Encoding{Width: 64, Height: 64, Rate: ffmpeg.Ratio{Num: 25, Den: 1}}
	w, err := p.Encode(t.Context(), create(t, "x.mp4"), e)
	require.NoError(t, err)
	defer w.Close()
	require.ErrorContains(t, w.Write(0, make([]byte, 5)), "a frame has 12288 bytes, not 5")
}

func TestImages_CountIsExact(t *testing.T) {
	p := need(t)
	path := makeFile(t, "a.mp4", "-f lavfi -i testsrc2=s=64x48:r=25:d=4 -c:v libx264 -pix_fmt yuv420p")
	v := probe(t, p, path).Video
	all := frameMD5(t, path, "-pix_fmt", "rgb24")
	rows := []struct {
		name  string
		s     ffmpeg.Sampling
		count int
		first int // number of the frame that the first picture shows
	}{
		{"every frame", ffmpeg.Sampling{}, 100, 0},
		{"a range of frames", ffmpeg.Sampling{From: time.Second, Length: 2 * time.Second}, 50, 25},
		{"five a second", ffmpeg.Sampling{Rate: ffmpeg.Ratio{Num: 5, Den: 1}}, 20, 0},
		{"of a range", ffmpeg.Sampling{Rate: ffmpeg.Ratio{Num: 5, Den: 1}, From: 1010 * time.Millisecond, Length: time.Second}, 5, 25},
		{"more than there are", ffmpeg.Sampling{Rate: ffmpeg.Ratio{Num: 50, Den: 1}, From: 3 * time.Second, Length: time.Hour}, 50, 75},
		{"a fraction", ffmpeg.Sampling{Rate: ffmpeg.Ratio{Num: 1001, Den: 1000}}, 5, 0},
		{"a part of it", ffmpeg.Sampling{Rate: ffmpeg.Ratio{Num: 5, Den: 1}, Skip: 7, Limit: 3}, 3, 35},
		{"a part of every frame", ffmpeg.Sampling{Skip: 61, Limit: 9}, 9, 61},
		{"between the frames", ffmpeg.Sampling{Rate: ffmpeg.Ratio{Num: 30, Den: 1}, Skip: 100, Limit: 2}, 2, 83},
		{"one in two seconds", ffmpeg.Sampling{Rate: ffmpeg.Ratio{Num: 1, Den: 2}}, 2, 0},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			require.Equal(t, row.count, row.s.Count(v))
			r, err := p.Images(t.Context(), open(t, path), v, row.s)
			require.NoError(t, err)
			defer r.Close()
			var pictures [][]byte
			for {
				picture, err := r.Next()
				if errors.Is(err, io.EOF) {
					break
				}
				require.NoError(t, err)
				pictures = append(pictures, picture)
			}
			require.Len(t, pictures, row.count)
			png := filepath.Join(t.TempDir(), "first.png")
			require.NoError(t, os.WriteFile(png, pictures[0], 0o600))
			require.Equal(t, all[row.first], frameMD5(t, png, "-pix_fmt", "rgb24")[0])
		})
	}
	_, err := p.Images(t.Context(), open(t, path), v, ffmpeg.Sampling{From: time.Hour})
	require.ErrorIs(t, err, ffmpeg.ErrNoVideo)
}
