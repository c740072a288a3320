package scheduler

import (
	"context"
	"time"

	"spillway/job"
	"spillway/server/policy"
)

// maxProbes bounds the probes that are out at once; more are not sent.
const maxProbes = 256

// probeLimit is how long one may take.
const probeLimit = time.Second

// probeAll asks nodes for their load, without waiting for their answers, which the
// policy gets; d.mu is held.
func (s *Scheduler) probeAll(d *dispatcher, nodes []int) {
	for _, i := range nodes {
		select {
		case s.probing <- struct{}{}:
		default:
			d.rule.Probed(time.Now(), i, nil)
			continue
		}
		s.probes.Go(func() {
			defer func() { <-s.probing }()
			ctx, cancel := context.WithTimeout(s.life(), probeLimit)
			defer cancel()
			var answer *job.Load
			if load, err := s.fleet.Probe(ctx, i); err == nil {
				answer = &load
			}
			d.change(func(now time.Time) { d.rule.Probed(now, i, answer) })
		})
	}
}

// sweep leaves out nodes that fail much, and takes others back, until ctx ends.
func (s *Scheduler) sweep(ctx context.Context) {
	tick := time.NewTicker(policy.SweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		s.mu.Lock()
		for _, d := range s.dispatchers {
			d.change(d.rule.Sweep)
		}
		s.mu.Unlock()
	}
}
