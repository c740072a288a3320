package sim

import "time"

// idleEvery is how often a server asks its policy for probes beside each pick.
const idleEvery = 50 * time.Millisecond

// idle asks a server's policy for probes, and plans the next time.
func (s *sim) idle(i int32) {
	s.ask(i)
	s.agenda.plan(s.now+int64(idleEvery), idles, i, 0)
}

// ask sends the probes that a server's policy wants.
func (s *sim) ask(i int32) {
	s.asked = s.servers[i].dispatcher.Probes(s.time(), s.asked[:0])
	for _, n := range s.asked {
		at := s.probeFree
		if at >= 0 {
			s.probeFree = s.probes[at].free
		} else {
			s.probes = append(s.probes, probe{})
			at = int32(len(s.probes) - 1)
		}
		s.probes[at] = probe{server: i, node: int32(n)}
		s.probeCount++
		s.send(asks, at, 0)
	}
}

// playProbe lets a probe reach its node, or the answer its server.
func (s *sim) playProbe(k kind, at int32) {
	p := &s.probes[at]
	n := &s.nodes[p.node]
	if k == asks {
		p.lost, p.load = n.dead, n.load()
		s.send(tells, at, 0)
		return
	}
	d := s.servers[p.server].dispatcher
	if p.lost {
		d.Probed(s.time(), int(p.node), nil)
	} else {
		d.Probed(s.time(), int(p.node), p.load.word(n.slots, &s.word))
	}
	s.touch(p.server)
	p.free, s.probeFree = s.probeFree, at
}
