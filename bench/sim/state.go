package sim

import (
	"math/rand/v2"

	"spillway/computenode/admission"
	"spillway/job"
	"spillway/server/policy"
	"spillway/server/tail"
)

// task is one that has come and has not ended, or one whose place is free.
type task struct {
	waiter  policy.Waiter[int32]
	flow    policy.Flow[int32] // of its own, where tasks come one by one, as jobs
	arrived int64              // ns: the intended start
	size    float64            // ns on a node of speed 1
	number  int                // among all tasks, as they came
	gen     uint32
	server  int32
	attempt int32 // the newest that is under way; -1: none
	free    int32 // the next free place
	broke   int32
	running int16 // attempts under way

	last      bool // the race is over: no more copies
	begun     bool // counted in for copies
	token     bool // a copy looks for a node, which was taken from the budget
	turnedOff bool // some node has turned it away in this round
	owes      bool // a retry, to the budget
	sent      bool // at least once

	overdue  int64 // ns: so long after its sending an attempt is; 0: never
	after    int64 // ns: another copy is due so long after the last
	pause    int64 // ns until the next look whether it may have one
	hedgeAt  int64 // when it may get a copy
	recopyAt int64 // when the pause of its copy is over
	retryIn  int64 // ns: when the nodes of this round want to be asked again

	rounds     tail.Pause  // draws the pauses between its rounds,
	await      tail.Pause  // how long it waits for busy nodes alone where others turned it away,
	copyRounds tail.Pause  // and both of the copy that looks for a node
	excluded   *policy.Set // nodes left out of its round; nil, here and below: none
	away       *policy.Set // nodes that turned it away in this round
	turned     *policy.Set // nodes left out of the copy's round,
	off        *policy.Set // and of them those that turned the copy away
	anew       bool        // the copy is past its first round
	failed     *policy.Set // nodes that broke it in this round
}

// place is where an attempt is.
type place uint8

const (
	delayed place = iota
	queued
	running
	lists
	onTheWay
	gone // its answer is on the way, or it hangs on a dead node
)

// outcome is what the answer to an attempt says.
type outcome uint8

const (
	done outcome = iota
	rejected
	broke
)

// attempt is one of a task on a node.
type attempt struct {
	sent, began int64   // ns; began: when it began to wait, and then to run at its present speed
	start       int64   // ns: when it began to run
	due         int64   // when it finishes, if nothing changes
	size, left  float64 // of its task, and of it what is left to do
	ran         float64 // ns on the node
	expires     int64   // the deadline, where there is one
	retryAfter  int64   // ns, by the word of the node that turned it away; 0: none
	load        load
	task, node  int32
	number      int32 // of its task among all
	gen         uint32
	next, prev  int32 // in the node's list; -1: none
	sibling     int32 // the next attempt of the task; -1: none
	place       place
	outcome     outcome
	cancelled   bool // nobody waits for it,
	withdrawn   bool // and its node knows
	copied      bool // a second copy,
	token       bool // which was taken from the budget
	late        bool // overdue, by the word of its server
	slept       bool // in the injected delay
}

// load is a node's own word, in little room.
type load struct {
	running, queued, delayed int32
	mean, latency            int64 // ns
	draining                 bool
}

// list is attempts, linked through next and prev.
type list struct{ head, tail, size int32 }

// node is one that runs attempts.
type node struct {
	lists      [lists]list
	slots      int32
	speed      float64                // as configured
	factor     float64                // on it now
	gate       *admission.Gate[int32] // nil: none
	asksAt     int64                  // when its gate is asked again at the latest
	index      int32
	draws      *rand.Rand // of its rejections; nil: none
	reject     float64
	mean       int64 // ns: moving average of the operation time
	seen       int64 // when servers learn how it died; see Detection
	told       bool  // servers think that it is up
	dead       bool
	draining   bool
	antagonist bool
	busy       float64 // ns, of all slots
	first      int     // first attempts of tasks that were sent to it
	late       int
	attempts   int
	rejected   int
	completed  int
}

func (n *node) rate() float64 { return n.speed * n.factor }

// server is one that spreads tasks.
type server struct {
	dispatcher *policy.Dispatcher[int32]
	flow       policy.Flow[int32] // of a batch
	pace       policy.Pace
	hedge      *tail.Hedge
	budget     *tail.Budget
	rand       *rand.Rand
	armed      bool     // it looks again soon at those who wait,
	asks       bool     // and at its probes
	owing      []ticket // tasks that wait for a retry
	probing    int      // probes that are out
	touched    bool     // its dispatcher may have something ready
}

// probe is a question to a node.
type probe struct {
	load         load
	server, node int32
	lost         bool
	free         int32
}

// smoothing is the weight of the newest task in a node's mean: 1/smoothing, as in
// the nodes' own.
const smoothing = 16

func (n *node) load() load {
	if n.gate != nil {
		l := n.gate.Load()
		return load{
			running: int32(l.Running), queued: int32(l.Queued), delayed: int32(l.Delayed),
			mean: int64(l.Mean), latency: int64(l.Latency), draining: n.draining,
		}
	}
	return load{
		running: n.lists[running].size, queued: n.lists[queued].size, delayed: n.lists[delayed].size,
		mean: n.mean, draining: n.draining,
	}
}

// word is a load as the wire has it.
func (l load) word(slots int32, to *job.Load) *job.Load {
	to.Slots, to.Running, to.Queued, to.Delayed = int(slots), int(l.running), int(l.queued), int(l.delayed)
	to.Mean, to.Latency, to.Draining = duration(l.mean), duration(l.latency), l.draining
	return to
}
