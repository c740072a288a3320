package sim

import (
	"math/rand/v2"
	"time"

	"spillway/computenode/admission"
	"spillway/job"
	"spillway/server/policy"
)

// sim is one run. Events name tasks, attempts and probes by their places, which are
// used again, so that a run allocates little.
type sim struct {
	cfg     Config
	rule    policy.Rule
	prober  bool
	agenda  agenda
	now     int64 // ns
	half    int64 // ns: half a round trip
	servers []server
	nodes   []node

	arrivals *process
	coming   arrival
	network  *rand.Rand
	changes  *rand.Rand

	tasks     [][]task // in chunks, since a dispatcher keeps their waiters
	taskFree  int32
	attempts  []attempt
	attFree   int32
	entries   [][]admission.Entry[int32] // by attempt; in chunks, since gates keep them
	probes    []probe
	probeFree int32
	sets      []*policy.Set // that are not in use
	came      int
	ended     int
	central   *central // nil: servers spread the tasks
	touched   []int32  // servers
	word      job.Load // for one call
	asked     []int    // for one call
	record
}

// chunk is how many tasks are made at once; a power of two.
const chunk = 1 << 7

// The streams of draws.
const (
	streamArrivals = iota + 1
	streamChanges
	streamNetwork
	streamNodes
	streamServers // and on, one for each
)

// epoch is when every run begins: policies tell by zero times that there is none.
func epoch() time.Time { return time.Unix(1_000_000_000, 0) }

func duration(ns int64) time.Duration { return time.Duration(ns) }

func (s *sim) time() time.Time { return s.epoch.Add(duration(s.now)) }

// Run plays one run. Errors: InvalidArgument.
func Run(cfg Config) (Result, error) {
	if err := cfg.Validate(); err != nil {
		return Result{}, err
	}
	s, err := newSim(cfg.withDefaults())
	if err != nil {
		return Result{}, err
	}
	s.begin()
	horizon := int64(s.cfg.Horizon)
	for s.ended < s.cfg.Tasks {
		e, ok := s.agenda.pop()
		if !ok || e.at > horizon {
			break
		}
		s.now = e.at
		s.play(e)
		s.settle()
	}
	return s.result(), nil
}

// begin plans the first events.
func (s *sim) begin() {
	s.planChanges()
	for i := range s.servers {
		if s.rule.Eject {
			s.agenda.plan(int64(policy.SweepEvery), sweeps, int32(i), 0)
		}
	}
	if !s.cfg.Arrivals.batch() {
		s.coming = s.arrivals.draw()
		s.agenda.plan(s.coming.at, arrives, 0, 0)
		return
	}
	window := s.cfg.Arrivals.Window
	if window == 0 {
		window = s.cfg.Tasks
	}
	for range min(window, s.cfg.Tasks) {
		s.admit(s.arrivals.draw())
	}
	s.settle()
}

// settle sends all that is ready.
func (s *sim) settle() {
	if s.central != nil {
		s.central.serve(s)
	}
	for len(s.touched) > 0 { // it may grow meanwhile
		last := len(s.touched) - 1
		i := s.touched[last]
		s.touched = s.touched[:last]
		s.servers[i].touched = false
		if s.central == nil {
			s.serve(i)
		}
	}
}

// play does what an event says.
func (s *sim) play(e event) {
	switch k := e.kind(); k {
	case reaches, starts, finishes, answers, cancels, dues:
		if s.attempts[e.who].gen == e.gen {
			s.playAttempt(k, e.who)
		}
	case hedges, recopies, resumes, expires:
		if t := s.task(e.who); t.gen == e.gen {
			s.playTask(k, e.who, t)
		}
	case arrives:
		s.arrive()
	case asks, tells:
		s.playProbe(k, e.who)
	case times:
		if n := &s.nodes[e.who]; n.asksAt == s.now {
			s.ask(n)
		}
	case looks:
		if v := &s.servers[e.who]; e.gen == 0 {
			v.armed = false
		} else {
			v.asks = false
		}
		s.touch(e.who)
	case sweeps:
		s.servers[e.who].dispatcher.Sweep(s.time())
		s.agenda.plan(s.now+int64(policy.SweepEvery), sweeps, e.who, 0)
		s.touch(e.who)
	default:
		s.playChange(k, e)
	}
}

func (s *sim) playAttempt(k kind, a int32) {
	switch k {
	case reaches:
		s.reach(a)
	case starts:
		if s.attempts[a].place == delayed {
			s.unlink(a)
			s.enqueue(a)
		}
	case finishes:
		if p := &s.attempts[a]; p.place == running && p.due == s.now {
			s.finish(a)
		}
	case cancels:
		s.withdraw(a)
	case dues:
		s.late(a)
	default:
		s.hear(a)
	}
}

func (s *sim) playTask(k kind, i int32, t *task) {
	switch k {
	case hedges:
		if t.hedgeAt == s.now {
			s.mayCopy(i, t)
		}
	case recopies:
		if t.recopyAt == s.now && t.token && !t.waiter.Waits() {
			s.pushCopy(t)
		}
	case resumes:
		s.resume(i, t)
	default:
		s.touch(t.server)
		s.giveUp(i, t)
	}
}

// arrive lets the task that is due come, and plans the next.
func (s *sim) arrive() {
	s.admit(s.coming)
	if s.came < s.cfg.Tasks {
		s.coming = s.arrivals.draw()
		s.agenda.plan(s.coming.at, arrives, 0, 0)
	}
}

// admit takes a task in, and tells its server.
func (s *sim) admit(a arrival) {
	i, t := s.newTask()
	t.arrived, t.size, t.number = a.at, a.size, s.came
	t.server = int32(uint64(a.pick) * uint64(len(s.servers)) >> 32)
	s.came++
	s.arrived(t)
	if s.cfg.Deadline > 0 {
		due := t.arrived + int64(s.cfg.Deadline)
		t.waiter.Deadline, t.waiter.Pace = s.epoch.Add(duration(due)), &s.servers[t.server].pace
		s.agenda.plan(max(s.now, due), expires, i, t.gen)
	}
	if s.central != nil {
		s.central.push(i, t.gen)
		return
	}
	if !s.cfg.Unknown {
		t.waiter.Work, t.waiter.Size = t.size, t.size // in the scheduler's unit: ns on a node of ordinary speed
	}
	s.push(t, false, nil)
}

// way is how long a message takes, in ns.
func (s *sim) way() int64 {
	if s.cfg.Jitter == 0 {
		return s.half
	}
	return int64(float64(s.half) * lognormal(s.cfg.Jitter, s.network))
}

// send plans an event half a round trip ahead.
func (s *sim) send(k kind, who int32, gen uint32) { s.agenda.follow(s.now+s.way(), k, who, gen) }
