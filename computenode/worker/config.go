package worker

import (
	"errors"
	"fmt"
	"runtime"

	"spillway/computenode/workspace"
	"spillway/job"
)

// DefaultWaiting and MaxSlots bound a node; see [Config].
const (
	DefaultWaiting = 16384
	MaxSlots       = 4096
)

// Config says what a node is. Node must be set.
type Config struct {
	// Node is the name under which it answers.
	Node job.NodeID
	// Slots is how many tasks are worked on at once. Zero: one a core.
	Slots int
	// Waiting bounds the admitted tasks that wait, in the injected delay or for a
	// slot. Zero: 16384. Beyond it a task that may be rejected is. One that may
	// not be waits all the same, since its caller has no way to hear a refusal:
	// it holds its caller's connection while it waits, and the server of this
	// node bounds those.
	Waiting int
	// Machine and Tags are what its profile says of them.
	Machine job.Machine
	Tags    []string
	// Workspace takes the files of tasks whose folder the node does not see. nil:
	// such tasks fail.
	Workspace *workspace.Workspace
}

// Validate reports the first field that cannot be used. Errors: InvalidArgument.
func (c Config) Validate() error {
	bad := func(why, hint string) error {
		return job.E(job.InvalidArgument, "node", errors.New(why), hint)
	}
	switch {
	case c.Node == "":
		return bad("it has no name", "give one with --name")
	case c.Slots < 0 || c.Slots > MaxSlots:
		return bad(fmt.Sprintf("%d slots are not possible", c.Slots), fmt.Sprintf("use 1 to %d, or 0 for one a core", MaxSlots))
	case c.Waiting < 0:
		return bad(fmt.Sprintf("%d waiting tasks are not possible", c.Waiting), "use 1 or more, or 0 for the default")
	}
	return job.CheckTags(c.Tags)
}

// withDefaults fills in what is zero.
func (c Config) withDefaults() Config {
	if c.Slots == 0 {
		c.Slots = runtime.GOMAXPROCS(0)
	}
	if c.Waiting == 0 {
		c.Waiting = DefaultWaiting
	}
	return c
}
