// Package admission decides whether a node takes a task: at once, after an
// injected delay, or not at all; and in which order the tasks that wait get a slot.
//
// A [Controller] is one rule. A [Gate] is everything that stands between a task and
// a slot, in this order: the injected draw, the deadline, the controller's limit,
// the bound on those that wait, and the queue. All of it is pure: it is told what
// happens and when, and does no I/O, so that nodes, simulator and tests run the same
// code.
package admission

import (
	"time"

	"spillway/job"
)

// Controller decides on arriving tasks. It is not safe for concurrent use: its
// caller serialises the calls, and now never goes back.
type Controller interface {
	// Decide is called once for each task that arrives. It does not allocate.
	Decide(now time.Time, a Arrival) Decision
	// Observe tells how an admitted task ended. It does not allocate.
	Observe(now time.Time, s Sample)
}

// Queuer is a Controller that has a say over the tasks that wait for a slot. Without
// it they go in the order of their coming, and wait for as long as they must.
type Queuer interface {
	Controller
	// Discipline is how those that wait are treated, given for how long some task or
	// other has been waiting without a break; 0: nobody waits.
	Discipline(now time.Time, standing time.Duration) Discipline
}

// Discipline is how the tasks that wait for a slot are treated. The zero Discipline
// is first come, first served, without a timeout.
type Discipline struct {
	// Newest gives the slot to the task that began to wait last (LIFO).
	Newest bool
	// Timeout is how long a task that begins to wait now may do so before it is
	// dropped, if it may be rejected at all; 0: as long as it must.
	Timeout time.Duration
}

// Arrival is a task at the door.
type Arrival struct {
	// MayReject tells that the task may be turned away; else only delayed.
	MayReject bool
	// Deadline is when its answer is worth nothing any more; zero: never.
	Deadline time.Time
	// Operation is the name of what is done to it, by which its work is estimated.
	Operation string
	// Load is the node's load without this task. A Gate fills it in.
	Load job.Load
}

// Decision is the answer to an Arrival. The zero Decision admits it at once.
type Decision struct {
	// Reject turns the task away; only where it may be.
	Reject bool
	// TooLate turns it away since its deadline cannot be met, whether it may be
	// rejected or not. Only a Gate decides so.
	TooLate bool
	// Reason says why, in words for people, and RetryAfter when to come back;
	// zero: unknown, which a Gate replaces. Both belong to Reject.
	Reason     string
	RetryAfter time.Duration
	// Delay is the injected delay, which the task waits before it wants a slot.
	Delay time.Duration
}

// Sample is how an admitted task ended.
type Sample struct {
	// Queued is the time that it waited for a slot, Run that of the operation.
	Queued, Run time.Duration
	// Work is what Run was thought to be when it arrived; 0: unknown.
	Work time.Duration
	// Code is the empty code for a task that was done, else that of its error.
	Code job.Code
}

// inflight are the tasks that a limit counts. Those in the injected delay hold
// nothing of the node.
func inflight(l job.Load) int { return l.Running + l.Queued }

// free tells that a task that comes now finds a slot. No controller turns it away
// then: a node that is idle makes progress, whatever its controller has learned.
func free(l job.Load) bool { return inflight(l) < max(1, l.Slots) }
