package admission

import (
	"time"

	"spillway/job"
)

const (
	// smoothing is the weight of the newest task in a moving average: 1/smoothing.
	smoothing = 16
	// minRetry is the least time after which a task that was turned away comes back.
	minRetry = 10 * time.Millisecond
)

// estimate is what a node thinks that its tasks take, by what they took.
type estimate struct {
	mean  time.Duration            // of the operation time of all tasks; 0: unknown
	means map[string]time.Duration // the same, by operation
	// queued and running are the work of those tasks, as they were thought to take
	// when they arrived.
	queued, running time.Duration
}

// work is what the operation of a task would take. Where no such task was done yet it
// is only the guess that it is like the others.
func (s *estimate) work(operation string) (work time.Duration, known bool) {
	if mean, ok := s.means[operation]; ok {
		return mean, true
	}
	return s.mean, false
}

// wait is how long a task that comes now waits for a slot, if those that wait go
// first: a slot's share of the work that waits, and of half a task, which the slot that
// gets free next has left of what it does, on average.
func (s *estimate) wait(l job.Load) time.Duration {
	if free(l) {
		return 0
	}
	rest := s.running / time.Duration(2*max(1, l.Running))
	return (s.queued + rest) / time.Duration(max(1, l.Slots))
}

// add takes in what one task took.
func (s *estimate) add(operation string, run time.Duration) {
	s.mean = smooth(s.mean, run)
	s.means[operation] = smooth(s.means[operation], run)
}

// smooth is the moving average with one more time in it.
func smooth(mean, next time.Duration) time.Duration {
	if mean == 0 {
		return next
	}
	return mean + (next-mean)/smoothing
}
