package ffmpeg_test

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/native/ffmpeg"
)

const pattern = "-f lavfi -i testsrc2=s=160x120:r=30000/1001:d=4 "

func TestProbe_RateIsAFractionAndFramesAreCounted(t *testing.T) {
	p := need(t)
	for _, name := range []string{"a.mp4", "a.mkv", "a.avi", "a.mov", "a.ts"} {
		t.Run(name, func(t *testing.T) {
			codec := "-c:v libx264 -pix_fmt yuv420p"
			if name == "a.avi" {
				codec = "-c:v mpeg4"
			}
			info := probe(t, p, makeFile(t, name, pattern+codec))
			require.NoError(t, info.Whole())
			require.Equal(t, "30000/1001", info.Video.Rate.String())
			require.False(t, info.Video.Variable)
			require.Len(t, info.Video.Times, 120)
			require.Equal(t, 160, info.Video.Width)
			require.Equal(t, 120, info.Video.Height)
			require.InDelta(t, 4.004, info.Video.Duration().Seconds(), 0.002)
			require.NotEmpty(t, info.Video.Keys)
			require.Empty(t, info.Audio)
		})
	}
}

func TestProbe_TellsVariableRate(t *testing.T) {
	p := need(t)
	info := probe(t, p, makeFile(t, "v.mkv", pattern+"-vf select='not(mod(n,3))+lt(n,20)' -fps_mode passthrough -c:v libx264 -pix_fmt yuv420p"))
	require.True(t, info.Video.Variable)
	require.True(t, info.Video.Rate.Known(), "the mean")
	require.Len(t, info.Video.Times, 20+33)
}

func TestProbe_SoundWithACoverPictureIsNoVideo(t *testing.T) {
	p := need(t)
	song := makeFile(t, "s.mp3", "-f lavfi -i sine=d=3 -f lavfi -i testsrc2=s=64x64:d=0.04 -map 0 -map 1 -c:v mjpeg -disposition:v attached_pic -metadata title=Ode -metadata artist=X")
	info := probe(t, p, song)
	require.Nil(t, info.Video)
	require.Len(t, info.Audio, 1)
	require.Equal(t, 44100, info.Audio[0].Rate)
	require.Equal(t, 1, info.Audio[0].Channels)
	require.InDelta(t, 3, info.Audio[0].Duration.Seconds(), 0.1)
	require.Equal(t, "Ode", info.Tags["title"])
	require.NoError(t, info.Whole())
}

func TestProbe_TurnedVideoIsUpright(t *testing.T) {
	p := need(t)
	flat := makeFile(t, "flat.mp4", "-f lavfi -i testsrc2=s=160x120:d=1 -c:v libx264 -pix_fmt yuv420p")
	info := probe(t, p, makeFile(t, "turned.mp4", "-i "+flat+" -c copy -metadata:s:v rotate=90"))
	if info.Video.Width == 160 {
		t.Skip("this FFmpeg cannot turn a video")
	}
	require.Equal(t, 120, info.Video.Width)
	require.Equal(t, 160, info.Video.Height)
}

func TestWhole_NamesAFileThatEndsBeforeItsHeaderSays(t *testing.T) {
	p := need(t)
	for _, name := range []string{"c.mkv", "c.mp4", "c.avi"} {
		t.Run(name, func(t *testing.T) {
			whole, err := os.ReadFile(makeFile(t, name, pattern+"-c:v mpeg4 -movflags +faststart"))
			require.NoError(t, err)
			cut := filepath.Join(t.TempDir(), name)
			require.NoError(t, os.WriteFile(cut, whole[:len(whole)/2], 0o600))
			info := probe(t, p, cut)
			require.ErrorIs(t, info.Whole(), ffmpeg.ErrCut)
		})
	}
}

func TestWhole_AFileThatStartsLateIsNotCut(t *testing.T) {
	p := need(t)
	path := makeFile(t, "late.mkv", pattern+"-c:v libx264 -pix_fmt yuv420p -output_ts_offset 100")
	require.NoError(t, ffmpeg.CheckFrames(probe(t, p, path)))
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, whole[:len(whole)/4], 0o600))
	require.ErrorIs(t, ffmpeg.CheckFrames(probe(t, p, path)), ffmpeg.ErrCut)
}

func TestWhole_ATenHourClaimIsNotBelieved(t *testing.T) {
	p := need(t)
	data, err := os.ReadFile(makeFile(t, "c.mkv", pattern+"-c:v mpeg4"))
	require.NoError(t, err)
	at := bytes.Index(data, []byte{0x44, 0x89, 0x88}) // Duration, a float of 8 bytes, in ms
	require.Positive(t, at)
	binary.BigEndian.PutUint64(data[at+3:], 0x4181_2A88_0000_0000) // 36,000,000
	lie := filepath.Join(t.TempDir(), "c.mkv")
	require.NoError(t, os.WriteFile(lie, data, 0o600))
	info := probe(t, p, lie)
	require.InDelta(t, 4.004, info.Duration.Seconds(), 0.01)
	require.Equal(t, 10*time.Hour, info.Claimed)
	require.ErrorContains(t, info.Whole(), "its header claims 10h0m0s")
}

func TestProbe_WhatIsNoMediaIsNamed(t *testing.T) {
	p := need(t)
	secret := filepath.Join(t.TempDir(), "secret.mp4")
	require.NoError(t, os.WriteFile(secret, []byte("x"), 0o600))
	video := makeFile(t, "v.mp4", "-f lavfi -i testsrc2=s=64x64:d=1 -c:v libx264")
	rows := map[string]string{
		"text":           strings.Repeat("just words\n", 100),
		"a list":         "ffconcat version 1.0\nfile '" + video + "'\n",
		"a playlist":     "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n" + video + "\n#EXT-X-ENDLIST\n",
		"a description":  "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
		"a moov cut off": "\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom\x00\x00\xff\xffmoov",
		"nothing":        "",
	}
	for name, content := range rows {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x.mp4")
			require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
			_, err := p.Probe(t.Context(), open(t, path))
			require.ErrorIs(t, err, ffmpeg.ErrNotMedia)
			require.NotContains(t, err.Error(), "/proc/", "the name that a program sees is nobody's business")
		})
	}
}

func TestPrograms_MissingOnesAreNamedWithAHint(t *testing.T) {
	p := ffmpeg.Programs{FFmpeg: "/nowhere/ffmpeg", FFprobe: "/nowhere/ffprobe"}
	require.ErrorIs(t, p.Check(), ffmpeg.ErrMissing)
	file := create(t, "x")
	_, err := file.WriteString("x")
	require.NoError(t, err)
	_, err = p.Probe(t.Context(), file)
	require.ErrorIs(t, err, ffmpeg.ErrMissing)
	require.NotErrorIs(t, err, ffmpeg.ErrNotMedia)
	require.Contains(t, ffmpeg.InstallHint, "apt install ffmpeg")
}

func TestParseRatio_ReadsFractionsAndDecimals(t *testing.T) {
	for text, want := range map[string]ffmpeg.Ratio{
		"25": {Num: 25, Den: 1}, "30000/1001": {Num: 30000, Den: 1001}, "29.97": {Num: 2997, Den: 100}, "0.5": {Num: 1, Den: 2},
	} {
		got, err := ffmpeg.ParseRatio(text)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for _, text := range []string{"", "0", "0/0", "-1", "1/0", "x", "1e9999999", "99999999999999999999", "0x10", "Inf", "1/99999999999"} {
		_, err := ffmpeg.ParseRatio(text)
		require.ErrorContains(t, err, "is not a rate", text)
	}
}

func TestSketch_TellsAllButTheTimes(t *testing.T) {
	v := ffmpeg.Video{
		Stream: 2, Width: 65, Height: 48, TimeBase: ffmpeg.Ratio{Num: 1, Den: 90000}, Rate: ffmpeg.Ratio{Num: 30000, Den: 1001},
		Pixel: ffmpeg.Ratio{Num: 4, Den: 3}, Matrix: "bt709", Variable: true, Seekable: true, Primaries: "bt2020", Transfer: "arib-std-b67", Search: 7,
	}
	got, err := ffmpeg.ParseSketch(v.Sketch())
	require.NoError(t, err)
	require.Equal(t, &v, got)
	require.NotContains(t, v.Sketch(), " ")
	v.Matrix, v.Pixel, v.Seekable = "evil, word", ffmpeg.Ratio{}, false
	got, err = ffmpeg.ParseSketch(v.Sketch())
	require.NoError(t, err)
	v.Matrix = ""
	require.Equal(t, &v, got)
	for _, word := range []string{"", "-", "0,1x1,1/1", "0,0x1,1/1,1/1,0/0,", "-1,1x1,1/1,1/1,0/0,", "0,1x1,0/0,1/1,0/0,", "0,99999x99999,1/1,1/1,0/0,", "0,ax1,1/1,1/1,0/0,"} {
		_, err := ffmpeg.ParseSketch(word)
		require.Error(t, err, word)
	}
}
