package sim

import (
	"time"

	"spillway/server/policy"
)

// maxProbes bounds the probes of a server that are out at once, as the scheduler does.
const maxProbes = 256

// touch notes that a server's dispatcher may have something ready.
func (s *sim) touch(i int32) {
	if v := &s.servers[i]; !v.touched {
		v.touched = true
		s.touched = append(s.touched, i)
	}
}

// serve sends what a server's dispatcher has ready, and its probes.
func (s *sim) serve(i int32) {
	v := &s.servers[i]
	now := s.time()
	for {
		w, n, verdict := v.dispatcher.Next(now)
		if w == nil {
			break
		}
		t := s.task(w.Item)
		switch {
		case verdict == policy.Chosen:
			s.dispatch(w.Item, t, n)
		case w.Copy:
			s.parkCopy(w.Item, t, v)
		case verdict == policy.TooLate:
			s.giveUp(w.Item, t)
		default:
			s.park(w.Item, t, v)
		}
	}
	if s.prober {
		s.probe(i)
		if at := v.dispatcher.ProbeAt(); v.dispatcher.Asked() && !at.IsZero() && !v.asks {
			v.asks = true
			s.agenda.plan(s.now+max(int64(time.Millisecond), int64(at.Sub(now))), looks, i, 1)
		}
	}
	s.repay(v)
	if !v.armed && (v.dispatcher.Asked() || len(v.owing) > 0) {
		v.armed = true
		s.agenda.plan(s.now+int64(policy.AskEvery), looks, i, 0)
	}
}

// push lets a task wait for a node at its server, or for one for a copy.
func (s *sim) push(t *task, copied bool, without *policy.Set) {
	v := &s.servers[t.server]
	t.waiter.Copy, t.waiter.Excluded = copied, without
	flow := &t.flow
	if s.cfg.Arrivals.batch() {
		flow = &v.flow
	}
	v.dispatcher.Push(flow, &t.waiter)
	s.touch(t.server)
}

// dispatch sends an attempt of a task to node n.
func (s *sim) dispatch(i int32, t *task, n int) {
	a := s.newAttempt()
	p := &s.attempts[a]
	p.task, p.size, p.node, p.sent, p.copied = i, t.size, int32(n), s.now, t.waiter.Copy
	p.number, p.expires = int32(t.number), t.arrived+int64(s.cfg.Deadline)
	p.sibling, t.attempt = t.attempt, a
	t.running++
	p.token, t.token = t.token, false
	s.sentTo(t, n, p.copied)
	s.send(reaches, a, p.gen)
	switch {
	case !p.copied:
		s.startRace(t, a)
	case t.overdue > 0:
		s.agenda.plan(s.now+t.overdue, dues, a, p.gen)
	}
}

// hear takes in an attempt's answer.
func (s *sim) hear(a int32) {
	p := &s.attempts[a]
	if s.central != nil {
		s.central.hear(s, a)
		return
	}
	if p.cancelled {
		s.freeAttempt(a, false)
		return
	}
	t := s.task(p.task)
	i := p.task
	s.touch(t.server)
	s.detach(t, a)
	switch p.outcome {
	case done:
		s.observe(t, p, policy.Done)
		s.win(i, t, a)
	case rejected:
		s.observe(t, p, policy.Rejected)
		s.turnedAway++
		s.goOn(i, t, a)
	default:
		s.observe(t, p, policy.Broke)
		s.broken++
		s.goOn(i, t, a)
	}
}

// detach takes an attempt out of those of its task.
func (s *sim) detach(t *task, a int32) {
	t.running--
	at := &t.attempt
	for *at != a {
		at = &s.attempts[*at].sibling
	}
	*at = s.attempts[a].sibling
}

// observe tells the dispatcher how an attempt ended.
func (s *sim) observe(t *task, p *attempt, k policy.Kind) {
	o := policy.Observation{Node: int(p.node), Kind: k, Latency: duration(s.now - p.sent), Work: t.waiter.Work, Late: p.late}
	switch k {
	case policy.Done:
		o.Run = duration(int64(p.ran))
		o.Load = p.load.word(s.nodes[p.node].slots, &s.word)
	case policy.Rejected:
		o.Load = p.load.word(s.nodes[p.node].slots, &s.word)
	case policy.Sent, policy.Broke, policy.Cancelled, policy.Superseded: // without an answer
	}
	v := &s.servers[t.server]
	v.pace.Observe(s.time(), o.Latency, o.Run, o.Work)
	v.dispatcher.Observe(s.time(), o)
}

// win ends a task whose attempt a was the first that is done.
func (s *sim) win(i int32, t *task, a int32) {
	p := &s.attempts[a]
	v := &s.servers[t.server]
	v.budget.Earn()
	if s.rule.Hedge > 0 && !p.slept {
		v.hedge.Observe(duration(s.now-p.sent), duration(int64(p.ran)), t.waiter.Work)
	}
	s.completed(t)
	s.freeAttempt(a, true)
	s.end(i, t, policy.Superseded)
}

// giveUp ends a task without a result.
func (s *sim) giveUp(i int32, t *task) {
	s.failed()
	s.end(i, t, policy.Cancelled)
}

// end cancels what is under way of a task, and frees it; the next of a batch may come.
func (s *sim) end(i int32, t *task, k policy.Kind) {
	if s.central == nil {
		s.dropCopy(t)
	}
	for a := t.attempt; a >= 0; {
		p := &s.attempts[a]
		if s.central == nil {
			s.observe(t, p, k)
		}
		p.cancelled = true
		s.send(cancels, a, p.gen)
		a = p.sibling
	}
	s.freeTask(i, t)
	if s.cfg.Arrivals.batch() && s.came < s.cfg.Tasks {
		s.admit(s.arrivals.draw())
	}
}
