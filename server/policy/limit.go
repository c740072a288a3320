package policy

import "time"

// limit is how many attempts one node is sent at once: additive increase and
// multiplicative decrease (Chiu and Jain 1989), from the slots that the node names.
// It is judged once in so many attempts that end as make up a window:
//
//	+1     where it stood at the limit, the last step raised the throughput by more
//	       than 2 %, and the p90 of the latency by work is below 2 · the least
//	−1     where the last step did not: then it takes ever longer to the next
//	× 0.8  on a rejection for want of room, and on a broken attempt
//
// It is never below 1, and does not grow where the node was not kept at it. The slots
// that a node names are won back without proof. Where the way to the node takes longer than
// the operation, it is as many times higher as keep the slots at work meanwhile:
//
//	1 + (least latency beyond the operation)/(time of the operation)
type limit struct {
	value float64
	slots int // that the node names; 0: unknown
	calm  int // attempts that must end until it may fall again

	window limitWindow
	before float64 // throughput before the last step up; 0: no step is on trial
	wait   int     // windows until the next step
	pause  int     // that wait was last, which doubles with each step in vain
	way    float64 // least latency beyond the operation, ns
	run    float64 // time of the operation, ns, moving
	least  float64 // latency by work, ns
}

// limitWindow is the attempts that ended since the limit was last judged.
type limitWindow struct {
	since     time.Time
	ends      int
	full      int // of them, those that ended while the node was at its limit
	work      float64
	latencies [limitSample]float32 // by work, of the last
	overhead  float32              // part of the latency that is not the operation, moving
}

const (
	limitSample   = 10  // latencies in a window, for their p90
	limitRise     = .02 // of the throughput, that proves a step
	limitStretch  = 2   // p90 over the least latency from which a node is full
	limitFall     = .8
	limitOverhead = .1 // part of the latency, from which one more than the slots may pay
	limitPause    = 64 // windows, at most

	shortWay = .5                    // times the operation, below which the way does not count
	maxPipe  = 32                    // times the slots
	leastRun = 10 * time.Microsecond // that an operation takes with all around it
)

// set notes the slots that the node names.
func (l *limit) set(slots int) {
	if slots != l.slots || l.value == 0 {
		*l = limit{value: float64(max(1, slots)), slots: slots}
	}
}

// most is how many attempts the node may have.
func (l *limit) most() int {
	if l.way < shortWay*l.run || l.run == 0 {
		return max(1, int(l.value))
	}
	return max(1, int(l.value*min(maxPipe, 1+l.way/l.run)))
}

// pipe takes in how long an attempt was on its way, and its operation.
func (l *limit) pipe(o Observation) {
	if o.Load == nil || o.Latency <= o.Run {
		return // a node that does not tell how long its operations take
	}
	if way := float64(o.Latency - o.Run); l.way == 0 || way < l.way {
		l.way = way
	} else {
		l.way *= 1.001 // so that it follows a way that has become longer
	}
	run := float64(max(o.Run, leastRun))
	if l.run == 0 {
		l.run = run
	}
	l.run += (run - l.run) / 16
}

// refused lowers the limit, though not below least, once for the attempts that were out at
// that time.
func (l *limit) refused(outstanding, least int) {
	if l.calm > 0 {
		l.calm--
		return
	}
	l.value = max(1, limitFall*l.value, min(l.value, float64(least)))
	l.calm = outstanding
	l.before = 0
	l.window = limitWindow{overhead: l.window.overhead}
}

// done counts an attempt that the node did; full: it was at its limit until now.
func (l *limit) done(now time.Time, o Observation, full bool) {
	l.calm = max(0, l.calm-1)
	l.pipe(o)
	w := &l.window
	if w.since.IsZero() {
		w.since = now
		return // the window begins with an end, so that it holds whole gaps
	}
	by := float64(o.Latency) / work(o.Work)
	if by > 0 && (l.least == 0 || by < l.least) {
		l.least = by
	}
	if o.Run > 0 && o.Latency > 0 {
		w.overhead += (1 - float32(o.Run)/float32(o.Latency) - w.overhead) / 8
	}
	w.latencies[w.ends%limitSample] = float32(by)
	w.ends++
	w.work += work(o.Work)
	if full {
		w.full++
	}
	if w.ends >= max(limitSample, 2*l.most()) {
		l.judge(now)
	}
}

// judge ends the window.
func (l *limit) judge(now time.Time) {
	w := &l.window
	kept := w.full*10 >= w.ends*9
	throughput := w.work / max(1, float64(now.Sub(w.since)))
	stretched := w.p90() >= limitStretch*l.least
	switch {
	case l.before > 0 && (throughput <= (1+limitRise)*l.before || stretched):
		l.before = 0
		l.value = max(1, float64(l.slots), l.value-1)
		l.pause = min(limitPause, max(4, 2*l.pause))
		l.wait = l.pause
	case l.wait > 0:
		l.wait--
	case !kept:
		l.before = 0
	case int(l.value) < l.slots:
		l.value = min(float64(l.slots), l.value+1)
	case !stretched && (l.slots == 0 || w.overhead > limitOverhead):
		l.before = throughput
		l.value++
	}
	l.least *= 1.01 // so that it follows a node that has become slower
	l.window = limitWindow{since: now, overhead: w.overhead}
}

// p90 of the latencies by work.
func (w *limitWindow) p90() float64 {
	var most, second float32
	for _, v := range w.latencies[:min(w.ends, limitSample)] {
		switch {
		case v > most:
			most, second = v, most
		case v > second:
			second = v
		}
	}
	return float64(second) // of ten, the ninth
}
