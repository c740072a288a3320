package scheduler

import (
	"math/rand/v2"
	"sync"
	"time"

	"spillway/job"
	"spillway/server/policy"
)

// dispatcher is one policy with its randomness, shared by every job that uses
// it, so that what one job learns serves the next.
type dispatcher struct {
	mayReject bool

	mu   sync.Mutex // guards what follows
	rule policy.Rule
	rand *rand.Rand
}

// dispatcher returns the dispatcher of a policy, made at its first use.
func (s *Scheduler) dispatcher(name string) (*dispatcher, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d, ok := s.dispatchers[name]; ok {
		return d, nil
	}
	rule, err := policy.New(name)
	if err != nil {
		return nil, err
	}
	for i, n := range s.members {
		rule.Set(time.Now(), i, n)
	}
	d := &dispatcher{mayReject: rule.Traits().MayReject, rule: rule, rand: rand.New(rand.NewPCG(s.cfg.Seed, 0))}
	s.dispatchers[name] = d
	return d, nil
}

// NodeChanged tells every policy what changed about node i.
func (s *Scheduler) NodeChanged(i int, n policy.Node) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.members) <= i {
		s.members = append(s.members, policy.Node{})
	}
	switch was := s.members[i].Up; {
	case n.Up && !was:
		s.up++
	case !n.Up && was:
		s.up--
	}
	s.members[i] = n
	for _, d := range s.dispatchers {
		d.mu.Lock()
		d.rule.Set(time.Now(), i, n)
		d.mu.Unlock()
	}
}

// anyUp reports whether some node answers.
func (s *Scheduler) anyUp() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.up > 0
}

// pick chooses a node and notes that an attempt leaves for it.
func (d *dispatcher) pick(excluded *policy.Set) (int, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	i, v := d.rule.Pick(now, policy.Request{Rand: d.rand, Excluded: excluded})
	if v == policy.Chosen {
		d.rule.Observe(now, policy.Observation{Node: i, Kind: policy.Sent})
	}
	return i, v == policy.Chosen
}

// observe tells the policy how the attempt ended.
func (d *dispatcher) observe(i int, took time.Duration, res job.Result, err error) {
	o := policy.Observation{Node: i, Latency: took, Kind: policy.Done, Load: &res.Load}
	if err != nil {
		e := job.AsError(err)
		o.Load = e.Load
		switch {
		case e.Code == job.ResourceExhausted, e.Code == job.DeadlineExceeded:
			o.Kind = policy.Rejected
		case e.Code == job.CancelledCode, e.Code.Permanent() && e.Code != job.Unimplemented:
			o.Kind = policy.Cancelled // the input's fault says nothing of the node
		default:
			o.Kind = policy.Broke
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.rule.Observe(time.Now(), o)
}

// jitter draws a time between zero and most.
func (d *dispatcher) jitter(most time.Duration) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	return time.Duration(d.rand.Int64N(int64(most) + 1))
}
