package face

import (
	"encoding/json"
	"fmt"
	"math"
)

// Numbers is how many a [Descriptor] has.
const Numbers = 128

// Threshold is the distance up to which two faces are of one person, where nobody says
// otherwise: what dlib's network was trained for.
const Threshold = 0.6

// Descriptor places a face among others.
type Descriptor [Numbers]float32

// Finite tells whether d can be compared: no number of it is infinite, or none at all.
func (d *Descriptor) Finite() bool {
	var sum float64
	for _, x := range d {
		sum += float64(x) * float64(x)
	}
	return !math.IsNaN(sum) && !math.IsInf(sum, 0)
}

// UnmarshalJSON wants all the numbers, which an array would not.
func (d *Descriptor) UnmarshalJSON(text []byte) error {
	var numbers []float32
	if err := json.Unmarshal(text, &numbers); err != nil {
		return err
	}
	if len(numbers) != Numbers {
		return fmt.Errorf("a descriptor has %d numbers, not %d", Numbers, len(numbers))
	}
	copy(d[:], numbers)
	return nil
}

// Distance is Euclid's; NaN where one of them is not finite.
func Distance(a, b *Descriptor) float64 {
	return math.Sqrt(float64(within(a, b, float32(math.Inf(1)))))
}

// stride is how many numbers are compared before it is looked whether they are too many.
const stride = 16

// within is the square of the distance, or, where that is above most, some number that is
// above it, too: most pairs are of different people, and told apart by an eighth or so of
// their numbers. NaN is never at most anything.
func within(a, b *Descriptor, most float32) float32 {
	var sum float32
	for at := 0; at < Numbers; at += stride {
		x, y := a[at:at+stride:at+stride], b[at:at+stride:at+stride]
		var s0, s1, s2, s3 float32 // chains of their own, which a processor adds side by side
		for i := 0; i+3 < len(x) && i+3 < len(y); i += 4 {
			d0, d1, d2, d3 := x[i]-y[i], x[i+1]-y[i+1], x[i+2]-y[i+2], x[i+3]-y[i+3]
			// Rounded before they are added, so that all processors find the same.
			s0, s1, s2, s3 = s0+float32(d0*d0), s1+float32(d1*d1), s2+float32(d2*d2), s3+float32(d3*d3)
		}
		if sum += (s0 + s1) + (s2 + s3); sum > most {
			return sum
		}
	}
	return sum
}
