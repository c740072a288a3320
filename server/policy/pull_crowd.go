package policy

import (
	"math/rand/v2"
	"time"

	"spillway/job"
	"spillway/sketch"
)

// Where other servers send to the same nodes, what this one knows of its own attempts
// says little of how long a task waits for a slot. The nodes' answers tell: what they have
// beyond this server's attempts is that of others, which
//
//   - makes the node as much dearer as those take that stand before a task,
//   - explains why an attempt took long, so that it is not taken for a delay,
//   - and where it is a good part of the slots, a few nodes are asked with each task that
//     leaves, as prequal does, since own answers are too rare to go by.
//
// What a node said fades to the mean of all. Alone at its nodes, pull does none of it.

// crowd is how many attempts of other servers a node has for each of its slots, moving,
// by the word of all.
type crowd float64

const (
	// crowdOver is how many answers the crowd is the mean of.
	crowdOver = 64
	// crowded is the crowd from which a server is not alone. Below it, what is not counted
	// as its own may be an attempt that it has cancelled, and that the node still has.
	crowded = .1
	// crowdProbes is how many nodes are asked with each task that leaves.
	crowdProbes = 3
	// maxCrowdProbes bounds what is due of them.
	maxCrowdProbes = 16
	// wordHalf is after how long a node's word is worth half, and wordFor until it is
	// worth nothing.
	wordHalf = 500 * time.Millisecond
	wordFor  = time.Second
	// maxWords bounds the words whose end is remembered.
	maxWords = 1 << 14
)

// foreign is how many attempts that want a slot a node has beyond the own ones.
func foreign(l *job.Load, own int) int {
	return min(l.Running+l.Queued, max(0, l.Running+l.Queued+l.Delayed-own))
}

// take takes in an answer, and returns how many attempts of others it tells of by slot.
func (c *crowd) take(l *job.Load, own int) float64 {
	others := float64(foreign(l, own)) / float64(max(1, l.Slots))
	*c += (crowd(others) - *c) / crowdOver
	return others
}

// alone tells that no other server counts.
func (c crowd) alone() bool { return c < crowded }

// word is what a node said last.
type word struct {
	others float64 // attempts of other servers by slot
	at     time.Time
}

// spoken is a word that will be worth nothing.
type spoken struct {
	node int
	at   time.Time
}

// hear takes in the word of node i.
func (p *pull) hear(now time.Time, i int, l *job.Load) {
	n := &p.nodes[i]
	n.word = word{p.crowd.take(l, n.out), now}
	if !p.crowd.alone() && len(p.words)-p.silent < maxWords {
		p.words = append(p.words, spoken{i, now})
	}
}

// others is how many attempts of other servers node i has by slot.
func (p *pull) others(now time.Time, i int) float64 {
	if p.crowd.alone() {
		return 0
	}
	said, all := p.nodes[i].word, float64(p.crowd)
	since := now.Sub(said.at)
	if since >= wordFor {
		return all
	}
	return all + (said.others-all)*sketch.Decay(since, wordHalf)
}

// estimate is what is expected of an attempt on node i.
func (p *pull) estimate(now time.Time, i int) estimate {
	e := p.learner.estimate(now, i)
	e.wait = p.others(now, i) * e.rate * p.size
	return e
}

// forget prices the nodes anew whose word has become old.
func (p *pull) forget(now time.Time) {
	for p.silent < len(p.words) && now.Sub(p.words[p.silent].at) >= wordFor {
		s := p.words[p.silent]
		p.silent++
		if p.nodes[s.node].word.at.Equal(s.at) {
			p.rank(now, s.node)
		}
	}
	switch {
	case p.silent == len(p.words):
		p.words, p.silent = p.words[:0], 0
	case p.silent > 64 && 2*p.silent > len(p.words):
		p.words = p.words[:copy(p.words, p.words[p.silent:])]
		p.silent = 0
	}
}

// explained is an observation without the time that it waited behind others' attempts.
func (p *pull) explained(before float64, o Observation) Observation {
	if p.crowd.alone() {
		return o
	}
	others := max(before, p.nodes[o.Node].word.others)
	behind := (1 + others) * p.learner.rate(p.learner.node(o.Node)) * p.size
	o.Latency = max(o.Run, o.Latency-time.Duration(behind))
	if o.Kind == Superseded && float64(o.Latency) < lateTimes*behind+float64(lateBy) {
		o.Kind = Cancelled
	}
	return o
}

// askAround appends nodes that are drawn, to be asked for what others have sent them.
func (p *pull) askAround(r *rand.Rand, to []int) []int {
	for ; p.due > 0 && len(p.up.up) > 0; p.due-- {
		i := int(p.up.up[r.IntN(len(p.up.up))])
		if !p.nodes[i].asked {
			p.nodes[i].asked = true
			to = append(to, i)
		}
	}
	return to
}
