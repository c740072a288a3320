package sound_test

import (
	"math"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"spillway/sound"
)

// Real songs, stereo, twelve seconds of it, as Debian's frozen-bubble-data has it.
func TestMasks_RealSongsAddUpAndSplitExactly(t *testing.T) {
	for _, name := range []string{"frozen-mainzik-1p", "frozen-mainzik-2p", "introzik"} {
		t.Run(name, func(t *testing.T) {
			song := decode(t, "/usr/share/games/frozen-bubble/snd/"+name+".ogg")
			moments := int64(len(song) / 2)
			whole := separate(t, stereo, sound.Whole(), song)
			sum := sound.Mix(nil, whole, sound.Gains{1, 1, 1, 1})
			for i := range song {
				if math.Abs(float64(song[i]-sum[i])) > 1e-6 {
					require.InDelta(t, song[i], sum[i], 1e-6)
				}
			}
			for s := range whole {
				require.Greater(t, loudest(whole[s]), float32(0.001), "there is something in %v", sound.Stem(s))
			}
			for _, c := range sound.PlanFor(3, moments, sound.Masks{}.Context(rate)) {
				part := separate(t, stereo, c, song)
				for s := range part {
					require.Equal(t, bitsOf(whole[s][2*c.From:2*c.To]), bitsOf(part[s]), sound.Stem(s))
				}
			}
		})
	}
}

// decode gives what comes a minute after the beginning of a song.
func decode(t *testing.T, path string) []float32 {
	t.Helper()
	if _, err := os.Stat(path); err != nil {
		t.Skip("install frozen-bubble-data for this song")
	}
	if _, err := exec.LookPath("ffmpeg"); err != nil {
		t.Skip("install ffmpeg to decode this song")
	}
	cmd := exec.CommandContext(t.Context(), "ffmpeg", "-v", "error", "-nostdin", "-ss", "60", "-t", "12", "-i", path, "-ar", "44100", "-ac", "2", "-f", "f32le", "-")
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	song := make([]float32, 30*2*rate)
	n, err := sound.Floats(out, 2).Read(song)
	require.Error(t, err, "the song ends before the buffer")
	require.NoError(t, cmd.Wait())
	require.Greater(t, n, 10*2*rate)
	return song[:n]
}
