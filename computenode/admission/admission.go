// Package admission decides whether a node takes a task: at once, after an
// injected delay, or not at all.
//
// A controller is pure: it is told what happens and when, and does no I/O, so
// that nodes, simulator and tests run the same code.
package admission

import (
	"time"

	"spillway/job"
)

// Controller decides on arriving tasks. It is not safe for concurrent use: its
// caller serialises the calls, and now never goes back.
type Controller interface {
	// Decide is called once for each task that arrives.
	Decide(now time.Time, a Arrival) Decision
	// Observe tells how an admitted task ended.
	Observe(now time.Time, s Sample)
}

// Arrival is a task at the door.
type Arrival struct {
	// MayReject tells that the task may be turned away; else only delayed.
	MayReject bool
	// Deadline is when its answer is worth nothing any more; zero: never.
	Deadline time.Time
	// Load is the node's load without this task.
	Load job.Load
}

// Decision is the answer to an Arrival. The zero Decision admits it at once.
type Decision struct {
	// Reject turns the task away; only where it may be.
	Reject bool
	// Reason says why, in words for people, and RetryAfter when to come back;
	// zero: unknown. Both belong to Reject.
	Reason     string
	RetryAfter time.Duration
	// Delay is the injected delay, which the task waits before it wants a slot.
	Delay time.Duration
}

// Sample is how an admitted task ended.
type Sample struct {
	// Queued is the time that it waited for a slot, Run that of the operation.
	Queued, Run time.Duration
	// Code is the empty code for a task that was done, else that of its error.
	Code job.Code
}
