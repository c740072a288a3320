package sim

import (
	"spillway/computenode/admission"
	"spillway/job"
)

// planChanges plans what befalls nodes. Which nodes and when is drawn from a stream
// that nothing else draws from, in the order in which it happens, and so is the same
// for every policy.
func (s *sim) planChanges() {
	for i, c := range s.cfg.Changes {
		s.agenda.plan(int64(c.At), befalls, int32(i), 0)
	}
	a, f := s.cfg.Antagonists, s.cfg.Flap
	for _, i := range s.changes.Perm(len(s.nodes))[:part(a.Part, len(s.nodes))] {
		// In equilibrium from the start.
		on := s.changes.Float64()*(a.On+a.Off).Seconds() < a.On.Seconds()
		s.nodes[i].antagonist = !on
		s.slow(int32(i))
	}
	for _, i := range s.changes.Perm(len(s.nodes))[:part(f.Part, len(s.nodes))] {
		s.agenda.plan(s.until(float64(f.Up)), flaps, int32(i), 0)
	}
}

// part is how many of n a part is.
func part(p float64, n int) int { return int(p*float64(n) + .5) }

// until draws when something of exponential time ends, of which mean is in ns.
func (s *sim) until(mean float64) int64 { return s.now + 1 + int64(s.changes.ExpFloat64()*mean) }

func (s *sim) playChange(k kind, e event) {
	switch k {
	case befalls:
		c := s.cfg.Changes[e.who]
		s.befall(int32(c.Node), c.Event)
	case flaps:
		dead := s.nodes[e.who].dead
		next, mean := Die, s.cfg.Flap.Up
		if dead {
			next = Return
		} else {
			mean = s.cfg.Flap.Down
		}
		s.agenda.plan(s.until(float64(mean)), flaps, e.who, 0)
		s.befall(e.who, next)
	case slows:
		s.slow(e.who)
	case learns:
		s.nodes[e.who].told = !s.nodes[e.who].dead && !s.nodes[e.who].draining
		for i := range s.servers {
			if s.central == nil {
				s.servers[i].dispatcher.Set(s.time(), int(e.who), s.known(int(e.who)))
				s.touch(int32(i))
			}
		}
	}
}

// befall changes a node; servers learn of it later.
func (s *sim) befall(i int32, what Event) {
	n := &s.nodes[i]
	if s.central == nil { // before its attempts break
		s.agenda.plan(s.now+int64(s.cfg.Detection)+s.way(), learns, i, 0)
	}
	switch what {
	case Die:
		s.die(n)
	case Return:
		n.dead, n.draining = false, false
	case Drain:
		n.draining = true
	}
	if s.central != nil {
		s.central.settle(i)
	}
}

// die loses all that is on a node.
func (s *sim) die(n *node) {
	n.dead, n.seen = true, s.now
	if s.central == nil {
		n.seen += int64(s.cfg.Detection)
	}
	for l := range n.lists {
		for n.lists[l].head >= 0 {
			a := n.lists[l].head
			if place(l) == running {
				s.stop(a, n)
			} else {
				s.unlink(a)
			}
			s.leave(a, n, admission.Outcome{Code: job.CancelledCode})
			s.hang(a, n)
		}
	}
}

// slow lets an antagonist come to a node, or go.
func (s *sim) slow(i int32) {
	n, c := &s.nodes[i], s.cfg.Antagonists
	n.antagonist = !n.antagonist
	factor, mean := 1.0, c.Off
	if n.antagonist {
		factor, mean = c.Factor, c.On
	}
	s.agenda.plan(s.until(float64(mean)), slows, i, 0)
	for a := n.lists[running].head; a >= 0; a = s.attempts[a].next {
		p := &s.attempts[a]
		p.left = max(0, p.left-float64(s.now-p.began)*n.rate())
	}
	n.factor = factor
	for a := n.lists[running].head; a >= 0; a = s.attempts[a].next {
		s.timed(a)
	}
	if s.central != nil {
		s.central.settle(i)
	}
}
