package sim

// central is the reference: one queue, whose head the fastest free node takes.
type central struct {
	nodes   []node
	waiting []ticket // as they came, from first
	first   int
	back    []ticket // those whose node died: they go first
	ready   []int32  // a heap of nodes with a free slot, the fastest first
	at      []int32  // place in ready, by node; -1: not there
}

// ticket is a task that waits, if it is still that one.
type ticket struct {
	task int32
	gen  uint32
}

func newCentral(nodes []node) *central {
	c := &central{nodes: nodes, at: make([]int32, len(nodes))}
	for i := range nodes {
		c.at[i] = -1
		c.settle(int32(i))
	}
	return c
}

func (c *central) push(task int32, gen uint32) { c.waiting = append(c.waiting, ticket{task, gen}) }

// serve lets free nodes take what waits.
func (c *central) serve(s *sim) {
	for len(c.ready) > 0 {
		k, ok := c.pop()
		if !ok {
			return
		}
		t := s.task(k.task)
		if t.gen != k.gen {
			continue // given up
		}
		a := s.newAttempt()
		p := &s.attempts[a]
		p.task, p.size, p.node, p.sent = k.task, t.size, c.ready[0], s.now
		p.number = int32(t.number)
		t.attempt, t.running = a, 1
		s.nodes[p.node].attempts++
		s.sentTo(t, int(p.node), false)
		s.enqueue(a)
	}
}

func (c *central) pop() (k ticket, ok bool) {
	if last := len(c.back) - 1; last >= 0 {
		k, c.back = c.back[last], c.back[:last]
		return k, true
	}
	if c.first == len(c.waiting) {
		c.waiting, c.first = c.waiting[:0], 0
		return k, false
	}
	k = c.waiting[c.first]
	c.first++
	return k, true
}

// hear takes in the end of an attempt.
func (c *central) hear(s *sim, a int32) {
	p := &s.attempts[a]
	if p.cancelled {
		s.freeAttempt(a, false)
		return
	}
	i, t := p.task, s.task(p.task)
	s.detach(t, a)
	if p.outcome == broke {
		s.broken++
		s.freeAttempt(a, false)
		c.back = append(c.back, ticket{i, t.gen})
		return
	}
	s.completed(t)
	s.freeAttempt(a, true)
	s.end(i, t, 0)
}

// settle puts a node where it belongs in the heap, or takes it out.
func (c *central) settle(i int32) {
	n := &c.nodes[i]
	free := n.lists[running].size < n.slots && !n.dead && !n.draining
	at := c.at[i]
	switch {
	case free && at < 0:
		at = int32(len(c.ready))
		c.ready = append(c.ready, i)
		c.at[i] = at
	case !free && at >= 0:
		last := int32(len(c.ready) - 1)
		c.swap(at, last)
		c.ready, c.at[i] = c.ready[:last], -1
		if at == last {
			return
		}
	case !free:
		return
	}
	c.sink(c.rise(at))
}

// before tells that the node in place i is faster than that in place j.
func (c *central) before(i, j int32) bool {
	a, b := c.ready[i], c.ready[j]
	x, y := c.nodes[a].rate(), c.nodes[b].rate()
	return x > y || x == y && a < b
}

func (c *central) swap(i, j int32) {
	c.ready[i], c.ready[j] = c.ready[j], c.ready[i]
	c.at[c.ready[i]], c.at[c.ready[j]] = i, j
}

func (c *central) rise(i int32) int32 {
	for i > 0 && c.before(i, (i-1)/2) {
		c.swap(i, (i-1)/2)
		i = (i - 1) / 2
	}
	return i
}

func (c *central) sink(i int32) {
	for {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && int(child) < len(c.ready); child++ {
			if c.before(child, least) {
				least = child
			}
		}
		if least == i {
			return
		}
		c.swap(i, least)
		i = least
	}
}
