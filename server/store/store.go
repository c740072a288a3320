// Package store keeps jobs so that nothing accepted is lost: what was submitted,
// and how each of its tasks ended. What is under way, and the nodes, live in the
// server's memory.
//
// A job's inputs are kept in pages of names, and the end of a task as one row: a
// job of a million files costs some thousand rows when it is submitted. What has
// no outcome is to be done, after a crash as before.
//
// A job belongs to one server at a time, its owner, for as long as the owner's
// lease lasts. Each change of owner raises the job's epoch; what a former owner
// still wants to write is refused by it (fencing; Kleppmann 2016).
package store

import (
	"context"
	"errors"
	"time"

	"spillway/job"
)

// ErrStale tells that the caller is not the job's owner any more, or that the
// task had ended before. Nothing was changed.
var ErrStale = errors.New("it belongs to another server, or has ended before")

// defaultLease is that of an owner who submits without naming one.
const defaultLease = 10 * time.Second

// Job is a job as it is kept.
type Job struct {
	// Job has no running or parked tasks.
	job.Job
	// Asked is what the client asked for, before a server filled its defaults in.
	Asked job.Spec
	// Base is the absolute path of its folder.
	Base string
	// Owner is the server that it belongs to; empty: none yet.
	Owner string
	// Epoch grows with each change of owner.
	Epoch int64
	// Seq is the order of submission: a later job has a greater one.
	Seq int64
	// Deadline is when it is to have ended: Spec.Deadline after its submission, or
	// after its last retry. Zero: never.
	Deadline time.Time
	// Steps are the latest that were kept, at most [job.MaxSteps].
	Steps []job.Step
	// CancelAsked tells that somebody asked for its end.
	CancelAsked bool
}

// Same reports whether a submission is the one that made the job, told again: the
// client asked for the same then, whatever the defaults of the server that got it
// this time, or it comes to the same.
func (j Job) Same(spec, asked job.Spec) bool {
	return j.Asked.Equal(asked) || j.Spec.Equal(spec)
}

// Submission is a job to be kept, with its tasks.
type Submission struct {
	Spec job.Spec // complete, with its ID
	// Asked is what the client asked for, of which Spec is made. Without an ID: Spec.
	Asked job.Spec
	Base  string
	Owner string // empty: whoever claims it first
	// Lease is how long the owner has it, as in Claim. Zero: 10 s.
	Lease   time.Duration
	Created time.Time
	Skipped int64
	// Inputs calls yield with the name of each input until it returns false. Tasks
	// are numbered in this order. Its error undoes the submission. It must not call
	// the store.
	Inputs func(ctx context.Context, yield func(name string) bool) error
	// Steps tells, once Inputs has ended, what is to be kept with the job of how its
	// inputs were listed. Their numbers ascend. nil: nothing.
	Steps func() []job.Step
}

// steps are those of the submission.
func (s Submission) steps() []job.Step {
	if s.Steps == nil {
		return nil
	}
	return s.Steps()
}

// asked is what the client asked for.
func (s Submission) asked() job.Spec {
	if s.Asked.ID == "" {
		return s.Spec
	}
	return s.Asked
}

// Input is a task to be done.
type Input struct {
	Index int64
	Name  string
	// Attempts is how often the task was sent before and taken by a node, since its
	// submission or its last retry. Tried are these attempts, oldest first.
	Attempts int
	Tried    []job.Attempt
	// Number is the highest number that an attempt of it ever had; 0: none.
	Number int
}

// Outcome is the end of one task.
type Outcome struct {
	Job   job.ID
	Epoch int64 // of the one who tells
	Index int64
	State job.TaskState // TaskDone, TaskFailed or TaskQuarantined
	At    time.Time
	// Last is the attempt that ended it, whose error is the task's. It may have been
	// noted before, as an Interim of that number, and is one attempt then. Number 0: no
	// node had the task when it ended, and there is the error alone.
	Last job.Attempt
	// Attempts is how often it was sent and taken by a node, and Nodes which those
	// were that did not do it.
	Attempts int
	Nodes    []job.NodeID
}

// Interim is what is worth keeping of a task that has not ended, or of a job.
type Interim struct {
	Job   job.ID
	Epoch int64
	Index int64
	// Attempt is one that a node took and did not do. Zero: none.
	Attempt job.Attempt
	// Tally is to be added to the job's tally of its node. Zero: nothing is.
	Tally job.Tally
}

// Ending is the end of a job.
type Ending struct {
	Job   job.ID
	Epoch int64 // of the one who tells
	// Version is that of the job's last snapshot, where it is greater than the kept one.
	Version int64
	State   job.State // Succeeded, Failed or Cancelled
	Err     *job.Error
	At      time.Time
}
