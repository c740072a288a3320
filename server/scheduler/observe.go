package scheduler

import (
	"cmp"
	"time"

	"spillway/job"
)

// Observer hears what the scheduler does. It is called on the way of each task, from
// many goroutines, and must not wait.
type Observer interface {
	// Attempted tells of an attempt that has ended: outcome is done, rejected, failed,
	// superseded or cancelled.
	Attempted(policy, operation, outcome string, node job.NodeID, took time.Duration)
	// Ended tells of a task whose end is kept.
	Ended(state job.TaskState)
}

// tellAttempt tells the observer, if there is one, of an attempt.
func (s *Scheduler) tellAttempt(y *try, l lap) {
	if s.cfg.Observer == nil {
		return
	}
	outcome := "failed"
	switch {
	case l.err == nil:
		outcome = "done"
	case l.superseded:
		outcome = "superseded"
	case l.unwanted:
		outcome = "cancelled"
	case l.rejected(y.t):
		outcome = "rejected"
	}
	s.cfg.Observer.Attempted(cmp.Or(y.r.spec.Policy, s.cfg.Policy), y.t.Operation.Name, outcome, l.res.Node, l.took)
}
