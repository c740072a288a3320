package sim

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"spillway/job"
	"spillway/params"
)

// Shape is the distribution of sizes.
type Shape int

// The shapes of sizes.
const (
	Constant Shape = iota
	Exponential
	Lognormal
)

// Sizes is how much work tasks are: the time that they take on a node of speed 1. The
// zero Sizes is 10 ms each.
type Sizes struct {
	Shape Shape
	// Mean of all. Default 10 ms; negative: none, tasks without work.
	Mean time.Duration
	// Sigma is that of the logarithm of a lognormal size.
	Sigma float64
	// Values are the sizes themselves, over and over in their order. nil: the above.
	Values []time.Duration
}

func (s Sizes) validate() error {
	switch {
	case s.Sigma < 0 || s.Sigma > 5:
		return bad("sizes", fmt.Sprintf("sigma %v is not between 0 and 5", s.Sigma), "give a number such as 1")
	case len(s.Values) > 0 && slices.Min(s.Values) < 0:
		return bad("sizes", "one of the values is negative", "give 0 or more")
	}
	return nil
}

// mean is the mean size in seconds.
func (s Sizes) mean() float64 {
	if len(s.Values) == 0 {
		return max(0, s.Mean.Seconds())
	}
	sum := 0.0
	for _, v := range s.Values {
		sum += v.Seconds()
	}
	return sum / float64(len(s.Values))
}

// draw is the size of task i in nanoseconds.
func (s Sizes) draw(i int, r *rand.Rand) float64 {
	mean := float64(max(0, s.Mean))
	switch {
	case len(s.Values) > 0:
		return float64(s.Values[i%len(s.Values)])
	case s.Shape == Exponential:
		return mean * r.ExpFloat64()
	case s.Shape == Lognormal:
		return mean * lognormal(s.Sigma, r)
	}
	return mean
}

// lognormal draws a factor of mean 1.
func lognormal(sigma float64, r *rand.Rand) float64 {
	return math.Exp(sigma*r.NormFloat64() - sigma*sigma/2)
}

// ParseSizes reads a word such as "constant", "exponential:mean=20ms" or
// "lognormal:sigma=1,mean=10ms". Errors: InvalidArgument.
func ParseSizes(word string) (Sizes, error) {
	shapes := map[string]Shape{"constant": Constant, "exponential": Exponential, "lognormal": Lognormal}
	name, p := params.Cut(word)
	shape, ok := shapes[name]
	if !ok {
		return Sizes{}, job.E(job.InvalidArgument, fmt.Sprintf("sizes %.80q", word), errors.New("no such distribution"),
			"use one of constant, exponential, lognormal:sigma=1 or file:PATH")
	}
	s := Sizes{Shape: shape}
	if s.Mean = p.Duration("mean", 10*time.Millisecond, 0, time.Hour, "mean size"); s.Mean == 0 {
		s.Mean = -1
	}
	if shape == Lognormal {
		s.Sigma = p.Float("sigma", 1, 0, 5, "of the logarithm")
	}
	if err := p.Finish(); err != nil {
		return Sizes{}, job.E(job.InvalidArgument, fmt.Sprintf("sizes %.80q", word), err, p.Hint(name))
	}
	return s, nil
}
