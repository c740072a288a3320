package sketch

import (
	"math"
	"time"
)

// Mean is a moving average over time: an observation's weight falls to 1/e after
// Tau (exponentially weighted, for unevenly spaced observations). The zero Mean has
// none, and no Tau: each observation replaces it.
type Mean struct {
	Tau time.Duration

	value float64
	last  time.Time
	known bool
}

// Add takes v in. The first is the mean.
func (m *Mean) Add(now time.Time, v float64) {
	if !m.known {
		m.value, m.last, m.known = v, now, true
		return
	}
	keep := 0.0
	if m.Tau > 0 {
		keep = math.Exp(-float64(now.Sub(m.last)) / float64(m.Tau))
	}
	m.value, m.last = keep*m.value+(1-keep)*v, now
}

// Set makes v the mean.
func (m *Mean) Set(now time.Time, v float64) { m.value, m.last, m.known = v, now, true }

// Value is the mean, and whether there is one.
func (m *Mean) Value() (float64, bool) { return m.value, m.known }

// Decay is what is left of a weight after a time, where half is after halfLife.
func Decay(after, halfLife time.Duration) float64 {
	if halfLife <= 0 || after <= 0 {
		return 1
	}
	return math.Exp2(-float64(after) / float64(halfLife))
}
