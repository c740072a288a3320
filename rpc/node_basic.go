package rpc

import (
	"context"
	"errors"
	"fmt"
	"time"

	"spillway/gen-go/spillway"
	"spillway/job"
)

// Basic nodes are the assignment's own, often Python's TSimpleServer, which
// serves one connection until it is closed and lets the others wait.
const (
	// soloTasks is how many tasks are under way at once: the length of the queue
	// in which such a server lets connections wait.
	soloTasks = 128
	// basicFresh is how long an answer counts as a sign of life.
	basicFresh = 10 * time.Second
	// basicAgain is how often a basic node is asked whether it still is one.
	basicAgain = time.Minute
)

// executeBasic does one attempt with the assignment's calls.
func (n *NodeConn) executeBasic(ctx context.Context, t job.Task) (job.Result, error) {
	op := "execute"
	if !t.MayReject {
		op = "delayed_execute"
	}
	if t.Operation.Name != "" && t.Operation.Name != job.DefaultOperation || len(t.Operation.Params) > 0 {
		return job.Result{}, job.E(job.Unimplemented, "node "+n.addr,
			errors.New("this node speaks only the assignment's calls; it can only do "+job.DefaultOperation),
			"use nodes of this program for "+t.Operation.String())
	}
	answer := ""
	err := n.call(ctx, func(c *spillway.ComputeNodeClient) (err error) {
		if t.MayReject {
			answer, err = c.Execute(ctx, t.Base, t.Name)
		} else {
			answer, err = c.DelayedExecute(ctx, t.Base, t.Name)
		}
		return err
	})
	switch {
	case unknownMethod(err):
		return job.Result{}, job.E(job.Unavailable, "node "+n.addr, fmt.Errorf("it does not know %s", op),
			"is it a compute node?")
	case err != nil:
		return job.Result{}, n.translate(ctx, op, err)
	case answer == answerSuccess:
		return job.Result{}, nil
	case answer == answerRejected && t.MayReject:
		return job.Result{}, job.E(job.ResourceExhausted, "node "+n.addr, errors.New("rejected"), "")
	}
	return job.Result{}, job.E(job.Unavailable, "node "+n.addr, fmt.Errorf("%s: unexpected answer %.80q", op, answer), "")
}

// probeBasic asks for a sign of life. While the node is at work a ping might
// have to wait for it, so its latest answer counts, or that it takes connections.
func (n *NodeConn) probeBasic(ctx context.Context) error {
	n.mu.Lock()
	busy, fresh := n.inFlight > 0, time.Since(n.lastOK) < basicFresh
	n.mu.Unlock()
	if busy && fresh {
		return nil
	}
	if busy {
		if err := n.pool.Reach(ctx); err != nil {
			return n.translate(ctx, "probe", job.NotSent(err))
		}
		return nil
	}
	err := n.call(ctx, func(c *spillway.ComputeNodeClient) error { return c.Ping(ctx) })
	if unknownMethod(err) {
		return nil
	}
	return n.translate(ctx, "ping", err)
}

// knownBasic tells that the node is basic and need not be asked again now.
func (n *NodeConn) knownBasic() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.isBasic && (n.inFlight > 0 || time.Now().Before(n.askAgain))
}

func (n *NodeConn) becomeBasic() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.isBasic = true
	n.askAgain = time.Now().Add(basicAgain)
}

func (n *NodeConn) becomeRich() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.isBasic = false
}

// lost forgets what kind of node it was, since another may answer next, unless
// it was the caller who gave up.
func (n *NodeConn) lost(ctx context.Context) {
	if ctx.Err() == nil {
		n.becomeRich()
	}
}
