package tail

import (
	"math/rand/v2"
	"time"
)

// BudgetConfig is how much a [Budget] allows. The zero value takes every default.
type BudgetConfig struct {
	// Part is how many retries a task that is done earns. Default 0.2.
	Part float64
	// Rate is how many retries a second are allowed beside. Default 10.
	Rate float64
	// Most is how many may be saved up, and are there at the start. Default 100, ten seconds.
	Most float64
}

func (c BudgetConfig) withDefaults() BudgetConfig {
	if c.Part == 0 {
		c.Part = .2
	}
	if c.Rate == 0 {
		c.Rate = 10
	}
	if c.Most == 0 {
		c.Most = 100
	}
	return c
}

// Budget holds the retries of failures to a part of what succeeds, so that a fleet in
// trouble is not asked many times for each task (Finagle's retry budget; Site
// Reliability Engineering, ch. 22). It is not safe for concurrent use.
type Budget struct {
	cfg    BudgetConfig
	tokens float64
	last   time.Time
}

// NewBudget makes a Budget that is full.
func NewBudget(cfg BudgetConfig) *Budget {
	cfg = cfg.withDefaults()
	return &Budget{cfg: cfg, tokens: cfg.Most}
}

// Earn counts a task that is done.
func (b *Budget) Earn() { b.tokens = min(b.cfg.Most, b.tokens+b.cfg.Part) }

// Take takes a retry. Where there is none, wait is when there will be, if nobody else
// takes it and nothing is earned.
func (b *Budget) Take(now time.Time) (wait time.Duration, ok bool) {
	if !b.last.IsZero() {
		b.tokens = min(b.cfg.Most, b.tokens+b.cfg.Rate*max(0, now.Sub(b.last).Seconds()))
	}
	b.last = now
	if b.tokens >= 1 {
		b.tokens--
		return 0, true
	}
	return time.Duration((1 - b.tokens) / b.cfg.Rate * float64(time.Second)), false
}

// Pause is how long a task pauses that no node took, drawn below a bound that grows by
// half each time, from First to Most (full jitter: Brooker, Exponential Backoff And
// Jitter, 2015). The zero Pause has First 1 ms and Most 1 s.
type Pause struct {
	First, Most time.Duration

	bound time.Duration
}

// Next draws the next pause.
func (p *Pause) Next(r *rand.Rand) time.Duration {
	first, most := p.First, p.Most
	if first == 0 {
		first = time.Millisecond
	}
	if most == 0 {
		most = time.Second
	}
	p.bound = min(most, max(first, p.bound+p.bound/2))
	return time.Duration(r.Int64N(int64(p.bound) + 1))
}
