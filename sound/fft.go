package sound

import (
	"math"
	"math/bits"
)

// fft is the discrete Fourier transform of complex numbers, X[k] = Σ_n x[n]·e^(-2πikn/N),
// for N a power of two from 4 on. It goes the way of J. W. Cooley and J. W. Tukey ("An
// algorithm for the machine calculation of complex Fourier series", 1965), two halvings at
// a time. It is here because it is the most of the time of a separation, and gonum's takes
// four times as long. Its tables are read only: it may be used concurrently.
type fft struct {
	order  []int32        // where each input goes: its index with the bits reversed
	tables [][]complex128 // for each step from 4 to N: e^(-2πij/size), j below size/4, then of 2j and of 3j
}

func newFFT(n int) *fft {
	f := &fft{order: make([]int32, n)}
	for i := range f.order {
		f.order[i] = int32(bits.Reverse32(uint32(i)) >> (bits.LeadingZeros32(uint32(n)) + 1))
	}
	size := 16
	if bits.TrailingZeros(uint(n))%2 == 1 {
		size = 8
	}
	for ; size <= n; size *= 4 {
		var table []complex128
		for j := range size / 4 {
			for power := 1; power <= 3; power++ {
				sin, cos := math.Sincos(-2 * math.Pi * float64(power*j) / float64(size))
				table = append(table, complex(cos, sin))
			}
		}
		f.tables = append(f.tables, table)
	}
	return f
}

// transform replaces dst by the transform of src; they are not the same memory.
func (f *fft) transform(dst, src []complex128) {
	dst = dst[:len(f.order)]
	for i, from := range f.order {
		dst[i] = src[from]
	}
	size := 4
	if bits.TrailingZeros(uint(len(dst)))%2 == 1 {
		size = 2
		for i := 0; i < len(dst); i += 2 {
			dst[i], dst[i+1] = dst[i]+dst[i+1], dst[i]-dst[i+1]
		}
	} else {
		for i := 0; i < len(dst); i += 4 {
			q := dst[i : i+4 : i+4]
			q[0], q[1], q[2], q[3] = butterfly(q[0], q[1], q[2], q[3])
		}
	}
	for _, table := range f.tables {
		size *= 4
		for i := 0; i < len(dst); i += size {
			quarters(dst[i:i+size], table)
		}
	}
}

// quarters joins four transforms that lie side by side into one.
func quarters(x, table []complex128) {
	n := len(x) / 4
	a, b, c, d := x[:n], x[n:2*n], x[2*n:3*n], x[3*n:4*n]
	b, c, d = b[:len(a)], c[:len(a)], d[:len(a)]
	for j := range a {
		t := table[3*j : 3*j+3 : 3*j+3]
		a[j], b[j], c[j], d[j] = butterfly(a[j], t[1]*b[j], t[0]*c[j], t[2]*d[j])
	}
}

// butterfly is the transform of four numbers whose order has the bits reversed.
func butterfly(a, b, c, d complex128) (w, x, y, z complex128) {
	sum, difference := a+b, a-b
	plus, minus := c+d, c-d
	turned := complex(imag(minus), -real(minus)) // times -i
	return sum + plus, difference + turned, sum - plus, difference - turned
}
