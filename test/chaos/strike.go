package main

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"
)

// A deed does harm, and gives how to mend it.
type deed func(f fault) (mend func() error, err error)

// strike does what the plan says, each fault at its time, and returns when all are
// over.
func (c *cluster) strike(ctx context.Context) error {
	ended := make(chan error)
	for _, f := range c.plan.faults {
		go func() { ended <- c.do(ctx, f) }()
	}
	var all []error
	for range c.plan.faults {
		all = append(all, <-ended)
	}
	return errors.Join(all...)
}

// do does one fault and mends it when its time is over.
func (c *cluster) do(ctx context.Context, f fault) error {
	pause := func(d time.Duration) {
		select {
		case <-time.After(d):
		case <-ctx.Done():
		}
	}
	pause(f.at)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	mend, err := c.deeds()[f.kind](f)
	if err != nil {
		return fmt.Errorf("%v: %w", f, err)
	}
	c.note("%v: begun", f)
	c.mu.Lock()
	if !c.over {
		c.hit = append(c.hit, f.kind)
	}
	c.mu.Unlock()
	pause(f.lasts)
	if err := mend(); err != nil {
		return fmt.Errorf("mend %v: %w", f, err)
	}
	c.note("%v: over", f)
	return nil
}

func (c *cluster) deeds() map[kind]deed {
	return map[kind]deed{
		killNode:      func(f fault) (func() error, error) { return c.killed(c.nodes[f.node]) },
		killServer:    func(fault) (func() error, error) { return c.killed(c.servers[0]) },
		takeOver:      c.takenOver,
		crashAfter:    c.crashed,
		freezeNode:    func(f fault) (func() error, error) { return c.frozen(c.nodes[f.node]) },
		freezeServer:  func(fault) (func() error, error) { return c.frozen(c.servers[0]) },
		zombieServer:  func(fault) (func() error, error) { return c.frozen(c.servers[0]) },
		partition:     c.cutOff,
		halfOpen:      c.halfOpened,
		badNetwork:    c.spoilt,
		fullState:     func(fault) (func() error, error) { return c.filled(c.stateDir()) },
		fullOutput:    func(fault) (func() error, error) { return c.filled(c.outputs()) },
		fullWorkspace: func(f fault) (func() error, error) { return c.filled(c.workspace(f.node)) },
		killDatabase:  c.lostDatabase,
		clockJump:     c.jumped,
	}
}

func nothing() error { return nil }

// killed ends a program with kill -9; it is started again later.
func (c *cluster) killed(p *process) (func() error, error) {
	return p.start, p.end(syscall.SIGKILL)
}

// takenOver kills the server that has the job for good. The other one goes on.
func (c *cluster) takenOver(fault) (func() error, error) {
	err := c.servers[0].end(syscall.SIGKILL)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kills = append(c.kills, time.Now())
	return nothing, err
}

// crashed waits until a node has crashed by itself, for good.
func (c *cluster) crashed(f fault) (func() error, error) {
	return nothing, c.nodes[f.node].gone()
}

// frozen stops a program with its children; later it goes on as if no time had
// passed.
func (c *cluster) frozen(p *process) (func() error, error) {
	return func() error { return p.freeze(false) }, p.freeze(true)
}

// lostDatabase crashes the database.
func (c *cluster) lostDatabase(fault) (func() error, error) {
	return c.db.up, c.db.kill()
}

// jumped sets the database's clock, by which leases lapse, for good.
func (c *cluster) jumped(f fault) (func() error, error) {
	return nothing, c.db.jump(f.jump)
}
