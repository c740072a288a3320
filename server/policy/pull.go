package policy

import (
	"time"

	"spillway/params"
)

// pull is the policy "pull": tasks wait at the server, and a node gets one when it is
// ready, which is while it has fewer attempts than its [limit]. Where full knowledge
// is to be had, a central queue beats every choice made at once. The task whose turn
// it is goes to the ready node of the least expected cost (see learner), unless it
// is better to wait for a node that is not ready: where that one costs less, and
//
//   - the ready node would be the last to end: it takes longer than
//     (work that waits + half of the work at nodes)/speed of all nodes + the better cost
//   - the time until the better one is ready;
//     Where it turns away most of what it is sent, and the other does not, what that
//     costs counts, too.
//
// Of nodes of like cost, one that was never sent anything comes first, in an order that is
// drawn, so that servers that know the same do not all go to the same ones. What other
// servers send to the same nodes counts as far as their answers tell of it (see crowd).
//
// Of a small fleet of which nothing is known, few nodes are tried at once, so that
// few tasks meet those that turn them away or delay them.
type pull struct {
	learner learner
	up      present
	nodes   []pulled
	proven  ranking // ready nodes that have done a task
	fresh   ranking // ready nodes that have not
	full    ranking // nodes that are not ready
	explore float64

	turn    uint64
	salt    uint64    // of the order in which nodes are tried; 0: not drawn yet
	size    float64   // moving mean of the work of a task
	out     int       // attempts at nodes
	outWork float64   // their work
	speed   float64   // work a ns, of all nodes that are up
	trying  int       // attempts at nodes that have not done a task
	tried   time.Time // when the last of them was sent
	review  int       // the node whose key is made anew next
	doubts  doubts    // what was sent, until it is due or has ended,
	soon    doubts    // and those at nodes that often delay

	crowd  crowd
	words  []spoken // in order, until they are old
	silent int      // of words, how many are
	due    int      // nodes to ask for what others have sent them
}

// pulled is what pull keeps of a node.
type pulled struct {
	limit  limit
	out    int
	late   int       // of them, those that are overdue
	asleep int       // in the injected delay, by the node's last word
	asked  bool      // a probe of it is out
	slept  time.Time // when some were last so
	turn   uint64    // when it was last sent something
	active time.Time
	speed  float64 // its part of the speed of all
	price  uint64  // the upper part of its key
	word   word
}

const (
	// mostReject is the chance of a rejection from which those before a task is taken count
	// for whether it waits for another node.
	mostReject = .75
	// smallFleet is how many nodes may be felt out a few at a time; more could not be
	// without keeping most of them idle.
	smallFleet = 32
	// feelFor is how long an attempt that is not turned away hinders others.
	feelFor = 5 * time.Millisecond
	// likeCost is how many times the cost of a node that has done a task that of one
	// that has not may be, to be tried first. Where some are known to turn tasks away
	// or to delay them, it is more.
	likeCost = 1.05
	// slowNode is how many times the fleet's rate that of a node is whose attempts are
	// overdue for no other reason.
	slowNode = 2
	// sure is how many standard deviations of what is known make a difference.
	sure = 2
	// askAgain is how many times the cost of a node that has just turned a task away that
	// of another must be, so that the first is asked again.
	askAgain = 1.5
	// manyTasks is how many tasks a node must wait for it to be felt out with small ones:
	// where there are few, the largest must not begin late.
	manyTasks = 3
	// exploreWithin is the part of the time until all is done that a task may take which
	// goes to any node: little may be known of that one.
	exploreWithin = .75
	// mostAsked is how many of those that turned a task away are looked at for it.
	mostAsked = 32
	// stuck is how many times the work of an attempt a node may be silent until nobody
	// waits for it.
	stuck = 2
)

var (
	_ Prober      = (*pull)(nil)
	_ LateWatcher = (*pull)(nil)
	_ Feeler      = (*pull)(nil)
	_ Limiter     = (*pull)(nil)
)

func newPull(p *params.List) Policy {
	return &pull{
		learner: newLearner(p),
		explore: exploration(p),
	}
}

// newLearner takes the parameters of a learner.
func newLearner(p *params.List) learner {
	return learner{halfLife: p.Duration("half-life", 30*time.Second, time.Second, time.Hour,
		"after which what a node did counts half")}
}

// exploration is the parameter of the same name.
func exploration(p *params.List) float64 {
	return p.Float("explore", .01, 0, 1, "part of the picks that go to any node, so that one that mends is found")
}

// Traits implements Policy.
func (p *pull) Traits() Traits { return Traits{MayReject: true} }

// Set implements Policy.
func (p *pull) Set(now time.Time, i int, n Node) {
	for len(p.nodes) <= i {
		p.nodes = append(p.nodes, pulled{})
	}
	if n.Gone {
		if p.learner.node(i).done {
			p.trying += p.nodes[i].out // what it has is at a node that is not known any more
		}
		*p.learner.node(i) = learned{}
		p.nodes[i].word = word{}
	}
	p.nodes[i].limit.set(n.Slots)
	p.up.mark(i, n.Up)
	p.rank(now, i)
}

// Pick implements Policy.
func (p *pull) Pick(now time.Time, r Request) (int, Verdict) {
	if len(p.up.up) == 0 {
		return 0, Nobody
	}
	draw := r.Rand.Uint64()
	if p.salt == 0 {
		p.shuffle(draw | 1)
	}
	if i, ok := p.explored(now, r, draw); ok {
		return i, Chosen
	}
	i := p.ready(now, r)
	better := p.full.least(r.Excluded)
	switch {
	case i < 0 && better < 0:
		return p.anyFresh(r)
	case i < 0:
		return 0, Busy
	case better >= 0 && p.waits(now, r, i, better):
		return 0, Busy
	case r.Turned.Len() > 0 && p.asksAgain(now, r, i, draw):
		return 0, Nobody
	}
	return i, Chosen
}

// Feels implements Feeler.
func (p *pull) Feels(tasks int) bool {
	return len(p.proven.order) == 0 && len(p.fresh.order) > 0 && tasks >= manyTasks*len(p.up.up)
}

// asksAgain tells that the task had better pause and ask again who turned it away than go
// to node i, the best that is left. It is not told so each time: those may never take it.
func (p *pull) asksAgain(now time.Time, r Request, i int, draw uint64) bool {
	if draw%16 == 0 {
		return false
	}
	w := work(r.Work)
	limit := p.estimate(now, i).cost(w)
	// Of very many it looks at some, another part each time.
	from, left := 0, r.Turned.Len()
	if left > mostAsked {
		from, left = int(draw%uint64(len(p.nodes))), mostAsked
	}
	for t := r.Turned.nextWithout(from, nil); left > 0; left-- {
		if t < 0 {
			t = r.Turned.nextWithout(0, nil)
		}
		if p.up.has(t) && askAgain*p.estimate(now, t).cost(w)+float64(time.Millisecond) < limit {
			return true
		}
		t = r.Turned.nextWithout(t+1, nil)
	}
	return false
}

// anyFresh is for the task that has been to every node but those that are not to be
// tried yet.
func (p *pull) anyFresh(r Request) (int, Verdict) {
	if i := p.fresh.least(r.Excluded); i >= 0 {
		return i, Chosen
	}
	return 0, Nobody
}

// explored draws whether any node is to be tried, and which: one that is ready, and
// that does not keep the task longer than all the others.
func (p *pull) explored(now time.Time, r Request, draw uint64) (int, bool) {
	if float64(draw>>11)/(1<<53) >= p.explore {
		return 0, false
	}
	i := int(p.up.up[r.Rand.IntN(len(p.up.up))])
	if r.Excluded.Has(i) || p.full.has(i) {
		return 0, false
	}
	best := p.ready(now, r)
	if best < 0 {
		return i, true
	}
	w := work(r.Work)
	least := p.estimate(now, best).cost(w)
	if better := p.full.least(r.Excluded); better >= 0 { // for which the task might rather wait
		least = min(least, p.estimate(now, better).cost(w))
	}
	return i, p.estimate(now, i).lasts(w) <= max(exploreWithin*p.drain(r), least)
}

// drain is how long all nodes together will take for what there is to do, in ns.
func (p *pull) drain(r Request) float64 {
	if p.speed <= 0 {
		return 0
	}
	all := (max(r.Backlog, r.Work) + p.outWork/2) / p.speed
	if p.crowd.alone() {
		return all
	}
	return all * (1 + float64(p.crowd)) // the nodes work for others, too
}

// waits tells whether the task is better off waiting for the full node better than
// going to the ready node i.
func (p *pull) waits(now time.Time, r Request, i, better int) bool {
	w := work(r.Work)
	e, b := p.estimate(now, i), p.estimate(now, better)
	if e.cost(w) <= b.cost(w) || e.rate == 0 {
		return false
	}
	// A node whose attempts should have ended long ago may well be lost.
	if since := float64(now.Sub(p.nodes[better].active)); since > stuck*b.rate*p.size+float64(lateBy) {
		return false
	}
	// Of so many nodes that are at work, the first is ready after about this part of a task.
	ready := b.lasts(p.size) / float64(len(p.full.order)+1)
	// Delays count only as far as it is sure that they differ: to wait is to make all those
	// wait that come after.
	lasts := e.rate*w + e.wait + max(0, e.late-sure*e.spread)
	if e.reject > mostReject && b.reject <= mostReject {
		lasts += e.rejections(w)
	}
	return lasts > p.drain(r)+ready+b.lasts(w)+sure*b.spread
}
