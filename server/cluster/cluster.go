// Package cluster knows the compute nodes: where they are, whether they answer,
// and how busy they are. It holds one connection to each and probes it.
package cluster

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
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
	return c
}

// Conn is a connection to a node.
type Conn interface {
	job.Worker
	// Profile asks what the node can do.
	Profile(ctx context.Context) (job.Profile, error)
	// Basic tells that the node speaks only the assignment's calls.
	Basic() bool
	// Link is what passed over the connection so far.
	Link() job.Link
	// Close ends the connection and what runs over it.
	Close() error
}

// Member is a node to connect to.
type Member struct {
	ID   job.NodeID
	Addr string
	Conn Conn
}

// Listener is told of every change that matters to a choice among nodes. Calls
// come one at a time for each node.
type Listener interface {
	NodeChanged(i int, n policy.Node)
}

// Cluster is a fixed list of nodes, known by their index. It may be used
// concurrently.
type Cluster struct {
	cfg   Config
	nodes []*node
	log   *slog.Logger
}

// New makes a cluster of the members; nothing is dialled before Run.
func New(cfg Config, members []Member, log *slog.Logger) *Cluster {
	c := &Cluster{cfg: cfg.withDefaults(), log: log}
	for i, m := range members {
		c.nodes = append(c.nodes, newNode(i, m, log))
	}
	return c
}

// Run probes every node until ctx ends, tells listener what changes, and closes
// the connections.
func (c *Cluster) Run(ctx context.Context, listener Listener) error {
	var wg sync.WaitGroup
	for _, n := range c.nodes {
		wg.Go(func() { n.watch(ctx, c.cfg, listener) })
	}
	wg.Wait()
	for _, n := range c.nodes {
		if err := n.conn.Close(); err != nil {
			c.log.Debug("connection closed with an error", "node", n.id, "err", err)
		}
	}
	return nil
}

// Len is the number of nodes.
func (c *Cluster) Len() int { return len(c.nodes) }

// ID is the name of node i.
func (c *Cluster) ID(i int) job.NodeID { return c.nodes[i].id }

// Execute sends one attempt to node i, as [job.Worker] promises. An attempt on a
// node that turns inaccessible, or goes quiet, ends at once with Unavailable.
func (c *Cluster) Execute(ctx context.Context, i int, t job.Task) (job.Result, error) {
	return c.nodes[i].execute(ctx, t)
}

// Nodes describes every node, in the order of machine.txt.
func (c *Cluster) Nodes(context.Context) ([]job.Node, error) {
	all := make([]job.Node, len(c.nodes))
	for i, n := range c.nodes {
		all[i] = n.describe()
	}
	return all, nil
}

// Operations are those that some node offers, by name; none while no node has
// told.
func (c *Cluster) Operations() []job.OperationInfo {
	var all []job.OperationInfo
	for _, n := range c.nodes {
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
	for _, n := range c.nodes {
		if d := n.describe(); d.State == job.Inaccessible && d.Err != "" {
			return fmt.Sprintf("no node answers (%s: %s)", d.ID, d.Err)
		}
	}
	return "no node answers"
}
