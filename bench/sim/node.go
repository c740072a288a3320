package sim

import (
	"math"
	"time"

	"spillway/computenode/admission"
	"spillway/job"
)

// reach lets an attempt come to its node.
func (s *sim) reach(a int32) {
	p := &s.attempts[a]
	n := &s.nodes[p.node]
	if p.withdrawn {
		s.freeAttempt(a, false)
		return
	}
	if n.dead {
		s.hang(a, n)
		return
	}
	n.attempts++
	mayReject := s.rule.Traits().MayReject
	if n.draining || mayReject && n.reject > 0 && n.draws.Float64() < n.reject {
		s.turnAway(a, n, 0)
		return
	}
	if n.gate == nil || s.pass(a, n, mayReject) {
		s.enqueue(a)
	}
}

// hang lets an attempt on a dead node break once servers see that it is.
func (s *sim) hang(a int32, n *node) {
	p := &s.attempts[a]
	p.place, p.outcome = gone, broke
	if n.seen > s.now {
		s.agenda.plan(n.seen+s.way(), answers, a, p.gen)
		return
	}
	s.send(answers, a, p.gen)
}

func (s *sim) turnAway(a int32, n *node, after time.Duration) {
	n.rejected++
	s.attempts[a].retryAfter = int64(after)
	s.reply(a, n, rejected)
}

// reply sends a node's answer.
func (s *sim) reply(a int32, n *node, o outcome) {
	p := &s.attempts[a]
	p.place, p.outcome, p.load = gone, o, n.load()
	s.send(answers, a, p.gen)
}

// enqueue lets an attempt run once a slot is free.
func (s *sim) enqueue(a int32) {
	p := &s.attempts[a]
	n := &s.nodes[p.node]
	switch {
	case n.gate != nil:
		n.gate.Wait(s.time(), s.entry(a))
		s.link(a, queued)
		s.fill(n)
	case n.lists[running].size < n.slots:
		s.run(a)
	default:
		s.link(a, queued)
	}
}

// run gives an attempt a slot.
func (s *sim) run(a int32) {
	p := &s.attempts[a]
	p.start = s.now
	p.left = p.size
	s.link(a, running)
	s.timed(a)
}

// timed plans when an attempt that runs finishes.
func (s *sim) timed(a int32) {
	p := &s.attempts[a]
	p.began = s.now
	p.due = s.now + int64(math.Ceil(p.left/s.nodes[p.node].rate()))
	s.agenda.plan(p.due, finishes, a, p.gen)
}

// finish ends an attempt that is done.
func (s *sim) finish(a int32) {
	p := &s.attempts[a]
	n := &s.nodes[p.node]
	s.stop(a, n)
	run := s.now - p.start
	if n.mean == 0 {
		n.mean = run
	} else {
		n.mean += (run - n.mean) / smoothing
	}
	s.leave(a, n, admission.Outcome{Run: duration(run)})
	n.completed++
	s.reply(a, n, done)
	s.fill(n)
}

// withdraw takes an attempt off its node, which hears that nobody waits for it.
func (s *sim) withdraw(a int32) {
	p := &s.attempts[a]
	p.withdrawn = true
	n := &s.nodes[p.node]
	switch p.place {
	case delayed, queued:
		s.unlink(a)
	case running:
		s.stop(a, n)
	case onTheWay, gone: // it is freed when it is there
		return
	}
	s.leave(a, n, admission.Outcome{Code: job.CancelledCode})
	s.freeAttempt(a, false)
	s.fill(n)
}

// stop takes an attempt that runs off its slot.
func (s *sim) stop(a int32, n *node) {
	p := &s.attempts[a]
	p.ran = float64(s.now - p.start)
	n.busy += p.ran
	s.unlink(a)
	s.trace(p)
}

// fill gives free slots to those that wait.
func (s *sim) fill(n *node) {
	if n.gate != nil {
		s.ask(n)
		return
	}
	for n.lists[running].size < n.slots && n.lists[queued].head >= 0 {
		a := n.lists[queued].head
		s.unlink(a)
		s.run(a)
	}
}

// link adds an attempt to the end of one of its node's lists.
func (s *sim) link(a int32, to place) {
	p := &s.attempts[a]
	l := &s.nodes[p.node].lists[to]
	p.place, p.next, p.prev = to, -1, l.tail
	if l.tail >= 0 {
		s.attempts[l.tail].next = a
	} else {
		l.head = a
	}
	l.tail = a
	l.size++
	if s.central != nil {
		s.central.settle(p.node)
	}
}

// unlink takes an attempt out of its list.
func (s *sim) unlink(a int32) {
	p := &s.attempts[a]
	l := &s.nodes[p.node].lists[p.place]
	if p.prev >= 0 {
		s.attempts[p.prev].next = p.next
	} else {
		l.head = p.next
	}
	if p.next >= 0 {
		s.attempts[p.next].prev = p.prev
	} else {
		l.tail = p.prev
	}
	p.next, p.prev = -1, -1
	l.size--
	if s.central != nil {
		s.central.settle(p.node)
	}
}
