package policy

import (
	"math/rand/v2"
	"time"

	"spillway/job"
)

// A node tells how many of its attempts are in the injected delay, and take no slot, with
// every answer. Where it has as many attempts as it may have and all of them are delayed,
// no answer comes; so it is asked, once an attempt has been out for longer than it should
// take, and one that delays now and then soon after each.

// doubt is an attempt that may turn out to be delayed.
type doubt struct {
	node int
	turn uint64 // of the node, when it was sent
	due  time.Time
}

// doubts are attempts in the order in which they are due, or nearly.
type doubts struct {
	all     []doubt
	settled int // how many are done with
}

const (
	// doubtTimes is how many times the expected time of an attempt it may be out until its
	// node is asked, and doubtAfter the least time.
	doubtTimes = 1.1
	doubtAfter = 2 * time.Millisecond
	// delays is for how long a node that had delayed attempts is asked after doubtAfter.
	delays = time.Minute
	// maxDoubt is the most time: who waits for an answer is in turn.
	maxDoubt = time.Second
	// maxDoubts bounds the attempts that are remembered for it.
	maxDoubts = 1 << 14
)

func (q *doubts) add(d doubt) {
	if len(q.all)-q.settled >= maxDoubts {
		return
	}
	if q.settled > 0 && len(q.all) == cap(q.all) {
		q.all = q.all[:copy(q.all, q.all[q.settled:])]
		q.settled = 0
	}
	q.all = append(q.all, d)
}

// next is the doubt that is due first; nil: there is none.
func (q *doubts) next() *doubt {
	if q.settled == len(q.all) {
		q.all, q.settled = q.all[:0], 0
		return nil
	}
	return &q.all[q.settled]
}

// doubt notes an attempt that has just been sent.
func (p *pull) doubt(now time.Time, i int, w float64) {
	d := doubt{i, p.nodes[i].turn, now.Add(doubtAfter)}
	if slept := p.nodes[i].slept; !slept.IsZero() && now.Sub(slept) < delays {
		p.soon.add(d)
		return
	}
	if after := time.Duration(min(float64(maxDoubt), doubtTimes*p.learner.rate(p.learner.node(i))*w)); after > doubtAfter {
		d.due = now.Add(after)
	}
	p.doubts.add(d)
}

// Probes implements Prober.
func (p *pull) Probes(now time.Time, r *rand.Rand, to []int) []int {
	for _, q := range [2]*doubts{&p.soon, &p.doubts} {
		for d := q.next(); d != nil && !now.Before(d.due); d = q.next() {
			q.settled++
			n := &p.nodes[d.node]
			if n.turn == d.turn && n.out > 0 && !n.asked && p.full.has(d.node) {
				n.asked = true
				to = append(to, d.node)
			}
		}
	}
	p.forget(now)
	return p.askAround(r, to)
}

// ProbeAt implements Prober: an attempt at a node that often delays keeps others waiting.
func (p *pull) ProbeAt() time.Time {
	if d := p.soon.next(); d != nil {
		return d.due
	}
	return time.Time{}
}

// sleep takes in how many attempts are in the injected delay.
func (n *pulled) sleep(now time.Time, l *job.Load) {
	if n.asleep = l.Delayed; n.asleep > 0 {
		n.slept = now
	}
}

// Probed implements Prober.
func (p *pull) Probed(now time.Time, i int, l *job.Load) {
	n := &p.nodes[i]
	n.asked = false
	if l != nil {
		n.sleep(now, l)
		p.hear(now, i, l)
		if p.crowd.alone() {
			p.place(i)
		} else {
			p.rank(now, i)
		}
	}
}
