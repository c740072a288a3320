// Package policy decides which node gets the next attempt of a task.
//
// A policy is pure: it is told what happens and when, draws from the randomness
// it is given, and does no I/O; so server, simulator and tests run the same code.
// A [Dispatcher] is a policy with all that stands around it: the tasks that wait
// for a node, the nodes that are left out for a while, the probes that are due.
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
	// Pick returns a node that is up and not excluded where the verdict is Chosen.
	// It changes nothing that counts: who sends the attempt says so with Observe. It
	// does not allocate.
	Pick(now time.Time, r Request) (i int, v Verdict)
	// Observe tells what happened to an attempt. It does not allocate.
	Observe(now time.Time, o Observation)
	// Traits are what the policy wants of those around it; they do not change.
	Traits() Traits
}

// Prober is a policy that asks nodes for their load before it needs it.
type Prober interface {
	Policy
	// Probes appends the nodes to ask now to the slice, and returns it. It is called
	// after each Pick, and while nothing is picked once in a while.
	Probes(now time.Time, r *rand.Rand, to []int) []int
	// ProbeAt is when Probes is to be called while something waits, if nothing happens
	// before; zero: as good as any time.
	ProbeAt() time.Time
	// Probed is the answer of node i; nil: none came.
	Probed(now time.Time, i int, l *job.Load)
}

// Feeler is a policy that feels nodes out of which nothing is known: those had better get a
// small task first, since a large one on a slow node ends after all others.
type Feeler interface {
	// Feels tells that the next of so many tasks that wait would go to such a node.
	Feels(tasks int) bool
}

// Limiter is a policy that bounds how many attempts a node has by what it has learned.
type Limiter interface {
	Policy
	// Limit is how many attempts node i, which is known, may have now.
	Limit(i int) int
}

// LateWatcher is a policy that bounds how many attempts a node has. One that is overdue
// may be delayed, or lost, and take no slot of the node.
type LateWatcher interface {
	Policy
	// Late notes that an attempt at node i is overdue; the Observation of its end has
	// Late set.
	Late(now time.Time, i int)
}

// Verdict is what a Pick came to.
type Verdict int

// Nobody is left to ask: a task that hears it is parked and has a new round. Busy: a
// node that is up and not excluded will be ready later, so ask again once an attempt
// has ended or a node has changed.
const (
	Nobody Verdict = iota
	Busy
	Chosen
	TooLate // of a Dispatcher alone: the task's deadline cannot be met any more
)

// Traits are what a policy wants of those around it.
type Traits struct {
	// MayReject tells whether nodes may turn its tasks away. Where false they may
	// only delay them.
	MayReject bool
	// Baseline tells that it is one of the assignment's: nothing is hedged, throttled
	// or ejected, so that its closed form holds.
	Baseline bool
	// Latency tells that its choices rest on the latency that nodes expect.
	Latency bool
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
	// Excluded are the nodes left out of this round; nil: none. Turned are those of them
	// that only turned the task away: after a short pause it may ask them again.
	Excluded, Turned *Set
	// Work is how much there is to do, in any unit that is the same for all tasks of
	// the policy, such as pixels; 0: unknown, which counts as 1.
	Work float64
	// Backlog is the work of all tasks that wait for a node, this one's included; 0:
	// unknown, which counts as this one's alone.
	Backlog float64
}

// Kind is what happened to an attempt.
type Kind int

// An attempt is sent once, and then ends in exactly one of the other ways.
const (
	Sent       Kind = iota // the attempt left for the node
	Done                   // the node did the task
	Rejected               // the node turned it away
	Broke                  // the node or the way to it broke
	Cancelled              // nobody wants the answer any more; says nothing of the node
	Superseded             // another attempt of the task was faster; this one took at least Latency
)

// Observation is one thing that happened.
type Observation struct {
	Node int
	Kind Kind
	// Latency is the time since the attempt was sent; zero for Sent.
	Latency time.Duration
	// Run is the time of the operation itself, by the node's own word; 0: unknown.
	Run time.Duration
	// Work is that of the task's Request.
	Work float64
	// Late tells of the end of an attempt that it was overdue; see LateWatcher.
	Late bool
	// Load is the node's own word, where its answer held one.
	Load *job.Load
}

// work is how much an observation or request tells of, 1 where it does not.
func work(w float64) float64 {
	if w > 0 {
		return w
	}
	return 1
}
