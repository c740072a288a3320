package admission

import (
	"math"
	"math/rand/v2"
	"time"

	"spillway/params"
)

// redStream tells its sequence of draws from others with the same seed.
const redStream = 0x5245442d51554555

// The parameters of red where nothing else is said; those of the queue are for each slot.
const (
	defaultRedWeight = .002
	defaultRedLow    = 1
	defaultRedHigh   = 3
	defaultRedMost   = .1
)

// red is random early detection (Floyd and Jacobson, "Random early detection gateways
// for congestion avoidance", IEEE/ACM ToN 1(4), 1993). The average of the queue,
//
//	avg = avg + w·(queue − avg)	at each arrival, w = 0.002
//	avg = avg·(1−w)^m	for an idle time in which m tasks could have been done
//
// gives the chance with which a task that may be rejected is:
//
//	0	below min = 1 task a slot
//	max_p·(avg − min)/(max − min)	between, with max_p = 0.1
//	1	from max = 3 tasks a slot on
//
// Every task with an average between takes one number, so that draws are the same for a
// seed. The paper's count of tasks since the last rejection, which only spaces the
// rejections evenly, is left out. A task that finds a slot free is never rejected.
type red struct {
	weight, low, high, most float64
	avg                     float64
	idle                    time.Time // since when nobody waits; zero: somebody does
	draws                   *rand.Rand
}

func newRed(cfg Config, p *params.List) Controller {
	c := &red{
		weight: p.Float("w", defaultRedWeight, 1e-6, 1, "weight of the queue that an arrival finds in its average"),
		low:    p.Float("min", defaultRedLow, 0, 1e4, "average queue for each slot from which on tasks are rejected"),
		high:   p.Float("max", defaultRedHigh, 0, 1e4, "average queue for each slot from which on all are"),
		most:   p.Float("p", defaultRedMost, 0, 1, "chance of rejection just below max"),
		draws:  rand.New(rand.NewPCG(cfg.Seed, redStream)),
	}
	p.Check(c.low < c.high, "min=%g is not below max=%g", c.low, c.high)
	return c
}

// Decide implements Controller.
func (c *red) Decide(now time.Time, a Arrival) Decision {
	slots := float64(max(1, a.Load.Slots))
	c.average(now, a, slots)
	p := c.chance(c.avg / slots)
	if p <= 0 || p < 1 && c.draws.Float64() >= p {
		return Decision{}
	}
	if a.MayReject && !free(a.Load) {
		return Decision{Reject: true, Reason: "its queue is long on average"}
	}
	return Decision{}
}

// average takes in the queue that an arrival finds.
func (c *red) average(now time.Time, a Arrival, slots float64) {
	if a.Load.Queued > 0 {
		c.idle = time.Time{}
		c.avg += c.weight * (float64(a.Load.Queued) - c.avg)
		return
	}
	missed := 1.0
	if !c.idle.IsZero() && a.Load.Mean > 0 {
		missed = max(1, now.Sub(c.idle).Seconds()*slots/a.Load.Mean.Seconds())
	}
	c.idle = now
	c.avg *= math.Pow(1-c.weight, missed)
}

// chance is that of rejection for an average queue of a slot.
func (c *red) chance(avg float64) float64 {
	switch {
	case avg < c.low:
		return 0
	case avg >= c.high:
		return 1
	}
	return c.most * (avg - c.low) / (c.high - c.low)
}

// Observe implements Controller: the queue says all.
func (c *red) Observe(time.Time, Sample) {}
