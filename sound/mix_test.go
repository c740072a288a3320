package sound_test

import (
	"math"
	"math/rand/v2"

	"spillway/sound"
)

const rate = 44100

// band is a synthetic song whose stems are known: what each plays, left and right, and
// the song they add up to. All stereo, the channels of one moment after another.
type band struct {
	stems sound.Block
	mix   []float32
}

// play makes a song of a singer in the middle, bass and drums as they are usually placed,
// and a guitar, keys and a pad around. wet adds the echoes of a room to the voice, which
// differ from side to side.
func play(seconds int, wet bool) band {
	rng := rand.New(rand.NewPCG(7, 7))
	n := seconds * rate
	var b band
	for s := range b.stems {
		b.stems[s] = make([]float32, 2*n)
	}
	sing(b.stems[sound.Vocals], rng, wet)
	pluckBass(b.stems[sound.Bass])
	drum(b.stems[sound.Drums], rng)
	accompany(b.stems[sound.Other])
	for s, level := range map[sound.Stem]float64{sound.Vocals: 0.12, sound.Drums: 0.07, sound.Bass: 0.07, sound.Other: 0.09} {
		scale(b.stems[s], level)
	}
	b.mix = make([]float32, 2*n)
	for _, stem := range b.stems {
		for i, x := range stem {
			b.mix[i] += x
		}
	}
	return b
}

// place is how loud something is left and right.
type place struct{ left, right float64 }

// at is a place from -1, left, to 1, right; the power is the same everywhere.
func at(x float64) place {
	angle := (x + 1) * math.Pi / 4
	return place{math.Cos(angle), math.Sin(angle)}
}

// put adds a sample.
func (p place) put(stereo []float32, i int, x float64) {
	if 2*i+1 < len(stereo) {
		stereo[2*i] += float32(x * p.left)
		stereo[2*i+1] += float32(x * p.right)
	}
}

// sing is a melody with vibrato, the formants of vowels, breaths and consonants.
func sing(out []float32, rng *rand.Rand, wet bool) {
	n := len(out) / 2
	dry := make([]float64, n)
	vowels := [][3]float64{{730, 1090, 2440}, {270, 2290, 3010}, {300, 870, 2240}, {530, 1840, 2480}}
	notes := []float64{220, 246.9, 261.6, 293.7, 329.6, 293.7, 261.6, 196}
	start, phase := 0, 0.0
	for note := 0; start < n; note++ {
		length := rate * (30 + 15*(note%4)) / 100
		if note%7 == 6 { // takes breath
			start += length
			continue
		}
		vowel, pitch := vowels[note%len(vowels)], notes[note%len(notes)]
		last := 0.0
		for i := 0; i < length && start+i < n; i++ {
			t := float64(i) / rate
			hz := pitch * (1 + 0.012*math.Min(1, 4*t)*math.Sin(2*math.Pi*5.5*t))
			phase += 2 * math.Pi * hz / rate
			envelope := math.Min(1, t/0.04) * math.Min(1, float64(length-i)/rate/0.06)
			for h := 1; float64(h)*hz < 7000; h++ {
				dry[start+i] += envelope * formant(float64(h)*hz, vowel) / float64(h) * math.Sin(float64(h)*phase)
			}
			if t < 0.05 { // a consonant: hiss, the difference of noise
				noise := rng.NormFloat64()
				dry[start+i] += 0.1 * (noise - last) * math.Sin(math.Pi*t/0.05)
				last = noise
			}
		}
		start += length
	}
	middle := at(0)
	for i, x := range dry {
		middle.put(out, i, x)
	}
	if !wet {
		return
	}
	for echo := range 60 {
		delay := rate/100 + rng.IntN(rate*3/10)
		level, side := 0.12*math.Exp(-6*float64(delay)/rate)*float64(1-2*(echo%2)), at(2*rng.Float64()-1)
		for i, x := range dry {
			side.put(out, i+delay, level*x)
		}
	}
}

func formant(hz float64, vowel [3]float64) float64 {
	sum := 0.05
	for i, centre := range vowel {
		d := (hz - centre) / (60 + 40*float64(i))
		sum += 1 / (1 + d*d)
	}
	return sum
}

func pluckBass(out []float32) {
	notes := []float64{55, 55, 82.4, 73.4, 65.4, 65.4, 98, 49}
	beat, middle := rate/2, at(0)
	for i := range len(out) / 2 {
		hz, t := notes[i/beat/2%len(notes)], float64(i%beat)/rate
		x := 0.0
		for h := 1.0; h <= 6; h++ {
			x += math.Exp(-t*(2+h)) / h * math.Sin(2*math.Pi*h*hz*t)
		}
		middle.put(out, i, x*math.Min(1, t/0.005))
	}
}

// drum is a kick and a snare in the middle, and a hat to the right.
func drum(out []float32, rng *rand.Rand) {
	beat, middle, right := rate/2, at(0), at(0.3)
	last := 0.0
	for i := range len(out) / 2 {
		t := float64(i%beat) / rate
		noise := rng.NormFloat64()
		if i/beat%2 == 0 {
			middle.put(out, i, 1.5*math.Exp(-t*18)*math.Sin(2*math.Pi*(50*t+3*(1-math.Exp(-t*40)))))
		} else {
			middle.put(out, i, 0.6*math.Exp(-t*22)*(noise+math.Sin(2*math.Pi*190*t)))
		}
		eighth := float64(i%(beat/2)) / rate
		right.put(out, i, 0.25*math.Exp(-eighth*60)*(noise-last))
		last = noise
	}
}

// accompany is a guitar to the left, keys to the right, and a pad that is wide.
func accompany(out []float32) {
	chords := [][]float64{{220, 261.6, 329.6}, {174.6, 220, 261.6}, {261.6, 329.6, 392}, {196, 246.9, 293.7}}
	bar, left, right := 2*rate, at(-0.6), at(0.6)
	for i := range len(out) / 2 {
		chord := chords[i/bar%len(chords)]
		strum, t := float64(i%(rate/4))/rate, float64(i)/rate
		press := float64(i%(rate/2)) / rate
		for n, hz := range chord {
			guitar, keys := 0.0, 0.0
			for h := 1.0; h <= 6; h++ {
				guitar += math.Exp(-strum*(4+2*h)) / h * math.Sin(2*math.Pi*h*2*hz*strum)
				keys += math.Exp(-press*(3+h)) / (h * h) * math.Sin(2*math.Pi*h*hz*press)
			}
			left.put(out, i, guitar*math.Min(1, strum/0.003))
			right.put(out, i, 0.8*keys*math.Min(1, press/0.003))
			detune := 1 + 0.002*float64(n+1)
			out[2*i] += float32(0.15 * math.Sin(2*math.Pi*hz*detune*t))
			out[2*i+1] += float32(0.15 * math.Sin(2*math.Pi*hz/detune*t+1))
		}
	}
}

func scale(samples []float32, level float64) {
	sum := 0.0
	for _, x := range samples {
		sum += float64(x) * float64(x)
	}
	gain := level / math.Sqrt(sum/float64(len(samples)))
	for i, x := range samples {
		samples[i] = float32(float64(x) * gain)
	}
}

// siSDR is the scale-invariant signal-to-distortion ratio in dB (J. Le Roux and others,
// "SDR – half-baked or well done?", ICASSP 2019): with a = ⟨e, s⟩/⟨s, s⟩ it is
// 10·log10(|a·s|²/|e − a·s|²).
func siSDR(estimate, truth []float32) float64 {
	var es, ss float64
	for i, s := range truth {
		es += float64(estimate[i]) * float64(s)
		ss += float64(s) * float64(s)
	}
	a := es / ss
	var good, bad float64
	for i, s := range truth {
		good += a * float64(s) * a * float64(s)
		d := float64(estimate[i]) - a*float64(s)
		bad += d * d
	}
	return 10 * math.Log10(good/bad)
}
