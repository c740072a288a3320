package job

import "context"

// Service runs jobs. The scheduler implements it, and so does a connection to a
// server, so that a caller cannot tell near from far. All methods may be called
// concurrently.
type Service interface {
	// Submit accepts a job and returns at once. Submitting the same Spec with
	// the same ID again returns that ID and starts nothing.
	//
	// Errors: InvalidArgument (operation, parameter, policy, deadline), NotFound
	// (no such folder), PermissionDenied (folder outside every root),
	// AlreadyExists (the ID is taken by another Spec), ResourceExhausted (too
	// many jobs), Unavailable.
	Submit(ctx context.Context, spec Spec) (ID, error)
	// Job returns a snapshot. Errors: NotFound, Unavailable.
	Job(ctx context.Context, id ID) (Job, error)
	// Jobs returns snapshots, newest first. Errors: NotFound (f.After), Unavailable.
	Jobs(ctx context.Context, f Filter) ([]Job, error)
	// Cancel ends a job: what is not sent never is, what runs is told to stop.
	// Cancelling a job that has ended is no error. Errors: NotFound, Unavailable.
	Cancel(ctx context.Context, id ID) error
	// Tasks are those of a job, by index, with what they went through. Errors:
	// NotFound, Unavailable.
	Tasks(ctx context.Context, id ID, f TaskFilter) ([]TaskInfo, error)
	// Retry makes what an ended job has not done pending again, and the job queued. Of
	// an input whose parts are not joined, all parts are pending again.
	// Errors: NotFound, FailedPrecondition (it has not ended, or all is done),
	// Unavailable.
	Retry(ctx context.Context, id ID) error
	// Watch sends the present state at once and then each change, coalesced, and
	// closes the channel after the final state, or when ctx ends or the service
	// is lost. With each state come the steps behind the one numbered after, as far as
	// they are remembered: those about inputs outlive the server, those about tasks
	// do not. After may be [NoSteps] or [AllSteps]. Errors: NotFound, Unavailable.
	Watch(ctx context.Context, id ID, after int64) (<-chan Event, error)
}

// Worker runs tasks. A node's worker implements it, and so does a connection to
// a node. All methods may be called concurrently.
type Worker interface {
	// Execute does one attempt and returns when it is done.
	//
	// Errors, by who acts on them (see [Code]):
	//   - ResourceExhausted: rejected, untouched; send it elsewhere.
	//   - InvalidArgument, NotFound, PermissionDenied, FailedPrecondition,
	//     DataLoss: the input or the request is at fault; every node would say
	//     the same.
	//   - Unimplemented: this node does not offer the operation; another may.
	//   - Internal: the operation broke on this node (its process died, hung or
	//     ran out of memory).
	//   - Unavailable, DeadlineExceeded: the node or the way to it is at fault.
	//     The error wraps [ErrNotSent] where the task surely never left, and [ErrLost]
	//     where what broke is not the node's own word.
	//   - Cancelled: ctx ended.
	Execute(ctx context.Context, t Task) (Result, error)
	// Probe asks how busy the node is, without costing it a slot.
	// Errors: Unavailable, DeadlineExceeded, Cancelled.
	Probe(ctx context.Context) (Load, error)
}
