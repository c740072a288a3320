package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"spillway/job"
)

// lapse is how many periods a node that joined by itself may be silent.
const lapse = 3

// add takes a node in; mu is held, or nobody else knows c yet.
func (c *Cluster) add(m Member, registered bool) *node {
	all := c.all()
	n := newNode(len(all), m, c.connect(m), c.log)
	n.registered, n.renewed, n.drained = registered, time.Now(), c.drained[m.ID]
	grown := append(slices.Clip(all), n)
	c.nodes.Store(&grown)
	c.byName[m.ID] = n
	if c.begin != nil {
		c.begin(n)
	}
	return n
}

// forget removes the node if it is time; what was true a moment ago may not be.
func (c *Cluster) forget(n *node) {
	limit := lapse * c.cfg.RegisterEvery
	if n.done(limit) == "" {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	why := n.done(limit)
	if why == "" {
		return
	}
	if c.byName[n.id] == n {
		delete(c.byName, n.id)
	}
	n.leave(why)
}

// Register takes in a node that joins by itself, or hears that it is still there;
// every is when it must register again. A node that comes back from another
// address gets in when the one before does not answer any more.
//
// Errors: InvalidArgument (no such name, or tag), AlreadyExists (the name or the
// address is another node's), ResourceExhausted (too many nodes), Unavailable (the
// server stops).
func (c *Cluster) Register(_ context.Context, r job.Registration) (every time.Duration, err error) {
	if err := r.Check(); err != nil {
		return 0, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped {
		return 0, job.E(job.Unavailable, "register", errors.New("the server stops"), "")
	}
	n := c.byName[r.Node]
	if n != nil && strings.EqualFold(n.addr, r.Addr) {
		n.renew(r)
		return c.cfg.RegisterEvery, nil
	}
	if r.Leaving {
		return c.cfg.RegisterEvery, nil // it was forgotten already
	}
	if err := c.clash(n, r); err != nil {
		return 0, err
	}
	if n != nil {
		n.leave("it is at " + r.Addr + " now")
	}
	n = c.add(Member{ID: r.Node, Addr: r.Addr}, true)
	n.mu.Lock()
	n.profile.Tags = slices.Clone(r.Tags)
	n.mu.Unlock()
	n.log.Info("node has joined", "address", r.Addr, "tags", strings.Join(r.Tags, ","))
	return c.cfg.RegisterEvery, nil
}

// clash refuses a registration that would take another node's place; n is the node
// of the same name, or nil. mu is held.
func (c *Cluster) clash(n *node, r job.Registration) error {
	op := "register " + string(r.Node)
	if n != nil {
		n.mu.Lock()
		registered, up := n.registered, n.up
		n.mu.Unlock()
		switch {
		case !registered:
			return job.E(job.AlreadyExists, op, fmt.Errorf("machine.txt has a node of that name, at %s", n.addr),
				"choose another --worker-name, or take its line out of the server's machine.txt")
		case up:
			return job.E(job.AlreadyExists, op, fmt.Errorf("a node of that name answers at %s", n.addr),
				"choose another --worker-name, or stop the other node")
		}
	}
	joined := 0
	for other := range c.present {
		if other != n && strings.EqualFold(other.addr, r.Addr) {
			return job.E(job.AlreadyExists, op, fmt.Errorf("its address %s is that of %s", r.Addr, other.id),
				"give each node an address of its own with --listen or --advertise")
		}
		joined++
	}
	if joined >= c.cfg.MaxNodes {
		return job.E(job.ResourceExhausted, op, fmt.Errorf("there are %d nodes already", joined), "stop some, or start another server")
	}
	return nil
}

// renew hears of a node that is known.
func (n *node) renew(r job.Registration) {
	n.change(func() {
		n.renewed = time.Now()
		if !n.registered {
			return // machine.txt decides
		}
		n.leaving = r.Leaving
		n.profile.Tags = slices.Clone(r.Tags)
	})
}

// Set makes the members those of machine.txt. New ones join; those that are
// missing finish what they have and leave; one with another address leaves so, and
// joins anew. Nodes that joined by themselves stay, unless a member has their name.
func (c *Cluster) Set(members []Member) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped {
		return
	}
	named := map[job.NodeID]bool{}
	for _, m := range members {
		named[m.ID] = true
		n := c.byName[m.ID]
		if n != nil && strings.EqualFold(n.addr, m.Addr) {
			n.change(func() { n.registered, n.leaving = false, false })
			continue
		}
		if n != nil {
			c.release(n)
		}
		c.add(m, false).log.Info("node is new in machine.txt", "address", m.Addr)
	}
	for n := range c.present {
		n.mu.Lock()
		stays := n.registered || n.leaving || named[n.id]
		n.mu.Unlock()
		if !stays {
			c.release(n)
		}
	}
}

// release lets a node finish what it has and leave. Its name is free from now on
// only where another takes it; mu is held.
func (c *Cluster) release(n *node) {
	n.log.Info("node leaves when it is done: machine.txt does not name it so any more", "address", n.addr)
	n.change(func() { n.leaving, n.registered = true, false })
}

// Drain lets a node finish what it has and sends it nothing new; with false it
// takes work again. That holds for its name while the server runs, also when the
// node is started again. Errors: NotFound.
func (c *Cluster) Drain(_ context.Context, id job.NodeID, on bool) error {
	c.mu.Lock()
	n := c.byName[id]
	if n != nil {
		c.drained[id] = on
		if !on {
			delete(c.drained, id)
		}
	}
	c.mu.Unlock()
	if n == nil {
		return noNode(id)
	}
	if on {
		n.log.Info("node drains")
	} else {
		n.log.Info("node takes work again")
	}
	n.change(func() { n.drained = on })
	return nil
}

// NodeLog is the last lines of a node's log, oldest first. Errors: NotFound, and
// those of [Conn.Log].
func (c *Cluster) NodeLog(ctx context.Context, id job.NodeID, lines int) ([]string, error) {
	c.mu.Lock()
	n := c.byName[id]
	c.mu.Unlock()
	if n == nil {
		return nil, noNode(id)
	}
	return n.conn.Log(ctx, lines)
}

func noNode(id job.NodeID) error {
	return job.E(job.NotFound, "node "+job.Shown(fmt.Sprintf("%.64s", string(id))), errors.New("no such node"), "list the nodes with: client nodes")
}
