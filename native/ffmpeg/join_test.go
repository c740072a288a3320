package ffmpeg_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"spillway/native/ffmpeg"
)

func TestJoin_ASegmentThatNamesOtherFilesOpensNone(t *testing.T) {
	p := need(t)
	secret := makeFile(t, "secret.mp4", pattern+"-c:v libx264 -pix_fmt yuv420p")
	lists := map[string]string{
		"concat":   "ffconcat version 1.0\nfile '" + secret + "'\n",
		"playlist": "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\nfile://" + secret + "\n#EXT-X-ENDLIST\n",
	}
	for name, text := range lists {
		t.Run(name, func(t *testing.T) {
			list := filepath.Join(t.TempDir(), "list")
			require.NoError(t, os.WriteFile(list, []byte(text), 0o600))
			out := create(t, "joined.mp4")
			j := ffmpeg.Joining{Segments: []*os.File{open(t, list)}, Rate: ffmpeg.Ratio{Num: 30000, Den: 1001}}
			require.Error(t, p.Join(t.Context(), out, j))
			info, err := out.Stat()
			require.NoError(t, err)
			require.Less(t, info.Size(), int64(2000), "frames of the other file came out")
		})
	}
}

func TestJoin_EverySoundKeepsItsLanguageAndBrowsersPlayIt(t *testing.T) {
	p := need(t)
	path := makeFile(t, "a.mkv", pattern+"-f lavfi -i sine=d=4 -f lavfi -i anullsrc=cl=hexadecagonal:r=48000:d=4 -map 0 -map 1 -map 2 -c:v libx264 -pix_fmt yuv420p -c:a:0 aac -c:a:1 pcm_s16le -metadata:s:a:0 language=deu -metadata:s:a:1 language=fra")
	info := probe(t, p, path)
	times, frames := readAll(t, p, path, info.Video, info.Video.All(), true)
	segment := encode(t, p, info.Video.Like(), times, frames)
	out := create(t, "joined.mp4")
	j := ffmpeg.Joining{Rate: info.Video.Rate, Sound: open(t, path), Info: info, Segments: []*os.File{open(t, segment)}}
	require.NoError(t, p.Join(t.Context(), out, j))
	made := probe(t, p, out.Name()).Audio
	require.Len(t, made, 2)
	require.Equal(t, []string{"deu", "fra"}, []string{made[0].Language, made[1].Language})
	require.Equal(t, []int{1, 2}, []int{made[0].Channels, made[1].Channels})
}

func TestPrograms_AFileThatCouldNotBeWrittenIsNoSuccess(t *testing.T) {
	need(t)
	for says, fails := range map[string]bool{
		"Error closing file x: No space left on device":  true,
		"Error writing trailer of x: Input/output error": true,
		"concealing 3 errors in a frame":                 false,
	} {
		program := filepath.Join(t.TempDir(), "ffmpeg")
		require.NoError(t, os.WriteFile(program, []byte("#!/bin/sh\ncat <&3 >/dev/null\necho '"+says+"' >&2\n"), 0o700))
		p := ffmpeg.Programs{FFmpeg: program}
		j := ffmpeg.Joining{Rate: ffmpeg.Ratio{Num: 25, Den: 1}, Segments: []*os.File{create(t, "segment")}}
		require.Equal(t, fails, p.Join(t.Context(), create(t, "out"), j) != nil, says)
	}
}
