package sim

import (
	"time"

	"spillway/server/policy"
	"spillway/server/tail"
)

// What follows is the course of one task as server/scheduler has it: a race of copies,
// rounds without the nodes that turned it away, pauses, and retries from a budget.

// deathsForgiven is as the scheduler's: here nodes break for no other reason.
const deathsForgiven = 4

// startRace plans when an attempt that is no copy, and has just left, is overdue.
func (s *sim) startRace(t *task, a int32) {
	t.last, t.overdue = false, 0
	if s.rule.Hedge == 0 {
		return
	}
	h := s.servers[t.server].hedge
	if !t.begun {
		t.begun = true
		h.Begin()
	}
	if after, ok := h.After(t.waiter.Work); ok && after > 0 {
		t.overdue = int64(after)
		s.agenda.plan(s.now+t.overdue, dues, a, s.attempts[a].gen)
	}
}

// late notes that an attempt is overdue. From then on copies of the first are sent.
func (s *sim) late(a int32) {
	p := &s.attempts[a]
	if p.cancelled {
		return
	}
	t := s.task(p.task)
	p.late = true
	s.servers[t.server].dispatcher.Late(s.time(), int(p.node))
	s.touch(t.server)
	if !p.copied {
		t.after, t.pause = t.overdue, max(t.overdue/4, int64(time.Millisecond))
		s.mayCopy(p.task, t)
	}
}

// mayCopy lets a task wait for a node for a copy, if it may have one, and plans when it
// may have another: after half as long again, or where there was no room after a pause
// that grows. Other than in the scheduler one copy looks for a node at a time.
func (s *sim) mayCopy(i int32, t *task) {
	if t.last || t.running == 0 {
		return
	}
	v := &s.servers[t.server]
	full := int(t.running) >= s.cfg.Copies
	oldest := s.oldestCopy(t)
	if !t.token && (!full || oldest >= 0) && !v.dispatcher.Waiting() && v.hedge.Take(v.dispatcher.Utilization(s.time())) {
		if full {
			s.cancel(t, oldest)
		}
		t.token, t.copyRounds = true, tail.Pause{}
		s.clear(t.off)
		t.anew = false
		s.pushCopy(t)
		t.after += t.after / 2
		t.pause = t.after
	}
	t.hedgeAt = s.now + t.pause
	s.agenda.plan(t.hedgeAt, hedges, i, t.gen)
	t.pause += t.pause / 2
}

// oldestCopy is the copy of a task that has run the longest, which makes room for another
// where all attempts are overdue; −1: none runs.
func (s *sim) oldestCopy(t *task) int32 {
	oldest := int32(-1)
	for a := t.attempt; a >= 0; a = s.attempts[a].sibling {
		if s.attempts[a].copied {
			oldest = a
		}
	}
	return oldest
}

// cancel ends one attempt of a task.
func (s *sim) cancel(t *task, a int32) {
	p := &s.attempts[a]
	s.detach(t, a)
	s.observe(t, p, policy.Superseded)
	p.cancelled = true
	s.send(cancels, a, p.gen)
}

// pushCopy lets a task wait for a node for a copy: one that has not turned the copy away
// in this round, that no attempt of the task is on, nor has failed on.
func (s *sim) pushCopy(t *task) {
	v := &s.servers[t.server]
	t.waiter.Until, t.waiter.Turned = time.Time{}, t.off
	if t.off != nil && t.off.Len() > 0 {
		t.waiter.Until = s.time().Add(t.copyRounds.Next(v.rand))
	}
	s.clear(t.turned)
	if t.off != nil {
		for n := range t.off.All {
			s.add(&t.turned, n)
		}
	}
	for a := t.attempt; a >= 0; a = s.attempts[a].sibling {
		if !t.anew || !s.attempts[a].late {
			s.add(&t.turned, int(s.attempts[a].node))
		}
	}
	if t.failed != nil {
		for n := range t.failed.All {
			s.add(&t.turned, n)
		}
	}
	s.push(t, true, t.turned)
}

// parkCopy lets a copy that no node takes pause before its next round.
func (s *sim) parkCopy(i int32, t *task, v *server) {
	s.clear(t.off)
	t.anew = len(s.nodes) > 1
	t.recopyAt = s.now + int64(t.copyRounds.Next(v.rand))
	s.agenda.plan(t.recopyAt, recopies, i, t.gen)
}

// dropCopy lets no copy look for a node any more.
func (s *sim) dropCopy(t *task) {
	v := &s.servers[t.server]
	v.dispatcher.Withdraw(&t.waiter)
	t.recopyAt = 0
	if t.token {
		t.token = false
		v.hedge.GiveBack()
	}
}

// goOn lets a task whose attempt a was turned away or broke go on without that node.
// The race goes on while other attempts run.
func (s *sim) goOn(i int32, t *task, a int32) {
	p := &s.attempts[a]
	n, copied, turnedAway, after, token := int(p.node), p.copied, p.outcome == rejected, p.retryAfter, p.token
	s.freeAttempt(a, false)
	s.add(&t.excluded, n)
	if turnedAway {
		t.turnedOff = true
		s.add(&t.away, n)
	} else {
		t.owes = s.nodes[n].told // the loss of a node is no fault of its tasks
		t.broke++
		s.add(&t.failed, n)
	}
	if t.retryIn == 0 || after < t.retryIn {
		t.retryIn = after
	}
	switch {
	case !copied || !turnedAway || !token:
	case t.token || t.running == 0: // as if it had not been sent; another looks for a node, or none may
		s.servers[t.server].hedge.GiveBack()
	default:
		t.token = true
		s.add(&t.off, n)
		s.pushCopy(t)
		return
	}
	if t.running == 0 {
		t.last = true
		s.dropCopy(t)
	}
	switch {
	case t.running > 0:
	case int(t.broke) >= deathsForgiven*(len(s.nodes)+3):
		s.giveUp(i, t)
	default:
		s.again(i, t)
	}
}

// again lets a task wait for a node, once the budget has what it owes for a failure.
func (s *sim) again(i int32, t *task) {
	v := &s.servers[t.server]
	if t.owes {
		if !s.retry(v) {
			s.pauses++
			v.owing = append(v.owing, ticket{i, t.gen})
			return
		}
		t.owes = false
	}
	t.waiter.Until, t.waiter.Turned = time.Time{}, t.away
	if t.turnedOff && !s.rule.Traits().Baseline { // so that those that turned it away are asked again some time
		t.waiter.Until = s.time().Add(t.await.Next(v.rand))
	}
	s.push(t, false, t.excluded)
}

// retry takes a retry from a server's budget, where nobody waits for one.
func (s *sim) retry(v *server) bool {
	if len(v.owing) > 0 {
		return false
	}
	_, ok := v.budget.Take(s.time())
	return ok
}

// repay lets those that wait for a retry go on in turn, as far as the budget goes.
func (s *sim) repay(v *server) {
	for len(v.owing) > 0 {
		k := v.owing[0]
		t := s.task(k.task)
		if t.gen == k.gen {
			if _, ok := v.budget.Take(s.time()); !ok {
				return
			}
			t.owes = false
			s.again(k.task, t)
		}
		v.owing = v.owing[1:]
	}
}

// park lets a task that no node takes pause before its next round: what the nodes ask
// for, spread out.
func (s *sim) park(i int32, t *task, v *server) {
	pause := t.rounds.Next(v.rand)
	if t.retryIn > 0 {
		pause = min(time.Second, duration(t.retryIn)/2+pause)
	}
	s.pauses++
	s.agenda.plan(s.now+int64(pause), resumes, i, t.gen)
}

// resume begins a task's next round.
func (s *sim) resume(i int32, t *task) {
	t.turnedOff, t.retryIn = false, 0
	s.clear(t.excluded)
	s.clear(t.away)
	s.clear(t.failed)
	s.again(i, t)
}

// add puts a node into one of a task's sets.
func (s *sim) add(to **policy.Set, n int) {
	if *to == nil {
		if last := len(s.sets) - 1; last >= 0 {
			*to, s.sets = s.sets[last], s.sets[:last]
			(*to).Clear()
		} else {
			*to = &policy.Set{}
		}
	}
	(*to).Add(n)
}

// clear empties one of a task's sets.
func (s *sim) clear(set *policy.Set) {
	if set != nil {
		set.Clear()
	}
}
