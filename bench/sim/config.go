// Package sim plays a fleet: servers that spread tasks over nodes, event by event, in
// simulated time. The decisions are those of the programs: it calls the very same
// policies, hedges, budgets and admission controllers as server and nodes do.
//
// It is pure: the same [Config] gives the same [Result], bit by bit. Arrivals, sizes
// and what befalls the nodes are drawn from streams of their own, so that they are
// the same for every policy under the same seed (common random numbers).
package sim

import (
	"errors"
	"fmt"
	"time"

	"spillway/computenode/admission"
	"spillway/job"
	"spillway/server/policy"
	"spillway/server/tail"
)

// Config is one run. Policy (or Central), Nodes and Tasks must be set; the zero value
// of all else is its default.
type Config struct {
	// Policy is a word as [policy.New] takes it.
	Policy string
	// Central plays a reference instead of a policy: one ideal queue over the same
	// nodes, arrivals, sizes and changes, first come first served, which knows no
	// sizes. Any free slot of a node that is up takes the head, that of the fastest
	// node first, without a round trip. Nobody delays or rejects.
	Central bool
	// Seed begins every stream of draws.
	Seed uint64

	// Servers spread tasks, each with a dispatcher of its own over the same nodes. A
	// task comes to one of them by chance. Default 1.
	Servers int
	// RTT is the round trip between server and node; negative: none. Default 0.2 ms.
	RTT time.Duration
	// Jitter is sigma of the lognormal factor, of mean 1, on each way. Default 0.
	Jitter float64

	// Nodes are what tasks run on.
	Nodes []Node
	// Admission is the controller of every node that has a load probability, as
	// [admission.New] takes it. Default "probability".
	Admission string
	// Antagonists slow nodes down for a while.
	Antagonists Antagonists
	// Flap lets nodes die and return by chance.
	Flap Flap
	// Changes befall nodes at given times.
	Changes []Change
	// Detection is how long servers need to learn that a node died or returned, beside
	// half a round trip. Until then attempts on a dead node hang. Default 0: the
	// connection breaks.
	Detection time.Duration

	// Tasks is how many come.
	Tasks    int
	Arrivals Arrivals
	Sizes    Sizes
	// Unknown hides the sizes from the servers.
	Unknown bool
	// Deadline is how long after its arrival a task's answer is worth nothing any more,
	// and the server gives it up; 0: never.
	Deadline time.Duration

	// Copies is the most attempts of a task at once, where the policy hedges. Default 3.
	Copies int
	// Hedge is how hedges are decided, but for Budget, which is the policy's.
	Hedge tail.HedgeConfig
	// Retry is the budget of retries after failures.
	Retry tail.BudgetConfig

	// Warmup is how many tasks, the first to arrive, are left out of Latency, Goodput and
	// the nodes' Late.
	Warmup int
	// Bucket is the first width of the buckets of [Result.Series]. It doubles whenever
	// there are more than 512. Default 100 ms.
	Bucket time.Duration
	// Trace is how many attempts [Result.Trace] holds at most.
	Trace int
	// Horizon is when the run ends, whatever is left; such tasks are Unfinished.
	// Default 24 h.
	Horizon time.Duration
}

// Node is one compute node.
type Node struct {
	// Slots is how many tasks run at once. Default 1.
	Slots int
	// Speed is how much faster than a node of speed 1 each slot is. Default 1.
	Speed float64
	// Probability and Delay are the injected load, as the assignment has it.
	Probability float64
	Delay       time.Duration
	// Reject is the chance that a task that may be rejected is, before all else.
	Reject float64
}

// Antagonists are other programs on the nodes' machines: a node of them is slowed
// down for a time of mean On, then let alone for one of mean Off, both exponential.
type Antagonists struct {
	// Part of the nodes that have one, 0 to 1, drawn by chance.
	Part    float64
	On, Off time.Duration
	// Factor is on the node's speed meanwhile, such as 0.3.
	Factor float64
}

// Flap lets a Part of the nodes, drawn by chance, die after a time of mean Up and
// return after one of mean Down, both exponential.
type Flap struct {
	Part     float64
	Up, Down time.Duration
}

// Event is what befalls a node.
type Event int

// What may befall a node. What runs or waits on a node that dies is lost. One that
// drains finishes what it has and rejects all else.
const (
	Die Event = iota
	Return
	Drain
)

// Change befalls a node at a time.
type Change struct {
	At    time.Duration
	Node  int
	Event Event
}

// withDefaults fills in what is zero.
func (c Config) withDefaults() Config {
	def(&c.Servers, 1)
	def(&c.Copies, 3)
	def(&c.RTT, 200*time.Microsecond)
	def(&c.Bucket, 100*time.Millisecond)
	def(&c.Horizon, 24*time.Hour)
	def(&c.Admission, "probability")
	def(&c.Sizes.Mean, 10*time.Millisecond)
	c.RTT = max(0, c.RTT)
	c.Nodes = append([]Node(nil), c.Nodes...)
	for i := range c.Nodes {
		def(&c.Nodes[i].Slots, 1)
		def(&c.Nodes[i].Speed, 1)
	}
	return c
}

func def[T comparable](v *T, unless T) {
	var zero T
	if *v == zero {
		*v = unless
	}
}

// Validate reports the first field that cannot be used. Errors: InvalidArgument.
func (c Config) Validate() error {
	c = c.withDefaults()
	switch {
	case len(c.Nodes) == 0:
		return bad("nodes", "there are none", "give 1 or more")
	case c.Tasks < 1:
		return bad("tasks", fmt.Sprintf("%d of them are nothing to do", c.Tasks), "give 1 or more")
	case c.Servers < 1:
		return bad("servers", fmt.Sprintf("%d of them serve nobody", c.Servers), "give 1 or more")
	case c.Jitter < 0 || c.Detection < 0 || c.Deadline < 0 || c.Bucket < 0 || c.Horizon < 0:
		return bad("times", "one of jitter, detection, deadline, bucket and horizon is negative", "give 0 or more")
	case c.Copies < 1 || c.Warmup < 0 || c.Trace < 0:
		return bad("counts", "copies is less than 1, or warmup or trace negative", "give what they count")
	}
	for i, n := range c.Nodes {
		if err := n.validate(i); err != nil {
			return err
		}
	}
	return c.validateParts()
}

func (n Node) validate(i int) error {
	what := fmt.Sprintf("node %d", i)
	switch {
	case n.Slots < 1:
		return bad(what, fmt.Sprintf("%d slots do nothing", n.Slots), "give 1 or more")
	case !(n.Speed > 0):
		return bad(what, fmt.Sprintf("the speed %v is not above 0", n.Speed), "give a factor such as 0.5")
	case !chance(n.Probability) || !chance(n.Reject):
		return bad(what, "a probability is not between 0 and 1", "give a number from 0 to 1")
	case n.Delay < 0:
		return bad(what, fmt.Sprintf("the delay %v is in the past", n.Delay), "give 0 or more")
	}
	return nil
}

func (c Config) validateParts() error {
	for i, ch := range c.Changes {
		if ch.At < 0 || ch.Node < 0 || ch.Node >= len(c.Nodes) {
			return bad(fmt.Sprintf("change %d", i), fmt.Sprintf("there is no node %d at %v", ch.Node, ch.At), "name a node that there is, at 0 or later")
		}
	}
	if !c.Central {
		if _, err := policy.New(c.Policy); err != nil {
			return err
		}
		if _, err := admission.New(c.Admission, admission.Config{}); err != nil {
			return err
		}
	}
	for _, err := range []error{c.Antagonists.validate(), c.Flap.validate(), c.Sizes.validate()} {
		if err != nil {
			return err
		}
	}
	return c.Arrivals.validate(c.Tasks)
}

func (a Antagonists) validate() error {
	if !chance(a.Part) || a.Part > 0 && (a.On <= 0 || a.Off <= 0 || !(a.Factor > 0)) {
		return bad("antagonists", "part must be from 0 to 1, and on, off and the factor must be above 0", "such as part 0.3, on 2s, off 8s, factor 0.3")
	}
	return nil
}

func (f Flap) validate() error {
	if !chance(f.Part) || f.Part > 0 && (f.Up <= 0 || f.Down <= 0) {
		return bad("flaps", "part must be from 0 to 1, and the times up and down above 0", "such as part 0.2, up 30s, down 5s")
	}
	return nil
}

func chance(p float64) bool { return p >= 0 && p <= 1 }

func bad(what, why, hint string) error {
	return job.E(job.InvalidArgument, what, errors.New(why), hint)
}
