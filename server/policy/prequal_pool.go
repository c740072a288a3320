package policy

import (
	"math"
	"time"
)

// removeOne drops the oldest answer or the worst one.
func (p *prequal) removeOne(now time.Time) {
	p.oldest = !p.oldest
	if len(p.pool) <= 1 {
		return // the last is better than a draw
	}
	drop, theta := 0, p.rifs.quantile(p.q)
	for at := 1; at < len(p.pool); at++ {
		if p.oldest && p.pool[at].at.Before(p.pool[drop].at) ||
			!p.oldest && p.better(now, &p.pool[drop], &p.pool[at], theta) {
			drop = at
		}
	}
	p.dropAt(drop)
}

// forget drops the answers that match.
func (p *prequal) forget(match func(a *answer) bool) {
	for at := len(p.pool) - 1; at >= 0; at-- {
		if match(&p.pool[at]) {
			p.dropAt(at)
		}
	}
}

func (p *prequal) dropAt(at int) {
	last := len(p.pool) - 1
	p.pool[at] = p.pool[last]
	p.pool = p.pool[:last]
}

// reuse is b, how often an answer may be used.
func (p *prequal) reuse() float64 {
	gain := (1-float64(p.size)/float64(max(1, len(p.up.up))))*p.probe - p.remove
	if gain <= 0 {
		return math.Inf(1) // the pool holds about every node: age alone ends an answer
	}
	return max(1, math.Round((1+reuseSlack)/gain))
}

// rifQuantile is the distribution of the RIFs that were heard last.
type rifQuantile struct {
	last  [128]uint8
	count [64]uint8 // the last counter holds what is more
	n     int
}

func (q *rifQuantile) add(rif int) {
	v := uint8(min(max(0, rif), len(q.count)-1))
	at := q.n % len(q.last)
	if q.n >= len(q.last) {
		q.count[q.last[at]]--
	}
	q.last[at] = v
	q.count[v]++
	q.n++
}

// quantile is the RIF that a part of them does not exceed; infinite where that is
// beyond what is counted.
func (q *rifQuantile) quantile(part float64) float64 {
	want, seen := int(math.Ceil(part*float64(min(q.n, len(q.last))))), 0
	for rif, n := range q.count {
		seen += int(n)
		if seen >= want && (n > 0 || want == 0) {
			if rif == len(q.count)-1 {
				return math.Inf(1)
			}
			return float64(rif)
		}
	}
	return math.Inf(1)
}
