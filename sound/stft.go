package sound

import "math"

// overlap is how many frames cover each moment.
const overlap = 4

// frameSeconds is the length of a frame: long enough to tell the tones of a chord
// apart, short enough for a drum to be short.
const frameSeconds = 4096.0 / 44100

// frameSize is the power of two that is nearest to [frameSeconds] at a rate.
func frameSize(rate int) int {
	power := math.Round(math.Log2(frameSeconds * float64(rate)))
	return 1 << max(6, int(power))
}

// stft is a short-time Fourier transform of two channels. Frame k covers the moments
// from k·hop, for every whole k, counted from the song's beginning wherever a chunk
// begins: so a frame is the same in every chunk that holds it. Not for concurrent use.
//
// The window is the root of a Hann window, before and after. Four that overlap add
// up to 2, so that frames that are not changed give back the sound:
// Σ_k w²(t − k·hop) = Σ_k (1 − cos(2π(t − k·hop)/size))/2 = overlap/2.
//
// Both channels go through one transform, as the real and the imaginary part:
// with Z the transform of left + i·right, L[k] = (Z[k] + Z[-k]*)/2 and
// R[k] = (Z[k] − Z[-k]*)/2i.
type stft struct {
	size, hop int
	fft       *fft
	window    []float64
	in, out   []complex128
}

func newSTFT(size int) *stft {
	s := &stft{size: size, hop: size / overlap, fft: newFFT(size), window: make([]float64, size)}
	s.in, s.out = make([]complex128, size), make([]complex128, size)
	for i := range s.window {
		s.window[i] = math.Sqrt(0.5 - 0.5*math.Cos(2*math.Pi*float64(i)/float64(size)))
	}
	return s
}

// bins is how many frequencies a frame has: 0 to half the rate.
func (s *stft) bins() int { return s.size/2 + 1 }

// analyze gives the spectra of one frame of samples.
func (s *stft) analyze(left, right []complex128, samples [2][]float64) {
	for i, w := range s.window {
		s.in[i] = complex(w*samples[0][i], w*samples[1][i])
	}
	s.fft.transform(s.out, s.in)
	for k := range s.bins() {
		z, m := s.out[k], s.out[(s.size-k)&(s.size-1)]
		left[k] = complex((real(z)+real(m))/2, (imag(z)-imag(m))/2)
		right[k] = complex((imag(z)+imag(m))/2, (real(m)-real(z))/2)
	}
}

// add adds the frame of two spectra to samples. The way back is the way there with real
// and imaginary parts exchanged before and after it.
func (s *stft) add(samples [2][]float64, left, right []complex128) {
	for k := range s.bins() {
		l, r := left[k], right[k]
		s.in[(s.size-k)&(s.size-1)] = complex(real(r)-imag(l), real(l)+imag(r))
		s.in[k] = complex(imag(l)+real(r), real(l)-imag(r))
	}
	s.fft.transform(s.out, s.in)
	norm := 2 / (overlap * float64(s.size))
	for i, w := range s.window {
		samples[0][i] += norm * w * imag(s.out[i])
		samples[1][i] += norm * w * real(s.out[i])
	}
}
