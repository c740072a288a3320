package policy

import (
	"math/rand/v2"
	"slices"
	"time"

	"spillway/job"
	"spillway/params"
	"spillway/sketch"
)

// prequal is the policy "prequal" (Wydrowski et al., Load is not what you should
// balance: Introducing Prequal, NSDI 2024). Nodes that are drawn are asked for their
// requests in flight (RIF) and the latency that they expect; the answers make a pool.
// A node is hot where its RIF is above θ, the q-quantile of the RIFs of late, or where
// it has turned away or broken much. The node of the lowest latency among the cold
// ones is picked, and among hot ones alone that of the lowest RIF. With each attempt
// that is sent
//
//   - the RIF of its node rises on every copy in the pool, and the latency with it;
//   - its answer is used up a bit, and leaves after b = max(1, (1+δ) /
//     ((1 − m/n)·r_probe − r_remove)) uses, m being the pool and n the nodes;
//   - r_remove answers leave, the oldest and the worst in turn.
//
// It suits many servers that share the nodes, none of which knows what the others send.
// The paper's q is 0.84, for nodes that work on all requests at once; ours work on as many
// as they have slots, in turn, and there 0.3 to 0.6 is better (S8).
type prequal struct {
	up      present
	nodes   []probed
	pool    []answer
	rifs    rifQuantile
	q       float64
	size    int
	age     time.Duration
	probe   float64 // answers asked for with each pick
	remove  float64
	faulty  float64 // part of the attempts that fail, from which a node is hot
	explore float64

	due      float64 // probes
	asked    time.Time
	removals float64 // due
	oldest   bool    // which is removed next: the oldest, or the worst
}

// probed is what prequal keeps of a node.
type probed struct {
	slots    int
	failures float64 // moving part of the attempts that fail
	at       time.Time
}

// answer is that of one node to a probe.
type answer struct {
	node    int
	rif     float64
	latency float64 // ns
	at      time.Time
	uses    float64
}

const (
	// reuseSlack is δ: how far the pool may shrink by.
	reuseSlack = 1
	// failuresOver is how many attempts the failures are the mean of.
	failuresOver = 8
	// failuresFade is after how long they count half.
	failuresFade = 30 * time.Second
)

func newPrequal(p *params.List) Policy {
	return &prequal{
		q:       p.Float("q", .5, 0, 1, "quantile of the requests in flight from which a node is hot"),
		size:    p.Int("pool", 16, 1, 1024, "answers kept"),
		age:     p.Duration("age", time.Second, 100*time.Millisecond, time.Hour, "after which an answer is worth nothing"),
		probe:   p.Float("probes", 3, 0, 100, "nodes asked with each pick"),
		remove:  p.Float("remove", 1, 0, 100, "answers dropped with each pick"),
		faulty:  p.Float("errors", .5, 0, 1, "part of the attempts turned away or broken, from which a node is hot"),
		explore: exploration(p),
	}
}

// Traits implements Policy.
func (p *prequal) Traits() Traits { return Traits{MayReject: true, Latency: true} }

// Set implements Policy.
func (p *prequal) Set(_ time.Time, i int, n Node) {
	for len(p.nodes) <= i {
		p.nodes = append(p.nodes, probed{})
	}
	p.nodes[i].slots = n.Slots
	if n.Gone {
		p.nodes[i] = probed{}
	}
	p.up.mark(i, n.Up)
	if !n.Up {
		p.forget(func(a *answer) bool { return a.node == i })
	}
}

// Pick implements Policy.
func (p *prequal) Pick(now time.Time, r Request) (int, Verdict) {
	p.due += p.probe
	if r.Rand.Float64() >= p.explore {
		if at := p.best(now, r.Excluded); at >= 0 {
			return p.pool[at].node, Chosen
		}
	}
	return p.up.draw(r)
}

// best is the place in the pool of the answer to go by; −1: there is none.
func (p *prequal) best(now time.Time, excluded *Set) int {
	best, theta := -1, p.rifs.quantile(p.q)
	for at := range p.pool {
		a := &p.pool[at]
		if now.Sub(a.at) > p.age || !p.up.has(a.node) || excluded.Has(a.node) {
			continue
		}
		if best < 0 || p.better(now, a, &p.pool[best], theta) {
			best = at
		}
	}
	return best
}

// better tells that a is to be picked rather than b.
func (p *prequal) better(now time.Time, a, b *answer, theta float64) bool {
	hotA, hotB := p.hot(now, a, theta), p.hot(now, b, theta)
	switch {
	case hotA != hotB:
		return hotB
	case hotA && a.rif != b.rif:
		return a.rif < b.rif
	}
	return a.latency < b.latency
}

// hot tells that a node has much to do, or fails much.
func (p *prequal) hot(now time.Time, a *answer, theta float64) bool {
	n := &p.nodes[a.node]
	return a.rif > theta || n.failures*sketch.Decay(now.Sub(n.at), failuresFade) > p.faulty
}

// Observe implements Policy.
func (p *prequal) Observe(now time.Time, o Observation) {
	if o.Node < 0 || o.Node >= len(p.nodes) {
		return
	}
	switch o.Kind {
	case Sent:
		p.sent(now, o.Node)
	case Rejected, Broke:
		p.failed(now, o.Node, 1)
	case Done:
		p.failed(now, o.Node, 0)
	case Cancelled, Superseded:
	}
}

// failed takes in whether an attempt failed, 0 or 1.
func (p *prequal) failed(now time.Time, i int, v float64) {
	n := &p.nodes[i]
	n.failures *= sketch.Decay(now.Sub(n.at), failuresFade)
	if n.at.IsZero() {
		n.failures = 0
	}
	n.failures += (v - n.failures) / failuresOver
	n.at = now
}

// sent counts an attempt into the pool.
func (p *prequal) sent(now time.Time, i int) {
	used := false
	for at := range p.pool {
		a := &p.pool[at]
		if a.node != i {
			continue
		}
		a.latency *= (a.rif + 2) / (a.rif + 1)
		a.rif++
		if !used {
			a.uses--
			used = true
		}
	}
	p.forget(func(a *answer) bool { return a.uses <= 0 || now.Sub(a.at) > p.age })
	for p.removals += p.remove; p.removals >= 1; p.removals-- {
		p.removeOne(now)
	}
}

// Probes implements Prober. While nothing is picked, it asks so often that answers do
// not get too old.
func (p *prequal) Probes(now time.Time, r *rand.Rand, to []int) []int {
	if p.due < 1 && now.Sub(p.asked) >= p.age/2 {
		p.due++
	}
	from := len(to)
	for ; p.due >= 1; p.due-- {
		p.asked = now
		// More than the nodes or the pool are of no use, however many picks there were.
		if len(to)-from >= min(len(p.up.up), p.size) {
			p.due = 0
			break
		}
		i := int(p.up.up[r.IntN(len(p.up.up))])
		if !slices.Contains(to[from:], i) {
			to = append(to, i)
		}
	}
	return to
}

// ProbeAt implements Prober.
func (*prequal) ProbeAt() time.Time { return time.Time{} }

// Probed implements Prober.
func (p *prequal) Probed(now time.Time, i int, l *job.Load) {
	if l == nil || l.Draining || !p.up.has(i) {
		return
	}
	rif := l.Running + l.Queued + l.Delayed
	p.rifs.add(rif)
	latency := float64(l.Latency)
	if latency == 0 { // the node does not tell: its mean, and its turn among those that wait
		latency = float64(l.Mean) * (1 + float64(rif)/float64(max(1, l.Slots)))
	}
	if len(p.pool) >= p.size {
		oldest := 0
		for at := range p.pool {
			if p.pool[at].at.Before(p.pool[oldest].at) {
				oldest = at
			}
		}
		p.dropAt(oldest)
	}
	p.pool = append(p.pool, answer{node: i, rif: float64(rif), latency: max(1, latency), at: now, uses: p.reuse()})
}
