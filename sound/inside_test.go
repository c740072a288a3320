package sound

import (
	"math"
	"math/cmplx"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFFT_IsTheSumThatDefinesIt(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{4, 8, 16, 32, 64, 256, 512} {
		src, dst := make([]complex128, n), make([]complex128, n)
		for i := range src {
			src[i] = complex(rng.NormFloat64(), rng.NormFloat64())
		}
		newFFT(n).transform(dst, src)
		for k := range dst {
			var sum complex128
			for i, x := range src {
				sum += x * cmplx.Rect(1, -2*math.Pi*float64(i*k%n)/float64(n))
			}
			require.InDelta(t, 0, cmplx.Abs(sum-dst[k]), 1e-11, "%d of %d", k, n)
		}
	}
}

func TestSTFT_GivesBackWhatIsNotChanged(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	s := newSTFT(64)
	const n = 640
	var in, out [2][]float64
	for side := range in {
		in[side], out[side] = make([]float64, n), make([]float64, n)
		for i := range in[side] {
			in[side][i] = rng.NormFloat64()
		}
	}
	left, right := make([]complex128, s.bins()), make([]complex128, s.bins())
	for at := 0; at+s.size <= n; at += s.hop {
		s.analyze(left, right, [2][]float64{in[0][at:], in[1][at:]})
		s.add([2][]float64{out[0][at:], out[1][at:]}, left, right)
	}
	for side := range in {
		for i := s.size; i < n-s.size; i++ {
			require.InDelta(t, in[side][i], out[side][i], 1e-12)
		}
	}
}

func TestSlide_IsTheMedianOfTheSortedWindow(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{1, 3, 5, 40} {
		values, got := make([]float32, n), make([]float32, n)
		for i := range values {
			values[i] = float32(rng.IntN(9)) // many of them equal
		}
		slide(got, values, make([]float32, 5))
		for i := range values {
			var window []float32
			for j := i - 2; j <= i+2; j++ {
				if j < 0 || j >= n {
					window = append(window, 0)
				} else {
					window = append(window, values[j])
				}
			}
			slices.Sort(window)
			require.Equal(t, window[2], got[i])
		}
	}
}

func TestWAVWriter_BeyondFourGiBIsRF64(t *testing.T) {
	w := WAVWriter{format: Format{Rate: 44100, Channels: 2}, encoding: PCM16, limit: math.MaxUint32 - headerBytes}
	w.data = w.limit - w.limit%4
	require.Equal(t, "RIFF", string(w.header()[:4]))
	w.data += 4
	head := w.header()
	require.Len(t, head, headerBytes)
	require.Equal(t, "RF64\xff\xff\xff\xffWAVEds64", string(head[:16]))
	r, err := NewWAVReader(&endless{head: head})
	require.NoError(t, err)
	require.Equal(t, w.data/4, r.Moments)
}

// endless is a header and silence for ever.
type endless struct{ head []byte }

func (e *endless) Read(p []byte) (int, error) {
	n := copy(p, e.head)
	e.head = e.head[n:]
	if n == 0 {
		clear(p)
		n = len(p)
	}
	return n, nil
}
