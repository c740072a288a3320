package sim

import (
	"math/rand/v2"
	"strconv"

	"spillway/job"
	"spillway/server/policy"
	"spillway/server/tail"
)

// newSim makes all that a run needs. Errors: InvalidArgument.
func newSim(cfg Config) (*sim, error) {
	s := &sim{
		cfg: cfg, half: int64(cfg.RTT) / 2, taskFree: -1, attFree: -1, probeFree: -1,
		network: stream(cfg.Seed, streamNetwork), changes: stream(cfg.Seed, streamChanges),
	}
	s.record.begin(&s.cfg)
	s.arrivals = newProcess(cfg.Arrivals, cfg.Sizes, cfg.capacity(), stream(cfg.Seed, streamArrivals))
	if !cfg.Central {
		rule, err := policy.New(cfg.Policy)
		if err != nil {
			return nil, err
		}
		s.rule = rule
		_, s.prober = rule.Policy.(policy.Prober)
	}
	if err := s.makeNodes(); err != nil {
		return nil, err
	}
	if cfg.Central {
		s.half = 0
		s.servers = make([]server, cfg.Servers)
		s.central = newCentral(s.nodes)
		return s, nil
	}
	return s, s.makeServers()
}

// capacity is the work that is done in a second, in seconds, with the speeds that
// antagonists leave on average.
func (c Config) capacity() float64 {
	sum := 0.0
	for _, n := range c.Nodes {
		sum += n.Speed * float64(n.Slots)
	}
	if a := c.Antagonists; a.Part > 0 {
		slow := a.Part * a.On.Seconds() / (a.On + a.Off).Seconds()
		sum *= 1 - slow*(1-a.Factor)
	}
	return sum
}

func stream(seed, n uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, n)) }

func (s *sim) makeNodes() error {
	seeds := stream(s.cfg.Seed, streamNodes)
	s.nodes = make([]node, len(s.cfg.Nodes))
	for i, c := range s.cfg.Nodes {
		n := &s.nodes[i]
		*n = node{index: int32(i), slots: int32(c.Slots), speed: c.Speed, factor: 1, told: true, reject: c.Reject}
		for l := range n.lists {
			n.lists[l] = list{head: -1, tail: -1}
		}
		seed := seeds.Uint64()
		if s.cfg.Central {
			continue
		}
		if c.Reject > 0 {
			n.draws = rand.New(rand.NewPCG(seed, streamNodes))
		}
		if s.gated(c) {
			if err := s.makeGate(n, c, seed); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *sim) makeServers() error {
	s.servers = make([]server, s.cfg.Servers)
	now := s.time()
	for i := range s.servers {
		rule, err := policy.New(s.cfg.Policy)
		if err != nil {
			return err
		}
		r := stream(s.cfg.Seed, streamServers+uint64(i))
		v := &s.servers[i]
		v.rand, v.dispatcher = r, policy.NewDispatcher[int32](rule, r)
		hedge := s.cfg.Hedge
		hedge.Budget = rule.Hedge
		v.hedge, v.budget = tail.NewHedge(hedge), tail.NewBudget(s.cfg.Retry)
		for n := range s.nodes {
			v.dispatcher.Set(now, n, s.known(n))
		}
	}
	return nil
}

// known is what servers are told of a node.
func (s *sim) known(i int) policy.Node {
	n := &s.nodes[i]
	return policy.Node{ID: job.NodeID("node_" + strconv.Itoa(i)), Up: !n.dead && !n.draining, Slots: int(n.slots)}
}

// task is the one in place i.
func (s *sim) task(i int32) *task { return &s.tasks[i/chunk][i%chunk] }

// newTask takes a free place, with nothing in it but its waiter and generation.
func (s *sim) newTask() (int32, *task) {
	if s.taskFree < 0 {
		base := int32(len(s.tasks) * chunk)
		s.tasks = append(s.tasks, make([]task, chunk))
		for i := base + chunk - 1; i >= base; i-- {
			s.task(i).free, s.taskFree = s.taskFree, i
		}
	}
	i := s.taskFree
	t := s.task(i)
	s.taskFree = t.free
	*t = task{flow: t.flow, gen: t.gen, attempt: -1}
	t.flow.Reset()
	t.waiter.Item = i
	return i, t
}

// freeTask gives the place back.
func (s *sim) freeTask(i int32, t *task) {
	for _, set := range [5]**policy.Set{&t.excluded, &t.away, &t.turned, &t.off, &t.failed} {
		if *set != nil {
			s.sets = append(s.sets, *set)
			*set = nil
		}
	}
	t.gen++
	t.free, s.taskFree = s.taskFree, i
	s.ended++
}

// newAttempt takes a free place; pointers to attempts end here.
func (s *sim) newAttempt() int32 {
	if s.attFree >= 0 {
		a := s.attFree
		s.attFree = s.attempts[a].next
		s.attempts[a] = attempt{gen: s.attempts[a].gen, next: -1, prev: -1, sibling: -1, place: onTheWay}
		return a
	}
	s.attempts = append(s.attempts, attempt{next: -1, prev: -1, sibling: -1, place: onTheWay})
	return int32(len(s.attempts) - 1)
}

// freeAttempt gives the place back. What it ran was wasted unless it won.
func (s *sim) freeAttempt(a int32, won bool) {
	p := &s.attempts[a]
	if !won {
		s.wasted += p.ran
	}
	p.gen++
	p.next, s.attFree = s.attFree, a
}
