package sound_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"spillway/sound"
)

// What each stem reaches on the song of [play]. The bounds are a little below what
// is measured (go test -run Reaches -v), so that a change for the worse is seen.
func TestMasks_EachStemReachesItsFigure(t *testing.T) {
	for _, row := range []struct {
		name                               string
		wet                                bool
		vocals, drums, bass, rest, karaoke float64
	}{
		{"a dry voice", false, 9.2, 3.6, 3.6, 6.1, 10.7},
		{"a voice in a room", true, 6.0, 3.5, 3.6, 2.0, 7.0},
	} {
		t.Run(row.name, func(t *testing.T) {
			song := play(10, row.wet)
			got := separate(t, stereo, sound.Whole(), song.mix)
			for _, stem := range sound.Stems() {
				figure := siSDR(got[stem], song.stems[stem])
				t.Logf("%-8v %5.1f dB, of the mix %5.1f dB", stem, figure, siSDR(song.mix, song.stems[stem]))
				require.Greater(t, figure, [...]float64{row.vocals, row.drums, row.bass, row.rest}[stem], stem)
			}
			truth := sound.Mix(nil, song.stems, sound.Karaoke())
			figure := siSDR(sound.Mix(nil, got, sound.Karaoke()), truth)
			t.Logf("%-8v %5.1f dB, of the mix %5.1f dB", "karaoke", figure, siSDR(song.mix, truth))
			require.Greater(t, figure, row.karaoke)
		})
	}
}

func TestMasks_AVoiceToOneSideIsNotTakenForTheSinger(t *testing.T) {
	song := play(1, false)
	for i := range song.mix {
		if i%2 == 1 {
			song.mix[i] = 0
		}
	}
	got := separate(t, stereo, sound.Whole(), song.mix)
	require.Less(t, loudest(got[sound.Vocals]), float32(1e-12))
}

func loudest(samples []float32) float32 {
	most := float32(0)
	for _, x := range samples {
		most = max(most, x, -x)
	}
	return most
}
