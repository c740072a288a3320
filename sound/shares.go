package sound

import "math"

// shares decides how much of each frequency belongs to which stem. It sees the frames
// of both channels, L and R, and remembers the last 2·reach+1 of them; it decides for the
// one in their middle.
//
// Percussive (D. Fitzgerald, "Harmonic/percussive separation using median filtering",
// DAFx 2010). With the power W = |L|² + |R|², H the median of W over time and P that over
// frequency: a tone is long in time, so that H keeps it, and a beat is broad in
// frequency, so that P does. percussive = P/(P + H).
//
// Central (C. Avendano, "Frequency-domain source identification and manipulation in
// stereo mixes", WASPAA 2003). The similarity of the channels is
// ψ = 2·Re(L·R*)/(|L|² + |R|²): 1 in the middle, 0 far on one side, below 0 out of
// phase. centre = max(0, ψ)⁴.
//
// With X = L or R, M = (L + R)/2 and v, b the ranges of voice and bass:
//
//	vocals = v · centre · (1 − percussive)^1.5 · (X + M)/2
//	drums  = percussive · (X − vocals)
//	bass   = b · (1 − percussive) · (X − vocals)
//	other  = the rest
//
// The voice keeps half of the difference between the sides, since a room answers it from
// everywhere; and it loses to the drums a little more than they gain, since what is left of
// a beat is heard in a voice more than in the rest.
type shares struct {
	bins, slot int
	spectra    [2*reach + 1][2][]complex128
	power      [2*reach + 1][]float32
	sorted     []float32 // by frequency: the powers of the frames, in order
	vertical   []float32 // the medians over frequency of the frame in the middle
	window     []float32
	voice, low []float64 // the ranges, by frequency
}

func newShares(rate int, frames *stft) *shares {
	const width = 2*reach + 1
	n := frames.bins()
	s := &shares{bins: n, sorted: make([]float32, n*width), vertical: make([]float32, n), window: make([]float32, width)}
	for slot := range s.spectra {
		s.spectra[slot] = [2][]complex128{make([]complex128, n), make([]complex128, n)}
		s.power[slot] = make([]float32, n)
	}
	for k := range n {
		hz := float64(k) * float64(rate) / float64(frames.size)
		s.voice = append(s.voice, ramp(hz, voiceFrom, voiceFull)*(1-ramp(hz, voiceFade, voiceTo)))
		s.low = append(s.low, 1-ramp(hz, bassFade, bassTo))
	}
	return s
}

// The ranges in Hz: a voice has nothing below its deepest tone and little above its
// sharpest consonant; a bass has most of its sound in its two lowest tones.
const (
	voiceFrom, voiceFull = 90, 140
	voiceFade, voiceTo   = 10_000, 14_000
	bassFade, bassTo     = 180, 260
)

// ramp rises from 0 at low to 1 at high.
func ramp(hz, low, high float64) float64 { return max(0, min(1, (hz-low)/(high-low))) }

// fresh is where the spectra of the next frame go.
func (s *shares) fresh() (left, right []complex128) {
	return s.spectra[s.slot][0], s.spectra[s.slot][1]
}

// advance takes the fresh frame in, in place of the oldest.
func (s *shares) advance() {
	const width = 2*reach + 1
	left, right := s.fresh()
	power := s.power[s.slot]
	for k := range power {
		l, r := left[k], right[k]
		fresh := float32(real(l)*real(l) + imag(l)*imag(l) + real(r)*real(r) + imag(r)*imag(r))
		replace(s.sorted[k*width:(k+1)*width], power[k], fresh)
		power[k] = fresh
	}
	s.slot = (s.slot + 1) % width
}

// divide gives the spectra of vocals, drums and bass of the frame in the middle.
func (s *shares) divide(stems *[3][2][]complex128) {
	const width = 2*reach + 1
	const tiny = 1e-30 // silence divided by silence is silence
	middle := (s.slot + reach) % width
	left, right := s.spectra[middle][0], s.spectra[middle][1]
	slide(s.vertical, s.power[middle], s.window)
	for k := range s.bins {
		l, r := left[k], right[k]
		beat, tone := float64(s.vertical[k]), float64(s.sorted[k*width+reach])
		percussive := beat / (beat + tone + tiny)
		central := max(0, 2*(real(l)*real(r)+imag(l)*imag(r))/(float64(s.power[middle][k])+tiny))
		central *= central
		central *= central
		lasting := 1 - percussive
		voice := complex(s.voice[k]*central*lasting*math.Sqrt(lasting)/4, 0)
		voiceL, voiceR := voice*(3*l+r), voice*(l+3*r)
		l, r = l-voiceL, r-voiceR
		drum, bass := complex(percussive, 0), complex(s.low[k]*lasting, 0)
		stems[Vocals][0][k], stems[Drums][0][k], stems[Bass][0][k] = voiceL, drum*l, bass*l
		stems[Vocals][1][k], stems[Drums][1][k], stems[Bass][1][k] = voiceR, drum*r, bass*r
	}
}
