package sim

import (
	"time"

	"spillway/server/policy"
)

// push lets a task wait for a node at its server, or for one for a copy.
func (s *sim) push(t *task, copied bool) {
	v := &s.servers[t.server]
	t.waiter.Copy, t.waiter.Excluded = copied, t.excluded
	t.token = copied
	v.dispatcher.Push(&v.flow, &t.waiter)
	s.touch(t.server)
}

// unpush takes a task's waiter back, if it waits.
func (s *sim) unpush(t *task) {
	v := &s.servers[t.server]
	v.dispatcher.Withdraw(&t.waiter)
	if t.token {
		t.token = false
		v.hedge.GiveBack()
	}
}

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
			return
		}
		t := s.task(w.Item)
		switch {
		case verdict == policy.Chosen:
			s.dispatch(w.Item, t, n)
			if s.prober {
				s.ask(i)
			}
		case w.Copy:
			s.unpush(t)
		case verdict == policy.TooLate:
			s.giveUp(w.Item, t)
		default:
			s.pause(w.Item, t, t.pause.Next(v.rand))
		}
	}
}

// dispatch sends an attempt of a task to node n.
func (s *sim) dispatch(i int32, t *task, n int) {
	a := s.newAttempt()
	p := &s.attempts[a]
	p.task, p.size, p.node, p.sent, p.copied = i, t.size, int32(n), s.now, t.waiter.Copy
	p.number = int32(t.number)
	p.sibling, t.attempt = t.attempt, a
	t.running++
	t.token = false
	s.sentTo(t, n, p.copied)
	s.send(reaches, a, p.gen)
	v := &s.servers[t.server]
	if p.copied || s.rule.Hedge == 0 || s.cfg.Copies < 2 {
		return
	}
	if after, ok := v.hedge.After(t.waiter.Work); ok {
		t.leftAt, t.hedgeAt = s.now, s.now+int64(after)
		s.agenda.plan(t.hedgeAt, hedges, i, t.gen)
	}
}

// mayCopy lets a task wait for a node for a copy, if it may have one, and plans the
// next at twice the time.
func (s *sim) mayCopy(i int32, t *task) {
	if t.running == 0 {
		return // it waits or pauses; the next attempt plans anew
	}
	t.hedgeAt = s.now + max(1, s.now-t.leftAt)
	s.agenda.plan(t.hedgeAt, hedges, i, t.gen)
	v := &s.servers[t.server]
	if int(t.running) >= s.cfg.Copies || t.waiter.Waits() || !v.hedge.Take(v.dispatcher.Utilization()) {
		return
	}
	for a := t.attempt; a >= 0; a = s.attempts[a].sibling {
		s.exclude(t, int(s.attempts[a].node))
	}
	s.push(t, true)
}

// exclude leaves a node out of the task's round.
func (s *sim) exclude(t *task, n int) {
	if t.excluded == nil {
		if last := len(s.sets) - 1; last >= 0 {
			t.excluded, s.sets = s.sets[last], s.sets[:last]
			t.excluded.Clear()
		} else {
			t.excluded = &policy.Set{}
		}
	}
	t.excluded.Add(n)
}

// newRound leaves nobody out any more.
func (s *sim) newRound(t *task) {
	if t.excluded != nil {
		t.excluded.Clear()
	}
}

// pause lets a task wait before it goes on.
func (s *sim) pause(i int32, t *task, d time.Duration) {
	s.pauses++
	s.agenda.plan(s.now+int64(d), resumes, i, t.gen)
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
		t.broke++
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
	o := policy.Observation{Node: int(p.node), Kind: k, Latency: duration(s.now - p.sent), Work: t.waiter.Work}
	switch k {
	case policy.Done:
		o.Run = duration(int64(p.ran))
		o.Load = p.load.word(s.nodes[p.node].slots, &s.word)
	case policy.Rejected:
		o.Load = p.load.word(s.nodes[p.node].slots, &s.word)
	}
	s.servers[t.server].dispatcher.Observe(s.time(), o)
}

// win ends a task whose attempt a was the first that is done.
func (s *sim) win(i int32, t *task, a int32) {
	p := &s.attempts[a]
	v := &s.servers[t.server]
	v.hedge.Observe(duration(s.now-p.sent), duration(int64(p.ran)), t.waiter.Work)
	v.budget.Earn()
	s.completed(t)
	s.freeAttempt(a, true)
	s.end(i, t, policy.Superseded)
}

// giveUp ends a task without a result.
func (s *sim) giveUp(i int32, t *task) {
	s.failed()
	s.end(i, t, policy.Cancelled)
}

// end cancels what is under way of a task, and frees it.
func (s *sim) end(i int32, t *task, k policy.Kind) {
	if s.central == nil {
		s.unpush(t)
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

// goOn lets a task whose attempt a was turned away or broke go on without that node.
func (s *sim) goOn(i int32, t *task, a int32) {
	p := &s.attempts[a]
	n, copied, failed := int(p.node), p.copied, p.outcome == broke
	s.freeAttempt(a, false)
	waits := t.waiter.Waits()
	if waits || t.running == 0 {
		s.unpush(t)
	}
	s.exclude(t, n)
	v := &s.servers[t.server]
	switch {
	case t.running > 0:
		if waits || copied && int(t.running) < s.cfg.Copies {
			s.push(t, true)
		}
	case failed && int(t.broke) >= len(s.nodes)+3: // as the scheduler has it
		s.giveUp(i, t)
	case failed:
		if wait, ok := v.budget.Take(s.time()); !ok {
			s.pause(i, t, wait)
			return
		}
		s.push(t, false)
	default:
		s.push(t, false)
	}
}
