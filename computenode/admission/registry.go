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
	"spillway/params"
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

// maker makes a controller from its parameters, and says in a line what it does.
type maker struct {
	summary string
	make    func(cfg Config, p *params.List) Controller
}

// makers has every controller by its name.
var makers = map[string]maker{
	"none":        {"admits every task at once, and injects nothing", newNone},
	"probability": {"the injected draws alone", newProbability},
	"queue":       {"the draws, then so many tasks that wait", injected(newQueue)},
	"codel":       {"the draws, then CoDel and adaptive LIFO: drops what waited too long, serves the newest first in overload", injected(newCodel)},
	"gradient":    {"the draws, then a limit on the tasks in flight that follows their latency", injected(newGradient)},
	"red":         {"the draws, then a chance of rejection that grows with the average queue", injected(newRed)},
}

// injected puts the assignment's draws before a limit.
func injected(limit func(Config, *params.List) Controller) func(Config, *params.List) Controller {
	return func(cfg Config, p *params.List) Controller {
		return &staged{draws: newProbability(cfg, nil), limit: limit(cfg, p)}
	}
}

// Names are the controllers that there are, sorted.
func Names() []string { return slices.Sorted(maps.Keys(makers)) }

// New makes the controller that a word names, NAME or NAME:PARAMETER=VALUE,…  Errors:
// InvalidArgument (no such name or parameter, cfg not valid).
func New(word string, cfg Config) (Controller, error) {
	name, p := params.Cut(word)
	m, ok := makers[name]
	if !ok {
		return nil, job.E(job.InvalidArgument, fmt.Sprintf("admission %.80q", word),
			errors.New("no such controller"), "use one of "+strings.Join(Names(), ", "))
	}
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	c := m.make(cfg, p)
	if err := p.Finish(); err != nil {
		return nil, job.E(job.InvalidArgument, fmt.Sprintf("admission %.80q", word), err, p.Hint(name))
	}
	return c, nil
}

// Describe says in a line a controller what it does, with its parameters, their
// defaults below it.
func Describe() string {
	var b strings.Builder
	for _, name := range Names() {
		p := &params.List{}
		makers[name].make(Config{}, p)
		fmt.Fprintf(&b, "  %-12s %s\n", name, makers[name].summary)
		for _, info := range p.Infos() {
			fmt.Fprintf(&b, "  %-12s   %s\n", "", info)
		}
	}
	return b.String()
}

// staged is a controller of two stages. A [Gate] looks at the deadline between them.
type staged struct{ draws, limit Controller }

// Decide implements Controller. A delay outlives the second stage.
func (s *staged) Decide(now time.Time, a Arrival) Decision {
	d := s.draws.Decide(now, a)
	if d.Reject {
		return d
	}
	if l := s.limit.Decide(now, a); l.Reject {
		return l
	}
	return d
}

// Observe implements Controller.
func (s *staged) Observe(now time.Time, sample Sample) {
	s.draws.Observe(now, sample)
	s.limit.Observe(now, sample)
}

// none admits every task at once.
type none struct{}

func newNone(Config, *params.List) Controller { return none{} }

// Decide implements Controller.
func (none) Decide(time.Time, Arrival) Decision { return Decision{} }

// Observe implements Controller.
func (none) Observe(time.Time, Sample) {}
