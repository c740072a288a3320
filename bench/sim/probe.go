package sim

// probe sends the probes that a server's policy wants.
func (s *sim) probe(i int32) {
	s.asked = s.servers[i].dispatcher.Probes(s.time(), s.asked[:0])
	v := &s.servers[i]
	for _, n := range s.asked {
		if v.probing == maxProbes {
			v.dispatcher.Probed(s.time(), n, nil)
			continue
		}
		v.probing++
		at := s.probeFree
		if at >= 0 {
			s.probeFree = s.probes[at].free
		} else {
			s.probes = append(s.probes, probe{})
			at = int32(len(s.probes) - 1)
		}
		s.probes[at] = probe{server: i, node: int32(n)}
		s.probeCount++
		s.agenda.follow(s.now+max(1, s.way()), asks, at, 0) // time passes, so that no policy asks for ever
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
	s.servers[p.server].probing--
	d := s.servers[p.server].dispatcher
	if p.lost {
		d.Probed(s.time(), int(p.node), nil)
	} else {
		d.Probed(s.time(), int(p.node), p.load.word(n.slots, &s.word))
	}
	s.touch(p.server)
	p.free, s.probeFree = s.probeFree, at
}
