package sim

import (
	"spillway/computenode/admission"
)

// waiting bounds the admitted tasks that wait at a gate, as on a node.
const waiting = 16384

// operation is the name under which gates learn how long tasks take.
const operation = "simulated"

// gated tells whether a node has a gate: where none is needed to tell what a real node
// would do, its slots have a plain queue, which is faster.
func (s *sim) gated(c Node) bool {
	return !s.cfg.Central && (s.cfg.Admission != admission.DefaultName || c.Probability > 0 || s.cfg.Deadline > 0 || s.rule.Traits().Latency)
}

// makeGate makes the gate of node n, with the draws of a seed. Errors: InvalidArgument.
func (s *sim) makeGate(n *node, c Node, seed uint64) error {
	control, err := admission.New(s.cfg.Admission, admission.Config{Probability: c.Probability, Delay: c.Delay, Seed: seed})
	if err == nil {
		n.gate = admission.NewGate[int32](admission.GateConfig{Slots: c.Slots, Waiting: waiting}, control)
	}
	return err
}

// entry is what a gate knows of attempt a. It stays where it is while attempts move.
func (s *sim) entry(a int32) *admission.Entry[int32] {
	for int(a) >= len(s.entries)*chunk {
		s.entries = append(s.entries, make([]admission.Entry[int32], chunk))
	}
	e := &s.entries[a/chunk][a%chunk]
	e.Task = a
	return e
}

// pass brings an attempt through the gate, and reports whether it wants a slot now; else
// it was turned away, or is delayed.
func (s *sim) pass(a int32, n *node, mayReject bool) bool {
	p := &s.attempts[a]
	arrival := admission.Arrival{MayReject: mayReject, Operation: operation}
	if s.cfg.Deadline > 0 {
		arrival.Deadline = s.epoch.Add(duration(p.expires))
	}
	d := n.gate.Arrive(s.time(), arrival, s.entry(a))
	switch {
	case d.Reject || d.TooLate:
		s.turnAway(a, n, d.RetryAfter)
		return false
	case d.Delay > 0:
		p.slept = true
		s.link(a, delayed)
		s.agenda.plan(s.now+int64(d.Delay), starts, a, p.gen)
		return false
	}
	return true
}

// leave counts an attempt out of its node's gate, if it has one.
func (s *sim) leave(a int32, n *node, o admission.Outcome) {
	if n.gate != nil {
		n.gate.Leave(s.time(), s.entry(a), o)
	}
}

// ask takes those off a gate's queue that have a slot or need not wait any more.
func (s *sim) ask(n *node) {
	for {
		e, d := n.gate.Next(s.time())
		if e == nil {
			break
		}
		s.unlink(e.Task)
		if d.Reject || d.TooLate {
			s.turnAway(e.Task, n, d.RetryAfter)
			continue
		}
		s.run(e.Task)
	}
	if t := n.gate.NextTimeout(); !t.IsZero() {
		if at := max(s.now+1, int64(t.Sub(s.epoch))); n.asksAt <= s.now || at < n.asksAt {
			n.asksAt = at
			s.agenda.plan(at, times, n.index, 0)
		}
	}
}
