package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"spillway/job"
)

// watch probes the node until ctx ends or the node is to be forgotten.
func (c *Cluster) watch(ctx context.Context, n *node) {
	tick := time.NewTicker(c.cfg.ProbeEvery)
	defer tick.Stop()
	misses := 0
	for {
		err := n.probe(ctx, c.cfg.ProbeEvery)
		switch {
		case ctx.Err() != nil:
			n.mu.Lock()
			n.close("the server stops")
			n.mu.Unlock()
			return
		case err == nil:
			misses = 0
			n.alive()
		default:
			misses++
			if misses >= c.cfg.Misses || refused(err) {
				n.dead(err)
			}
		}
		n.quiet(c.cfg.AttemptTimeout)
		if c.wait(ctx, n, tick.C) {
			return
		}
	}
}

// wait marks the node inaccessible as soon as an attempt finds nobody at home, and
// returns when the next probe is due. It reports whether the node has left.
func (c *Cluster) wait(ctx context.Context, n *node, due <-chan time.Time) (left bool) {
	for {
		c.forget(n)
		select {
		case <-n.ended:
			return true
		default:
		}
		select {
		case <-ctx.Done():
			return false
		case <-due:
			return false
		case <-n.ended:
			return true
		case <-n.over:
		case err := <-n.failed:
			n.dead(err)
		}
	}
}

// probe asks the node for what it may tell within limit.
func (n *node) probe(ctx context.Context, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err := n.ask(ctx)
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return job.E(job.DeadlineExceeded, "", fmt.Errorf("it answers no probe within %v", limit), "")
	}
	return err
}

// ask asks for the load and, where it is not known yet, the profile.
func (n *node) ask(ctx context.Context) error {
	load, err := n.conn.Probe(ctx)
	if err != nil {
		return err
	}
	n.mu.Lock()
	known := n.up
	n.load = load
	n.mu.Unlock()
	if known || n.conn.Basic() {
		return nil
	}
	profile, err := n.conn.Profile(ctx)
	if err != nil {
		return err
	}
	if profile.Node != "" && profile.Node != n.id {
		n.log.Warn("node goes by another name", "address", n.addr, "calls_itself", profile.Node)
	}
	n.mu.Lock()
	n.profile = profile
	n.mu.Unlock()
	return nil
}
