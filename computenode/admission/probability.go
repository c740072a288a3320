package admission

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"time"

	"spillway/job"
	"spillway/params"
)

// stream tells this sequence of draws from others with the same seed.
const stream = 0x5350494c4c574159

// probability is the assignment's stand-in for load. A task that may not be
// rejected is delayed with probability p. One that may is rejected with
// probability p; if it is not, an independent second draw delays it with
// probability p, so that it is delayed with p(1-p) in all.
type probability struct {
	p      float64
	delay  time.Duration
	reason string
	draws  *rand.Rand
}

func newProbability(cfg Config, _ *params.List) Controller {
	return &probability{
		p: cfg.Probability, delay: cfg.Delay,
		reason: fmt.Sprintf("injected load (p = %v)", cfg.Probability),
		draws:  rand.New(rand.NewPCG(cfg.Seed, stream)),
	}
}

// Decide implements Controller. Every arrival takes exactly two numbers, whatever
// becomes of it, so that the n-th arrival meets the same draws for a seed,
// whatever came before.
func (c *probability) Decide(_ time.Time, a Arrival) Decision {
	reject, delay := c.draws.Float64() < c.p, c.draws.Float64() < c.p
	switch {
	case a.MayReject && reject:
		return Decision{Reject: true, Reason: c.reason}
	case delay:
		return Decision{Delay: c.delay}
	}
	return Decision{}
}

// Observe implements Controller: draws learn nothing.
func (c *probability) Observe(time.Time, Sample) {}

// ParseProbability reads a load probability. Errors: InvalidArgument for all but
// a number from 0 to 1.
func ParseProbability(s string) (float64, error) {
	p, err := strconv.ParseFloat(s, 64)
	switch {
	case s == "":
		return 0, badProbability(s, "it is empty")
	case err != nil || math.IsNaN(p):
		return 0, badProbability(s, "it is not a number")
	case p < 0 || p > 1:
		return 0, badProbability(s, "it is not between 0 and 1")
	}
	return math.Abs(p), nil // -0 is 0
}

func badProbability(s, why string) error {
	return job.E(job.InvalidArgument, fmt.Sprintf("load probability %.80q", s), errors.New(why),
		"give a number from 0 (never delay or reject) to 1 (always), such as 0.2")
}
