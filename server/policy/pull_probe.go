package policy

import (
	"math/rand/v2"
	"time"

	"spillway/job"
)

// A node tells how many of its attempts are in the injected delay, and take no slot, with
// every answer. Where it has as many attempts as it may have and all of them are delayed,
// no answer comes; so it is asked, once an attempt has been out for longer than it should
// take.

// doubt is an attempt that may turn out to be delayed.
type doubt struct {
	node int
	turn uint64 // of the node, when it was sent
	due  time.Time
}

const (
	// doubtTimes is how many times the expected time of an attempt it may be out until its
	// node is asked, and doubtAfter the least time.
	doubtTimes = 1.1
	doubtAfter = 2 * time.Millisecond
	// maxDoubt is the most time: who waits for an answer is in turn.
	maxDoubt = time.Second
	// maxDoubts bounds the attempts that are remembered for it.
	maxDoubts = 1 << 14
)

// doubt notes an attempt that has just been sent.
func (p *pull) doubt(now time.Time, i int, w float64) {
	if len(p.doubts)-p.settled >= maxDoubts {
		return
	}
	if p.settled > 0 && len(p.doubts) == cap(p.doubts) {
		p.doubts = p.doubts[:copy(p.doubts, p.doubts[p.settled:])]
		p.settled = 0
	}
	after := time.Duration(min(float64(maxDoubt), doubtTimes*p.learner.rate(p.learner.node(i))*w))
	after = max(doubtAfter, after)
	p.doubts = append(p.doubts, doubt{i, p.nodes[i].turn, now.Add(after)})
}

// Probes implements Prober.
func (p *pull) Probes(now time.Time, r *rand.Rand, to []int) []int {
	for p.settled < len(p.doubts) && !now.Before(p.doubts[p.settled].due) {
		d := p.doubts[p.settled]
		p.settled++
		n := &p.nodes[d.node]
		if n.turn == d.turn && n.out > 0 && !n.asked && p.full.has(d.node) {
			n.asked = true
			to = append(to, d.node)
		}
	}
	if p.settled == len(p.doubts) {
		p.doubts, p.settled = p.doubts[:0], 0
	}
	p.forget(now)
	return p.askAround(r, to)
}

// Probed implements Prober.
func (p *pull) Probed(now time.Time, i int, l *job.Load) {
	n := &p.nodes[i]
	n.asked = false
	if l != nil {
		n.asleep = l.Delayed
		p.hear(now, i, l)
		if p.crowd.alone() {
			p.place(i)
		} else {
			p.rank(now, i)
		}
	}
}
