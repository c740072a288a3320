// Package policy decides which node gets the next attempt of a task.
//
// A policy is pure: it is told what happens and when, draws from the randomness
// it is given, and does no I/O; so server, simulator and tests run the same code.
package policy

import (
	"math/rand/v2"
	"time"

	"spillway/job"
)

// Policy decides which node gets the next attempt. Nodes are known by their
// index, which never changes. A policy is not safe for concurrent use: its
// caller serialises the calls, and now never goes back.
type Policy interface {
	// Set makes node i known, or tells what changed about it.
	Set(now time.Time, i int, n Node)
	// Pick returns a node that is up and not excluded; false where the policy
	// has none for this task now. It does not allocate.
	Pick(now time.Time, r Request) (i int, ok bool)
	// Observe tells what happened to an attempt. It does not allocate.
	Observe(now time.Time, o Observation)
	// MayReject tells whether nodes may turn this policy's tasks away. Where
	// false they may only delay them.
	MayReject() bool
}

// Node is what a policy knows of a node before it sends anything.
type Node struct {
	ID    job.NodeID
	Up    bool // may be picked: answers, and is not draining
	Slots int  // tasks that it works on at once; 0: unknown
	// Tags are those that a task may require; known once the node has answered.
	Tags []string
	// Gone tells that it has left for good, and its index with it.
	Gone bool
}

// Request is one decision to make.
type Request struct {
	// Rand is the source of every draw.
	Rand *rand.Rand
	// Excluded are the nodes left out of this round; nil: none.
	Excluded *Set
	// Size is the task's input in bytes; 0: unknown.
	Size int64
}

// Kind is what happened to an attempt.
type Kind int

// An attempt is sent once, and then ends in exactly one of the other ways.
const (
	Sent      Kind = iota // the attempt left for the node
	Done                  // the node did the task
	Rejected              // the node turned it away
	Broke                 // the node or the way to it broke
	Cancelled             // nobody wants the answer any more; says nothing of the node
)

// Observation is one thing that happened.
type Observation struct {
	Node int
	Kind Kind
	// Latency is the time since the attempt was sent; zero for Sent.
	Latency time.Duration
	// Load is the node's own word, where its answer held one.
	Load *job.Load
}
