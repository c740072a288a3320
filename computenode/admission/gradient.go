package admission

import (
	"time"

	"spillway/params"
)

// The parameters of gradient where nothing else is said.
const (
	defaultGradientTolerance = 1.5
	defaultGradientSmoothing = .2
	defaultGradientHeadroom  = 4
	defaultGradientLong      = 600
	defaultGradientStart     = 20
	defaultGradientMost      = 200
	defaultGradientWindow    = time.Second

	gradientSamples = 10 // the least of a window, and the windows after which long is smoothed
)

// gradient is Netflix's Gradient2 (concurrency-limits, Gradient2Limit; "Performance
// under load", 2018): a limit L on the tasks in flight, which follows the latency. At
// the end of each window of at least 1 s and 10 tasks,
//
//	short = mean of latency/work in the window
//	long  = long + (short − long)·2/(600+1), after a mere mean of the first 10
//	grad  = clamp(1.5·long/short, 0.5, 1)
//	L'    = 0.8·L + 0.2·(L·grad + 4)
//
// L' lies between the node's slots and 200, and 20 is where it begins. It does not
// change while fewer than L/2 tasks were in flight, since nothing was learned about L,
// and long sinks by 5 % in a window where it is above 2·short, so that an overload is
// soon forgotten. Latency is queueing and operation, without the injected delay; work
// is what the operation was expected to take, so that large pictures are no overload.
// A task that may be rejected is where L tasks are in flight.
//
// Two things are ours. In an overload that lasts, Netflix's long average learns that
// slow is normal, and its limit drifts to the maximum within minutes. Here long does not
// grow in a window in which tasks were turned away: latency is that of a queue then, and
// a machine that gets slower for good shows in the work. And long begins at 1, which is
// what latency/work is without a queue, so that a node that starts in an overload does
// not take it for normal.
type gradient struct {
	tolerance, smoothing, headroom float64
	weight                         float64 // of a window in long
	most                           float64
	window                         time.Duration

	limit, long float64
	windows     int // taken into long, at most gradientSamples
	slots       int
	ends        time.Time
	sum         float64 // of latency/work in the window
	count, peak int     // tasks in it, and the most in flight
	turned      bool    // whether it turned tasks away
}

func newGradient(_ Config, p *params.List) Controller {
	long := p.Int("long", defaultGradientLong, 1, 1<<20, "windows that the long average tells of")
	c := &gradient{
		tolerance: p.Float("tolerance", defaultGradientTolerance, 1, 10, "how many times the long latency is no overload"),
		smoothing: p.Float("smoothing", defaultGradientSmoothing, .01, 1, "part of the way to its new value that the limit goes at once"),
		headroom:  p.Float("headroom", defaultGradientHeadroom, 1, 1000, "tasks by which the limit may grow"),
		limit:     p.Float("start", defaultGradientStart, 1, 1e5, "the limit at first"),
		most:      p.Float("max", defaultGradientMost, 1, 1e5, "the greatest limit"),
		window:    p.Duration("window", defaultGradientWindow, time.Millisecond, time.Hour, "after which the limit may change"),
		weight:    2 / (float64(long) + 1),
		long:      1,
		windows:   1,
	}
	p.Check(c.limit <= c.most, "start=%g is above max=%g", c.limit, c.most)
	return c
}

// Decide implements Controller.
func (c *gradient) Decide(_ time.Time, a Arrival) Decision {
	c.slots = max(1, a.Load.Slots)
	n := inflight(a.Load)
	if a.MayReject && !free(a.Load) && float64(n) >= c.limit {
		c.peak, c.turned = max(c.peak, n), true
		return Decision{Reject: true, Reason: "as many tasks are in flight as it does well"}
	}
	c.peak = max(c.peak, n+1)
	return Decision{}
}

// Observe implements Controller.
func (c *gradient) Observe(now time.Time, s Sample) {
	if s.Code != "" || s.Run <= 0 {
		return
	}
	work := s.Work
	if work <= 0 {
		work = s.Run
	}
	if c.ends.IsZero() {
		c.ends = now.Add(c.window)
	}
	c.sum += float64(s.Queued+s.Run) / float64(work)
	c.count++
	if now.Before(c.ends) || c.count < gradientSamples {
		return
	}
	c.update(c.sum / float64(c.count))
	c.ends, c.sum, c.count, c.peak, c.turned = now.Add(c.window), 0, 0, 0, false
}

// update takes in one window.
func (c *gradient) update(short float64) {
	switch {
	case c.turned && short > c.long:
	case c.windows < gradientSamples:
		c.windows++
		c.long += (short - c.long) / float64(c.windows)
	default:
		c.long += (short - c.long) * c.weight
	}
	if c.long > 2*short {
		c.long *= .95
	}
	if float64(c.peak) < c.limit/2 {
		return
	}
	grad := max(.5, min(1, c.tolerance*c.long/short))
	next := (1-c.smoothing)*c.limit + c.smoothing*(c.limit*grad+c.headroom)
	c.limit = max(float64(c.slots), min(next, c.most))
}
