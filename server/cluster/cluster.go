// Package cluster knows the compute nodes: where they are, whether they answer,
// and how busy they are. It holds one connection to each and probes it.
package cluster

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"spillway/job"
	"spillway/server/policy"
)

// Config of a cluster. The zero value takes every default.
type Config struct {
	// ProbeEvery is the time between two probes of a node, and the time that
	// one may take. Default 1 s.
	ProbeEvery time.Duration
	// Misses is how many probes in a row may be missed before a node counts as
	// inaccessible. Default 3.
	Misses int
	// AttemptTimeout is how long a node that has attempts may answer none of
	// them before they are given up, and how much later another may have been
	// sent that is done first. Default 2 min.
	AttemptTimeout time.Duration
	// RegisterEvery is how often a node that joined by itself must say that it is
	// still there. One that has not for three times that, and does not answer
	// probes either, is forgotten. Default 5 s.
	RegisterEvery time.Duration
	// MaxNodes is how many nodes may join by themselves. Default 10,000.
	MaxNodes int
}

// Validate reports the first value that cannot be used.
func (c Config) Validate() error {
	switch {
	case c.ProbeEvery < 0:
		return negative("probe-every", c.ProbeEvery)
	case c.Misses < 0:
		return negative("misses", c.Misses)
	case c.AttemptTimeout < 0:
		return negative("attempt-timeout", c.AttemptTimeout)
	case c.RegisterEvery < 0:
		return negative("register-every", c.RegisterEvery)
	case c.MaxNodes < 0:
		return negative("max-nodes", c.MaxNodes)
	}
	return nil
}

func negative(name string, value any) error {
	return job.E(job.InvalidArgument, name, fmt.Errorf("%v is negative", value), "use a positive value")
}

func (c Config) withDefaults() Config {
	if c.ProbeEvery == 0 {
		c.ProbeEvery = time.Second
	}
	if c.Misses == 0 {
		c.Misses = 3
	}
	if c.AttemptTimeout == 0 {
		c.AttemptTimeout = 2 * time.Minute
	}
	if c.RegisterEvery == 0 {
		c.RegisterEvery = 5 * time.Second
	}
	if c.MaxNodes == 0 {
		c.MaxNodes = 10_000
	}
	return c
}

// Conn is a connection to a node.
type Conn interface {
	job.Worker
	// Profile asks what the node can do.
	Profile(ctx context.Context) (job.Profile, error)
	// Log asks for the last lines of the node's log.
	Log(ctx context.Context, lines int) ([]string, error)
	// Basic tells that the node speaks only the assignment's calls.
	Basic() bool
	// Link is what passed over the connection so far.
	Link() job.Link
	// Close ends the connection and what runs over it.
	Close() error
}

// Connect makes the connection to a member, without dialling yet. It reaches nobody
// who answers at the member's address under another name, where that can be proved.
type Connect func(m Member) Conn

// Member is a node that machine.txt names.
type Member struct {
	ID   job.NodeID
	Addr string
}

// Listener is told of every change that matters to a choice among nodes. Calls
// come one at a time for each node.
type Listener interface {
	NodeChanged(i int, n policy.Node)
}

// Cluster is the nodes that there are, known by their index: each that comes gets
// the next one, and none is used again. It may be used concurrently.
type Cluster struct {
	cfg     Config
	connect Connect
	log     *slog.Logger

	// nodes is by index; those that have left stay in it. It is replaced, and never
	// changed, so that readers need no lock.
	nodes atomic.Pointer[[]*node]

	mu      sync.Mutex // guards what follows, and the replacing of nodes
	byName  map[job.NodeID]*node
	drained map[job.NodeID]bool // by name, so that a node that comes back stays drained
	begin   func(*node)         // probes a node from now on; nil while Run does not run
	stopped bool
}

// New makes a cluster of the members; nothing is dialled before Run.
func New(cfg Config, members []Member, connect Connect, log *slog.Logger) *Cluster {
	c := &Cluster{
		cfg: cfg.withDefaults(), connect: connect, log: log,
		byName: map[job.NodeID]*node{}, drained: map[job.NodeID]bool{},
	}
	c.nodes.Store(&[]*node{})
	for _, m := range members {
		c.add(m, false)
	}
	return c
}

// Run probes every node until ctx ends, tells listener what changes, and closes
// the connections.
func (c *Cluster) Run(ctx context.Context, listener Listener) error {
	var wg sync.WaitGroup
	begin := func(n *node) {
		n.mu.Lock()
		n.listener = listener
		n.mu.Unlock()
		wg.Go(func() { c.watch(ctx, n) })
	}
	c.mu.Lock()
	for _, n := range c.all() {
		begin(n)
	}
	c.begin = begin
	c.mu.Unlock()
	<-ctx.Done()
	c.mu.Lock()
	c.begin, c.stopped = nil, true
	c.mu.Unlock()
	wg.Wait()
	for _, n := range c.all() {
		n.hangUp()
	}
	return nil
}

// all is every node that there ever was.
func (c *Cluster) all() []*node { return *c.nodes.Load() }

// present calls yield for each node that has not left.
func (c *Cluster) present(yield func(*node) bool) {
	for _, n := range c.all() {
		if !n.isGone() && !yield(n) {
			return
		}
	}
}

// Len is how many indices are in use: of the nodes that there are, and of those
// that have left. It only grows.
func (c *Cluster) Len() int { return len(c.all()) }

// ID is the name of node i.
func (c *Cluster) ID(i int) job.NodeID { return c.all()[i].id }

// Execute sends one attempt to node i, as [job.Worker] promises. An attempt on a
// node that turns inaccessible, or goes quiet, ends at once with Unavailable.
func (c *Cluster) Execute(ctx context.Context, i int, t job.Task) (job.Result, error) {
	return c.all()[i].execute(ctx, t)
}

// forgetful is a connection to a node that may keep files of a job.
type forgetful interface {
	Forget(ctx context.Context, id job.ID) error
}

// Forget tells the nodes that may keep files of a job that it has ended. It waits for a
// node that does not answer only shortly.
func (c *Cluster) Forget(ctx context.Context, id job.ID) {
	var wg sync.WaitGroup
	for _, n := range c.all() {
		if f, ok := n.conn.(forgetful); ok {
			wg.Go(func() {
				if err := f.Forget(ctx, id); err != nil {
					c.log.Info("node not told that a job ended", "node", n.id, "job", id, "err", err)
				}
			})
		}
	}
	wg.Wait()
}

// Probe asks node i for its load. Errors: those of [job.Worker].
func (c *Cluster) Probe(ctx context.Context, i int) (job.Load, error) {
	return c.all()[i].conn.Probe(ctx)
}

// Nodes describes every node, in order of their coming: first those of machine.txt
// as it was read at the start.
func (c *Cluster) Nodes(context.Context) ([]job.Node, error) {
	all := make([]job.Node, 0, c.Len())
	for n := range c.present {
		all = append(all, n.describe())
	}
	return all, nil
}

// Operations are those that some node offers, by name; none while no node has
// told.
func (c *Cluster) Operations() []job.OperationInfo {
	var all []job.OperationInfo
	for n := range c.present {
		for _, info := range n.describe().Operations {
			if !slices.ContainsFunc(all, func(o job.OperationInfo) bool { return o.Name == info.Name }) {
				all = append(all, info)
			}
		}
	}
	return all
}

// Trouble says in one line why no node can be used.
func (c *Cluster) Trouble() string {
	known, draining := false, job.NodeID("")
	for n := range c.present {
		known = true
		switch d := n.describe(); {
		case d.State == job.Inaccessible && d.Err != "":
			return fmt.Sprintf("no node answers (%s: %s)", d.ID, d.Err)
		case d.State == job.Draining:
			draining = d.ID
		}
	}
	switch {
	case !known:
		return "there is no node; add one to machine.txt, or start one with --controller"
	case draining != "":
		return fmt.Sprintf("every node that answers drains (such as %s)", draining)
	}
	return "no node answers"
}
