// Package tail decides what is done about tasks that take too long or fail: when a
// second copy is sent, how often failures are retried, how long a task pauses.
//
// It is pure: time and randomness come in as arguments, so that server, simulator and
// tests run the same code.
package tail

import (
	"time"

	"spillway/sketch"
)

// HedgeConfig is how a [Hedge] decides. The zero value takes every default but
// Budget: a Hedge without one sends no copies.
type HedgeConfig struct {
	// Budget is the part of the tasks that may get a second copy, 0 to 1; 1: each may,
	// several times.
	Budget float64
	// Quantile of the latency, by work, after which a copy is due. Default 0.95.
	Quantile float64
	// Cold is after how long a copy is due at the soonest as long as fewer than 20
	// latencies are known; the longest of those that are counts, if it is no outlier.
	// Default 50 ms.
	Cold time.Duration
	// Busy is the utilization from which no copies are sent, 0 to 1. Default 0.7.
	Busy float64
}

func (c HedgeConfig) withDefaults() HedgeConfig {
	def := func(v *float64, unless float64) {
		if *v == 0 {
			*v = unless
		}
	}
	def(&c.Quantile, .95)
	def(&c.Busy, .7)
	if c.Cold == 0 {
		c.Cold = 50 * time.Millisecond
	}
	return c
}

// Hedge decides when a task gets a second copy on another node, of which the first
// that is done wins (The Tail at Scale, Dean and Barroso 2013): once it has taken
// longer than
//
//	max(min(p95, 5·p50) of the latency by work · work, 2 · rtt, 5 ms)
//
// while there is room, and for no more than a part of all tasks. It learns from the
// tasks of one operation. It is not safe for concurrent use.
type Hedge struct {
	cfg     HedgeConfig
	latency sketch.Histogram // ns by unit of work, scaled
	rtt     sketch.Histogram // ns
	longest float64          // ns by unit of work
	tokens  float64

	news int     // latencies since these were looked up:
	late float64 // min(p95, 5·p50), ns by unit of work, scaled
	way  float64 // the median rtt, ns
}

// Of the unit of work's latency, so many parts are counted, since a unit may be tiny.
const scale = 1 << 10

// A latency above so many medians is an outlier, whatever part of all it is: where more
// than 5 % of the tasks straggle, p95 is that of the stragglers.
const outlier = 5

// soonest is the least time after which a copy is due: what takes less is noise.
const soonest = 5 * time.Millisecond

// warm is how many latencies must be known for their quantile to count.
const warm = 20

// lookUp is how many latencies may be new until their quantiles are looked up again, once
// there are many.
const lookUp = 16

// burst is how many copies may be saved up.
const burst = 10

// NewHedge makes a Hedge that knows no latency yet.
func NewHedge(cfg HedgeConfig) *Hedge {
	return &Hedge{
		cfg: cfg.withDefaults(), tokens: burst,
		latency: sketch.Histogram{Fade: 500}, rtt: sketch.Histogram{Fade: 500},
	}
}

// Begin counts a task in: it earns its part of a copy.
func (h *Hedge) Begin() { h.tokens = min(burst, h.tokens+h.cfg.Budget) }

// Observe takes in how long the attempt that won took from its sending, with the time
// of the operation by the node's word (0: unknown) and its work (0: unknown). One that is
// known to have been delayed says nothing of how long others take, and is left out.
func (h *Hedge) Observe(latency, run time.Duration, work float64) {
	if latency <= 0 {
		return
	}
	h.news++
	h.longest = max(h.longest, float64(latency)/unit(work))
	h.latency.Add(float64(latency) * scale / unit(work))
	if run > 0 && run < latency {
		h.rtt.Add(float64(latency - run))
	}
}

// After is how long after the sending of an attempt a copy is due; ok is false where
// none ever is.
func (h *Hedge) After(work float64) (after time.Duration, ok bool) {
	if h.cfg.Budget == 0 {
		return 0, false
	}
	if h.latency.Count() < warm {
		few := min(h.longest, outlier*h.latency.Quantile(.5)/scale)
		return max(h.cfg.Cold, time.Duration(few*unit(work))), true
	}
	if h.news >= lookUp || h.news > 0 && h.latency.Count() < lookUp*lookUp {
		h.news = 0
		h.late = min(h.latency.Quantile(h.cfg.Quantile), outlier*h.latency.Quantile(.5))
		h.way = h.rtt.Quantile(.5)
	}
	return time.Duration(max(h.late*unit(work)/scale, 2*h.way, float64(soonest))), true
}

// Take takes a copy from the budget, where the utilization of the nodes allows it and
// the budget has one left.
func (h *Hedge) Take(utilization float64) bool {
	if utilization >= h.cfg.Busy || h.tokens < 1 && h.cfg.Budget < 1 {
		return false
	}
	h.tokens = max(0, h.tokens-1)
	return true
}

// GiveBack returns a copy that was not sent.
func (h *Hedge) GiveBack() { h.tokens = min(burst, h.tokens+1) }

func unit(work float64) float64 {
	if work > 0 {
		return work
	}
	return 1
}
