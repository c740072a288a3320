package job

import (
	"slices"
	"time"
)

// ID names a job. A client makes it, so that the same submission sent twice is
// one job; see [NewID].
type ID string

// NodeID names a compute node, as machine.txt does: node_0.
type NodeID string

// State is where a job stands.
//
//	queued ──► running ──► succeeded
//	   │          ├──────► failed      some task failed, or the job could not go on
//	   └──────────┴──────► cancelled
type State string

// The states of a job.
const (
	Queued    State = "queued"    // accepted, not started
	Running   State = "running"   // its tasks are being sent
	Succeeded State = "succeeded" // every task is done
	Failed    State = "failed"    // ended, and at least one task is not done
	Cancelled State = "cancelled" // ended because somebody asked
)

// Final reports whether a job in this state will never change again.
func (s State) Final() bool { return s == Succeeded || s == Failed || s == Cancelled }

// Spec is what a submission asks for.
type Spec struct {
	// ID makes the submission idempotent. Empty: the service makes one.
	ID ID
	// Source is the folder that holds input_dir, absolute or relative to the
	// server's root.
	Source string
	// Operation is what is done to each input. Zero: [DefaultOperation].
	Operation Operation
	// Policy names the policy that chooses nodes. Empty: the server's default.
	Policy string
	// Deadline is how long the job may take from its submission. Zero: no bound.
	Deadline time.Duration
	// Priority orders waiting jobs: a higher one starts first, and within one the
	// job that was submitted first. Default 0, from [MinPriority] to [MaxPriority].
	Priority int
	// Tags are those that a node must have to get a task of the job. Default: none.
	Tags []string
	// Keep is how long the job is remembered after its end. Zero: the server's.
	Keep time.Duration
	// Trace is a W3C traceparent: of the trace that the submission is part of, and of
	// a job that was accepted, the step that its own are below. What is none is
	// ignored. Empty: the server begins a trace where it makes any.
	Trace string
}

// Equal reports whether both ask for the same. Traces do not count: a submission that is
// repeated may be part of another.
func (s Spec) Equal(o Spec) bool {
	return s.ID == o.ID && s.Source == o.Source && s.Operation.Equal(o.Operation) && s.Policy == o.Policy &&
		s.Deadline == o.Deadline && s.Priority == o.Priority && slices.Equal(s.Tags, o.Tags) && s.Keep == o.Keep
}

// The range of priorities.
const (
	MinPriority = -100
	MaxPriority = 100
)

// Job is a snapshot of one job. It shares nothing with the service's own state,
// so the holder may keep and change it.
type Job struct {
	ID    ID
	Spec  Spec
	State State
	// Version grows with every change; two snapshots with one version are equal.
	Version int64

	Created  time.Time
	Started  time.Time // zero until running
	Finished time.Time // zero until final

	// Total is the number of tasks; it is final only when Counted is true,
	// because a source is listed while its tasks already run.
	Total   int64
	Counted bool
	// Skipped counts what lies among the inputs and is none: files with other
	// endings, and folders. Hidden files do not count.
	Skipped int64
	// Done, Failed and Quarantined count finished tasks; Running counts tasks
	// that are being sent, worked on or parked. The other tasks of a job that was
	// cancelled are none of these.
	Done, Failed, Quarantined, Running int64
	// Parked is how many of the running tasks wait because no node takes them,
	// and Waiting says why the last of them does; or, once all tasks have ended, what of
	// their outputs is being joined.
	Parked  int64
	Waiting string

	// Position is how far a queued job is from its start, 1 being the next, and
	// Reason why it waits.
	Position int
	Reason   string

	// Nodes has a row for each node that the job was sent to, in order of name.
	Nodes []Tally
	// Failures names tasks that are not done and why, at most [MaxFailures] of them.
	Failures []Failure
	// Err says why the job as a whole ended early; nil otherwise.
	Err *Error
}

// MaxFailures bounds the failures that a job remembers by name; the counts go on.
const MaxFailures = 1000

// Elapsed is the time from submission to the end, or to now for a job that runs.
func (j Job) Elapsed(now time.Time) time.Duration {
	if j.State.Final() {
		now = j.Finished
	}
	return now.Sub(j.Created)
}

// Ended is the number of tasks that will not be tried again.
func (j Job) Ended() int64 { return j.Done + j.Failed + j.Quarantined }

// Stalled tells of a job that ended since no node worked on it for long: without a
// deadline, nothing else ends one so.
func (j Job) Stalled() bool {
	return j.State == Failed && j.Spec.Deadline == 0 && j.Err != nil && j.Err.Code == DeadlineExceeded
}

// Tally counts what one node did for one job.
type Tally struct {
	Node NodeID
	// Done, Rejected, Delayed, Failed and Superseded count attempts: finished, turned
	// away, finished after the injected delay, broken in any other way, and cancelled
	// because another of the same task was faster.
	Done, Rejected, Delayed, Failed, Superseded int64
	// Busy is the time that the done attempts took, seen from the server, from
	// sending to the answer.
	Busy time.Duration
}

// Mean is the mean time of a done attempt, zero where there is none.
func (t Tally) Mean() time.Duration {
	if t.Done == 0 {
		return 0
	}
	return t.Busy / time.Duration(t.Done)
}

// Failure names one task that is not done.
type Failure struct {
	Name     string // file name within input_dir
	Attempts int    // how often it was sent and not rejected
	Nodes    []NodeID
	// Quarantined is true for an input that broke every node it was tried on.
	Quarantined bool
	Err         *Error
}

// Filter selects jobs. The zero Filter selects all that are remembered.
type Filter struct {
	States []State // empty: every state
	Limit  int     // so many at most; 0: 100
	// After is the last job of the page before; empty: from the first.
	After ID
	// OldestFirst turns the order round, which is newest first.
	OldestFirst bool
}
