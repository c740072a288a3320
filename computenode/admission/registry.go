package admission

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"spillway/job"
)

// The defaults of a node.
const (
	DefaultName  = "probability"
	DefaultDelay = 3 * time.Second
)

// Config holds what the controllers need; each takes what it knows.
type Config struct {
	// Probability is the load probability p, from 0 to 1.
	Probability float64
	// Delay is the injected delay; zero injects none.
	Delay time.Duration
	// Seed begins the sequence of draws; equal seeds draw equally.
	Seed uint64
}

// Validate reports the first field that cannot be used. Errors: InvalidArgument.
func (c Config) Validate() error {
	switch {
	case math.IsNaN(c.Probability) || c.Probability < 0 || c.Probability > 1:
		return badProbability(fmt.Sprint(c.Probability), "it is not between 0 and 1")
	case c.Delay < 0:
		return job.E(job.InvalidArgument, "injected delay", fmt.Errorf("%v is in the past", c.Delay), "use a time such as 3s, or 0 for none")
	}
	return nil
}

// makers has every controller by its name.
var makers = map[string]func(Config) Controller{
	"none":        func(Config) Controller { return none{} },
	"probability": newProbability,
}

// Names are the controllers that there are, sorted.
func Names() []string { return slices.Sorted(maps.Keys(makers)) }

// New makes a controller. Errors: InvalidArgument (no such name, cfg not valid).
func New(name string, cfg Config) (Controller, error) {
	maker, ok := makers[name]
	if !ok {
		return nil, job.E(job.InvalidArgument, fmt.Sprintf("admission %q", name),
			errors.New("no such controller"), "use one of "+strings.Join(Names(), ", "))
	}
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return maker(cfg), nil
}

// none admits every task at once.
type none struct{}

// Decide implements Controller.
func (none) Decide(time.Time, Arrival) Decision { return Decision{} }

// Observe implements Controller.
func (none) Observe(time.Time, Sample) {}
