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
	s.cfg.Observer.Attempted(cmp.Or(y.r.spec.Policy, s.cfg.Policy), y.t.Operation.Name, l.outcome(y.t), l.res.Node, l.took)
}

// failedOutcome is the outcome of an attempt that somebody must hear of.
const failedOutcome = "failed"

// outcome is the word for how an attempt of t ended.
func (l lap) outcome(t job.Task) string {
	switch {
	case l.err == nil:
		return "done"
	case l.superseded:
		return "superseded"
	case l.unwanted:
		return "cancelled"
	case l.rejected(t):
		return "rejected"
	}
	return failedOutcome
}
