package admission

import (
	"time"

	"spillway/params"
	"spillway/sketch"
)

// The times of codel where nothing else is said.
const (
	defaultNormal = 100 * time.Millisecond // N
	defaultFactor = 20                     // N/M
	codelFade     = 1000                   // tasks after which the median forgets half
	codelRefresh  = 32                     // tasks after which it is looked up again
)

// codel is controlled delay with adaptive LIFO, as Facebook's servers have it
// (Maurer, "Fail at Scale", ACM Queue 13(8), 2015; after Nichols and Jacobson,
// "Controlling queue delay", ACM Queue 10(5), 2012). A task that begins to wait may do
// so for
//
//	M, if the queue has not been empty for the last N, and else N
//
// and is dropped after that, if it may be rejected. While the queue has not been empty
// for N, the task that came last goes first: those behind are likely to be dropped or
// given up. N = max(100 ms, 2·p50 of the operation time), so that slow operations are
// not taken for overload, and M = N/20. The paper has 100 ms and 5 ms. The signal is
// the time in the queue alone, never that of the operation.
type codel struct {
	floor  time.Duration // of N
	factor time.Duration
	runs   sketch.Histogram
	normal time.Duration // N
	fresh  int           // tasks since N was computed
}

func newCodel(_ Config, p *params.List) Controller {
	c := &codel{
		floor:  p.Duration("n", defaultNormal, time.Millisecond, time.Hour, "N, the least time after which a queue that was never empty means overload"),
		factor: time.Duration(p.Int("factor", defaultFactor, 1, 1000, "N/M: in overload a task waits for at most M")),
	}
	c.normal = c.floor
	c.runs.Fade = codelFade
	return c
}

// Decide implements Controller. Nothing is turned away at the door.
func (c *codel) Decide(time.Time, Arrival) Decision { return Decision{} }

// Observe implements Controller.
func (c *codel) Observe(_ time.Time, s Sample) {
	if s.Code != "" {
		return
	}
	c.runs.Add(float64(s.Run))
	if c.fresh--; c.fresh < 0 {
		c.fresh = codelRefresh
		c.normal = max(c.floor, 2*time.Duration(c.runs.Quantile(.5)))
	}
}

// Discipline implements Queuer.
func (c *codel) Discipline(_ time.Time, standing time.Duration) Discipline {
	if standing > c.normal {
		return Discipline{Newest: true, Timeout: c.normal / c.factor}
	}
	return Discipline{Timeout: c.normal}
}
