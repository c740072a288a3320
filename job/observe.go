package job

import "time"

// AttemptOutcome is how an attempt ended, for those who count.
type AttemptOutcome string

// The outcomes of attempts.
const (
	AttemptDone       AttemptOutcome = "done"
	AttemptRejected   AttemptOutcome = "rejected"   // the node turned it away, untouched
	AttemptFailed     AttemptOutcome = "failed"     // the node took it, and did not do it
	AttemptSuperseded AttemptOutcome = "superseded" // another of the task was faster
	AttemptCancelled  AttemptOutcome = "cancelled"  // nobody wants it any more
	AttemptUnsent     AttemptOutcome = "unsent"     // the node was not reached
)

// Tried is an attempt that has ended, for those who count.
type Tried struct {
	Policy    string // its name, without parameters
	Operation string // its name alone
	Node      NodeID
	Outcome   AttemptOutcome
	Took      time.Duration // from its sending
	Copy      bool          // it ran beside another, which took long
	Again     bool          // it is no copy, and another came before it
	Delayed   bool          // it is done, and the node delayed it first
	// AskedToWait tells that the node, which rejected it, said when to come again.
	AskedToWait bool
}

// Standing is how much a server has to do at a moment.
type Standing struct {
	Queued, Running int // jobs

	// Pending are the tasks that have not begun. Of those that have, Waiting want a node
	// or room in the window, Parked pause since no node takes them, Sent are at a node,
	// or on the way there, and of Ending only the end is still to be kept.
	Pending, Waiting, Parked, Sent, Ending int64

	// Window is how many tasks may be in flight, InFlight how many are.
	Window, InFlight int

	// OldestJob is how long the job has been there that has waited longest for its turn,
	// OldestTask how long ago the first of those tasks began that wait or are parked;
	// 0: none does.
	OldestJob, OldestTask time.Duration

	// Limits are how many attempts the nodes that are up may have at once, by policies that
	// jobs use and that bound it.
	Limits []Limit
}

// Limit is how many attempts a policy lets a node have at once.
type Limit struct {
	Policy   string // its name, without parameters
	Node     NodeID
	Attempts int
}

// Call is a call of the HTTP API that has been answered.
type Call struct {
	Route  string // as it is declared, with the names of its parameters; "": there is none
	Method string // as it came
	Status int    // 0: the answer was broken off
	Took   time.Duration
	// Received and Sent are the bytes of the bodies.
	Received, Sent int64
}
