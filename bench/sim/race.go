package sim

import (
	"time"

	"spillway/server/policy"
	"spillway/server/tail"
)

// What follows is the course of one task as server/scheduler has it: a race of copies,
// rounds without the nodes that turned it away, pauses, and retries from a budget.

// startRace plans when an attempt that has just left gets a copy.
func (s *sim) startRace(i int32, t *task) {
	t.last = false
	if s.rule.Hedge == 0 || s.cfg.Copies < 2 {
		return
	}
	h := s.servers[t.server].hedge
	h.Begin()
	if after, ok := h.After(t.waiter.Work); ok && after > 0 {
		t.after = int64(after)
		t.pause = max(t.after/4, int64(time.Millisecond))
		t.hedgeAt = s.now + t.after
		s.agenda.plan(t.hedgeAt, hedges, i, t.gen)
	}
}

// mayCopy lets a task wait for a node for a copy, if it may have one, and plans when it
// may have another: after twice the time, or where there was no room after a pause
// that grows.
func (s *sim) mayCopy(i int32, t *task) {
	if t.last || t.running == 0 {
		return
	}
	v := &s.servers[t.server]
	if !t.waiter.Waits() && int(t.running) < s.cfg.Copies && !v.dispatcher.Waiting() && v.hedge.Take(v.dispatcher.Utilization()) {
		for a := t.attempt; a >= 0; a = s.attempts[a].sibling {
			s.exclude(t, int(s.attempts[a].node))
		}
		t.token = true
		s.push(t, true)
		t.after *= 2
		t.pause = t.after
	}
	t.hedgeAt = s.now + t.pause
	s.agenda.plan(t.hedgeAt, hedges, i, t.gen)
	t.pause += t.pause / 2
}

// goOn lets a task whose attempt a was turned away or broke go on without that node.
// The race goes on while other attempts run, without new copies once the first has
// ended.
func (s *sim) goOn(i int32, t *task, a int32) {
	p := &s.attempts[a]
	n, copied, turnedAway, after := int(p.node), p.copied, p.outcome == rejected, p.retryAfter
	s.freeAttempt(a, false)
	t.last = t.last || !copied
	waited := t.waiter.Waits()
	hadToken := t.token
	if waited { // it may not change while it waits
		s.servers[t.server].dispatcher.Withdraw(&t.waiter)
	}
	s.exclude(t, n)
	if !turnedAway {
		t.owes = true
		t.broke++
	}
	if t.retryIn == 0 || after < t.retryIn {
		t.retryIn = after
	}
	switch {
	case !t.last && (waited || copied && turnedAway):
		s.push(t, true)
		return
	case hadToken:
		s.unpush(t)
	}
	switch {
	case t.running > 0:
	case int(t.broke) >= len(s.nodes)+3: // each node may lose it once, and a few losses more are forgiven
		s.giveUp(i, t)
	default:
		s.again(i, t)
	}
}

// again lets a task wait for a node, once the budget has what it owes for a failure.
func (s *sim) again(i int32, t *task) {
	v := &s.servers[t.server]
	if t.owes {
		wait, ok := v.budget.Take(s.time())
		if !ok {
			p := tail.Pause{First: wait + 1}
			s.rest(i, t, min(time.Second, wait+p.Next(v.rand)))
			return
		}
		t.owes = false
	}
	s.push(t, false)
}

// park lets a task that no node takes pause before its next round: what the nodes ask
// for, spread out.
func (s *sim) park(i int32, t *task, v *server) {
	pause := t.rounds.Next(v.rand)
	if t.retryIn > 0 {
		pause = min(time.Second, duration(t.retryIn)/2+pause)
	}
	t.parked = true
	s.rest(i, t, pause)
}

func (s *sim) rest(i int32, t *task, d time.Duration) {
	s.pauses++
	s.agenda.plan(s.now+int64(d), resumes, i, t.gen)
}

// resume lets a task that paused go on.
func (s *sim) resume(i int32, t *task) {
	if t.parked {
		t.parked, t.retryIn = false, 0
		if t.excluded != nil {
			t.excluded.Clear()
		}
	}
	s.again(i, t)
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
