package sound

import "fmt"

// Stem is one of the parts that a song is taken apart into.
type Stem int

// The stems.
const (
	Vocals Stem = iota
	Drums
	Bass
	Other
	StemCount = 4
)

// String is the stem's name in files and parameters.
func (s Stem) String() string {
	if s < 0 || s >= StemCount {
		return fmt.Sprintf("stem %d", int(s))
	}
	return [StemCount]string{"vocals", "drums", "bass", "other"}[s]
}

// Stems are all stems, in their order.
func Stems() [StemCount]Stem { return [StemCount]Stem{Vocals, Drums, Bass, Other} }

// Block is the same moments of each stem. It is the callee's until it returns.
type Block [StemCount][]float32

// Gains say how loud each stem is in a mix: 1 leaves it as it is.
type Gains [StemCount]float64

// Karaoke is the mix without its voice.
func Karaoke() Gains { return Gains{Drums: 1, Bass: 1, Other: 1} }

// Mix adds the stems of a block up in dst, which it returns, grown as needed.
// Gains of 1 give the samples of the song, within the rounding of float32.
func Mix(dst []float32, b Block, g Gains) []float32 {
	n := len(b[0])
	if cap(dst) < n {
		dst = make([]float32, n)
	}
	dst = dst[:n]
	for i := range dst {
		var sum float64
		for s, gain := range g {
			sum += gain * float64(b[s][i])
		}
		dst[i] = float32(sum)
	}
	return dst
}
