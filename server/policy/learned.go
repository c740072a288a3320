package policy

import (
	"math"
	"math/rand/v2"
	"time"

	"spillway/sketch"
)

// learner learns what a task costs on each node. Of a node it counts the attempts
// that were turned away, late and in time, each worth half after halfLife, and keeps
// how long the work itself takes. The chances are the means of Beta distributions,
// whose prior is worth priorCount attempts of the whole fleet (empirical Bayes):
//
//	p_reject = (2·fleet's + rejected) / (2 + rejected + late + in time)
//	p_late   = (2·fleet's + late) / (2 + late + in time)
//	cost     = rate·work + price·p_reject/(1 − p_reject) + delay·p_late
//
// where the price of a rejection is its round trip and a part of the work, since who
// sends an attempt that is turned away has waited, and has made others wait. A
// rejection says nothing of how fast a node works.
type learner struct {
	halfLife time.Duration
	fleet    learned
	reject   float64 // ns: how long a rejection takes, of all nodes
	nodes    []learned
}

const (
	// priorCount is how many attempts the fleet's chances are worth.
	priorCount = 2
	// priorRate is how many rates the fleet's rate is worth.
	priorRate = .25
	// lateSeed is what is late and what is in time of a fleet of which nothing is known:
	// little, since a delay is long, and a small chance of it would count for much.
	lateSeed = .3
	// forgotten is the count of late attempts of all nodes below which there are none.
	forgotten = .01
	// lateBy is the least time beyond the work itself that makes an attempt late, and
	// lateTimes how many times the expected time it has to take.
	lateBy    = 20 * time.Millisecond
	lateTimes = 4
	// priceWork is the part of a task's work that a rejection is worth.
	priceWork = .25
	// maxReject bounds p_reject, so that the cost has a bound.
	maxReject = .99
)

// learned is what is known of one node, or of all.
type learned struct {
	rejected, late, inTime float64
	delay                  float64 // ns: sum over the late ones of the time beyond the work
	took, worked           float64 // moving sums of the time of the work, ns, and of the work
	rates                  float64 // how many attempts they tell of
	at                     time.Time
	done                   bool // it has done a task, ever
}

// fade lets the counts be worth less, the older they are.
func (l *learned) fade(now time.Time, halfLife time.Duration) {
	if now.Equal(l.at) {
		return
	}
	if !l.at.IsZero() {
		k := sketch.Decay(now.Sub(l.at), halfLife)
		l.rejected *= k
		l.late *= k
		l.inTime *= k
		l.delay *= k
		l.rates *= k
	}
	l.at = now
}

// takeRate takes in how long some work took, as one of the last so many. The sums are kept
// apart, so that a small task, most of whose time may be waiting, counts for little.
func (l *learned) takeRate(took, w, last float64) {
	// Who began with a delay whose length nobody told must not seem slow for long.
	if l.rates < last && took*l.worked < w*l.took/lateTimes {
		l.took, l.worked = 0, 0
	}
	keep := 1.0
	if l.rates++; l.rates > last {
		l.rates, keep = last, 1-1/last
	}
	l.took = keep*l.took + took
	l.worked = keep*l.worked + w
}

// rate is how long a unit of work takes, in ns; 0: unknown.
func (l *learned) rate() float64 {
	if l.worked == 0 {
		return 0
	}
	return l.took / l.worked
}

// node is what is known of node i.
func (l *learner) node(i int) *learned {
	for len(l.nodes) <= i {
		l.nodes = append(l.nodes, learned{})
	}
	return &l.nodes[i]
}

// observe takes in how an attempt ended.
func (l *learner) observe(now time.Time, o Observation) {
	n := l.node(o.Node)
	n.fade(now, l.halfLife)
	l.fleet.fade(now, l.halfLife)
	switch o.Kind {
	case Rejected, Broke: // an attempt that breaks is one for nothing too
		n.rejected++
		l.fleet.rejected++
		l.reject += (float64(o.Latency) - l.reject) / 8
	case Done:
		l.done(n, o)
	case Superseded:
		beyond := max(float64(o.Latency)-l.rate(n)*work(o.Work), l.delayOf(n))
		l.takeLate(n, max(0, beyond))
	case Sent, Cancelled:
	}
}

// done takes in an attempt that succeeded.
func (l *learner) done(n *learned, o Observation) {
	n.done = true
	w := work(o.Work)
	took, expected := float64(o.Latency), l.rate(n)*w
	if o.Run > 0 && o.Run <= o.Latency {
		expected = float64(o.Run)
		n.takeRate(expected, w, 8)
		l.fleet.takeRate(expected, w, 64)
	}
	if expected > 0 && took > lateTimes*expected && took > expected+float64(lateBy) {
		l.takeLate(n, took-expected)
		return
	}
	n.inTime++
	l.fleet.inTime++
	if o.Run <= 0 && took > 0 {
		n.takeRate(took, w, 8)
		l.fleet.takeRate(took, w, 64)
	}
}

func (l *learner) takeLate(n *learned, beyond float64) {
	n.late++
	n.delay += beyond
	l.fleet.late++
	l.fleet.delay += beyond
}

// rate is how long a unit of work takes on n, in ns; 0: nobody knows.
func (l *learner) rate(n *learned) float64 {
	return (n.rates*n.rate() + priorRate*l.fleet.rate()) / (n.rates + priorRate)
}

// delayOf is how much longer a late task takes on n, in ns.
func (l *learner) delayOf(n *learned) float64 {
	if l.fleet.late < forgotten {
		return 0
	}
	return (n.delay + l.fleet.delay/l.fleet.late) / (n.late + 1)
}

// estimate is what an attempt on a node is expected to be like.
type estimate struct {
	rate   float64 // ns by unit of work
	price  float64 // ns: of a rejection, without its part of the work
	reject float64 // chance, 0 to maxReject
	late   float64 // ns: the delay, times its chance
	wait   float64 // ns: behind the attempts of other servers, where that is known
	spread float64 // ns: the standard deviation of that, by the chance's
}

// estimate is that of node i.
func (l *learner) estimate(now time.Time, i int) estimate {
	n := l.node(i)
	n.fade(now, l.halfLife)
	f := &l.fleet
	all := f.rejected + f.late + f.inTime
	fleetReject := (1 + f.rejected) / (2 + all)
	fleetLate := (lateSeed + f.late) / (2*lateSeed + f.late + f.inTime)
	taken := n.late + n.inTime
	late, delay := (priorCount*fleetLate+n.late)/(priorCount+taken), l.delayOf(n)
	return estimate{
		rate:   l.rate(n),
		price:  l.reject,
		reject: min(maxReject, (priorCount*fleetReject+n.rejected)/(priorCount+n.rejected+taken)),
		late:   delay * late,
		spread: delay * math.Sqrt(late*(1-late)/(priorCount+taken+1)),
	}
}

// sample is an estimate whose chances are drawn, from normal distributions of the mean
// and the variance of the Beta distributions.
func (l *learner) sample(now time.Time, i int, r *rand.Rand) estimate {
	e := l.estimate(now, i)
	n := l.node(i)
	taken := n.late + n.inTime
	e.reject = min(maxReject, drawChance(e.reject, priorCount+n.rejected+taken, r))
	if e.late > 0 {
		if delay := l.delayOf(n); delay > 0 {
			e.late = delay * drawChance(e.late/delay, priorCount+taken, r)
		}
	}
	return e
}

// drawChance draws a chance whose mean is known from so many attempts.
func drawChance(mean, count float64, r *rand.Rand) float64 {
	return min(1, max(0, mean+math.Sqrt(mean*(1-mean)/(count+1))*r.NormFloat64()))
}

// lasts is how long a task of work w takes once it is taken, in ns.
func (e estimate) lasts(w float64) float64 { return e.rate*w + e.wait + e.late }

// cost is how long a task of work w takes with all rejections, in ns.
func (e estimate) cost(w float64) float64 { return e.lasts(w) + e.rejections(w) }

// rejections is the part of the cost that they are, in ns.
func (e estimate) rejections(w float64) float64 {
	return (e.price + priceWork*e.rate*w) * e.reject / (1 - e.reject)
}

// costKey is the upper part of a key of a [ranking]: costs within about 9 % of one
// another are alike, so that nobody is preferred for what is noise.
func costKey(ns float64) uint64 {
	if !(ns > 1) {
		return 0
	}
	return min(1<<(64-turnBits)-1, 1+uint64(8*math.Log2(ns))) << turnBits
}
