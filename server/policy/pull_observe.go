package policy

import "time"

// Observe implements Policy.
func (p *pull) Observe(now time.Time, o Observation) {
	if o.Node < 0 || o.Node >= len(p.nodes) {
		return
	}
	fresh := !p.learner.node(o.Node).done
	p.nodes[o.Node].active = now
	if o.Kind == Sent {
		p.sent(now, o, fresh)
		p.place(o.Node)
		return
	}
	p.ended(now, o, fresh)
	p.rank(now, o.Node)
	p.reviewOne(now)
}

// sent counts an attempt in.
func (p *pull) sent(now time.Time, o Observation, fresh bool) {
	n, w := &p.nodes[o.Node], work(o.Work)
	p.turn++
	n.turn = p.turn
	n.out++
	p.doubt(now, o.Node, w)
	p.out++
	p.outWork += w
	if !p.crowd.alone() {
		p.due = min(maxCrowdProbes, p.due+crowdProbes)
	}
	if p.size == 0 {
		p.size = w
	}
	p.size += (w - p.size) / 64
	if fresh {
		p.trying++
		p.tried = now
	}
}

// Late implements LateWatcher. An attempt that is overdue may be delayed and take no slot
// of the node, but there may be no more of those than a node's limit.
func (p *pull) Late(_ time.Time, i int) {
	p.nodes[i].late++
	p.place(i)
}

// leave takes an attempt out of the sums.
func (p *pull) leave(now time.Time, o Observation, fresh bool) {
	n := &p.nodes[o.Node]
	if o.Load != nil {
		n.sleep(now, o.Load)
	}
	if o.Late {
		n.late = max(0, n.late-1)
	}
	if n.out > 0 {
		n.out--
		p.out--
		p.outWork -= work(o.Work)
		if fresh {
			p.trying--
		}
	}
	if p.out == 0 || p.outWork < 0 {
		p.outWork = 0
	}
}

// ended counts an attempt out, and learns from it.
func (p *pull) ended(now time.Time, o Observation, fresh bool) {
	n := &p.nodes[o.Node]
	full := n.out >= n.limit.most()
	before := p.others(now, o.Node)
	p.leave(now, o, fresh)
	if o.Load != nil {
		p.hear(now, o.Node, o.Load)
	}
	o = p.explained(before, o)
	p.learner.observe(now, o)
	if fresh && p.learner.node(o.Node).done {
		p.trying -= n.out // what else it has is at a node that is known now
	}
	switch o.Kind {
	case Done:
		n.limit.done(now, o, full)
	case Broke:
		n.limit.refused(n.out, 1)
	case Rejected:
		switch l := o.Load; {
		case l == nil:
			n.limit.refused(n.out, 1)
		case l.Queued == 0 && n.out-p.spared(o.Node) <= max(1, l.Slots): // it turned the task away by chance
		case foreign(l, n.out) == 0: // what waits there are this server's own, some of which were delayed
			n.limit.refused(n.out, l.Slots)
		default:
			n.limit.refused(n.out, 1)
		}
	case Sent, Cancelled, Superseded:
	}
}
