package rpc

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/apache/thrift/lib/go/thrift"

	"spillway/gen-go/spillway"
	"spillway/job"
	"spillway/rpc/mux"
)

// probeTimeout bounds the short calls of a caller that sets no deadline.
const probeTimeout = 5 * time.Second

// NodeConn is a far [job.Worker]: the connections to one compute node. It
// connects when it is first called. Its methods may be called concurrently.
//
// A node that does not know our calls is taken for one of the assignment's own,
// see [NodeConn.Basic].
type NodeConn struct {
	addr   string
	pool   *mux.Pool
	tasks  gate
	solo   gate // of the tasks, those on a node that answers one call at a time a connection
	blind  blind
	shared sharing

	mu       sync.Mutex // guards what follows
	inFlight int        // calls that go on or wait
	isBasic  bool
	askAgain time.Time // when a basic node is asked again whether it is one
	lastOK   time.Time // the last answer
}

var _ job.Worker = (*NodeConn)(nil)

// NewNodeConn makes a connection to the node at addr, HOST:PORT. It panics on a
// cfg that does not validate.
func NewNodeConn(addr string, cfg NodeConnConfig) *NodeConn {
	if err := cfg.Validate(); err != nil {
		panic("rpc: " + err.Error())
	}
	cfg = cfg.withDefaults()
	pooled := cfg.pool(addr)
	pooled.Requests, pooled.Replies = requestLimits, nodeReplyLimits
	pooled.Bulk = func(method string) bool { return method == "serve_content" || method == "get_file" }
	return &NodeConn{
		addr: addr, pool: mux.NewPool(pooled),
		tasks: make(gate, cfg.MaxTasks), solo: make(gate, min(cfg.MaxTasks, soloTasks)),
	}
}

// Basic tells that the node speaks only the assignment's calls: execute,
// delayed_execute and perhaps ping. That is known after the first call, and
// forgotten when the node was lost.
func (n *NodeConn) Basic() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.isBasic
}

// Close closes every connection. Calls that go on, and later ones, fail with
// Unavailable.
func (n *NodeConn) Close() error { return n.pool.Close() }

// Link is what passed between here and the node so far.
func (n *NodeConn) Link() job.Link { return link(n.pool.Stats()) }

// Execute does one attempt on the node; see [job.Worker] for the errors. A basic
// node does only the default operation: Unimplemented for any other. The
// task's deadline ends the call as ctx does.
//
// A node that does not see the task's marker is sent its content, and from then on
// at once for each task with this marker. FailedPrecondition with
// [job.ErrNeedsContent] where the task has none.
func (n *NodeConn) Execute(ctx context.Context, t job.Task) (job.Result, error) {
	if !t.Deadline.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, t.Deadline)
		defer cancel()
	}
	if err := n.tasks.enter(ctx); err != nil {
		return job.Result{}, n.translate(ctx, "run", err)
	}
	defer n.tasks.leave()
	if n.pool.Solo() {
		if err := n.solo.enter(ctx); err != nil {
			return job.Result{}, n.translate(ctx, "run", err)
		}
		defer n.solo.leave()
	}
	if n.Basic() {
		return n.executeBasic(ctx, t)
	}
	if t.Content != nil && n.blind.has(t.Marker) {
		return n.executeWithContent(ctx, t)
	}
	var reply *spillway.TaskReply
	err := n.call(ctx, func(c *spillway.ComputeNodeClient) (err error) {
		reply, err = c.Run(ctx, taskToWire(ctx, t, time.Now()))
		return err
	})
	switch {
	case err == nil:
		return resultFromWire(reply), nil
	case unknownMethod(err):
		n.becomeBasic()
		return n.executeBasic(ctx, t)
	case needsContent(err) && t.Content != nil:
		n.blind.add(t.Marker)
		return n.executeWithContent(ctx, t)
	case needsContent(err):
		return job.Result{}, n.cannotSee(err)
	}
	return job.Result{}, n.translate(ctx, "run", err)
}

// Probe asks for the node's load; a basic node is only asked whether it is
// there, and has the zero Load. Without a deadline of its own it takes at most
// five seconds. It waits for no task.
func (n *NodeConn) Probe(ctx context.Context) (job.Load, error) {
	ctx, cancel := withDefaultTimeout(ctx, probeTimeout)
	defer cancel()
	if n.knownBasic() {
		return job.Load{}, n.probeBasic(ctx)
	}
	var load *spillway.Load
	err := n.call(ctx, func(c *spillway.ComputeNodeClient) (err error) {
		load, err = c.Probe(ctx)
		return err
	})
	switch {
	case err == nil:
		n.becomeRich()
		return loadFromWire(load), nil
	case unknownMethod(err):
		n.becomeBasic()
		return job.Load{}, nil
	}
	return job.Load{}, n.translate(ctx, "probe", err)
}

// Profile asks what the node can do. A basic node has the zero Profile. Errors:
// as for Probe.
func (n *NodeConn) Profile(ctx context.Context) (job.Profile, error) {
	ctx, cancel := withDefaultTimeout(ctx, probeTimeout)
	defer cancel()
	var profile *spillway.Profile
	err := n.call(ctx, func(c *spillway.ComputeNodeClient) (err error) {
		profile, err = c.Profile(ctx)
		return err
	})
	switch {
	case err == nil:
		return profileFromWire(profile), nil
	case unknownMethod(err):
		n.becomeBasic()
		return job.Profile{}, nil
	}
	return job.Profile{}, n.translate(ctx, "profile", err)
}

// call runs f with a client of its own, because a generated client may not be
// shared, and learns from how it ends.
func (n *NodeConn) call(ctx context.Context, f func(*spillway.ComputeNodeClient) error) error {
	n.begin()
	defer n.end()
	err := f(spillway.NewComputeNodeClient(n.pool))
	if _, broken := errors.AsType[*mux.CallError](err); broken {
		n.lost(ctx)
		return err
	}
	n.mu.Lock()
	n.lastOK = time.Now()
	n.mu.Unlock()
	return err
}

func (n *NodeConn) begin() {
	n.mu.Lock()
	n.inFlight++
	n.mu.Unlock()
}

func (n *NodeConn) end() {
	n.mu.Lock()
	n.inFlight--
	n.mu.Unlock()
}

// unknownMethod tells that the peer answered, and does not know the call.
func unknownMethod(err error) bool {
	x, ok := errors.AsType[thrift.TApplicationException](err)
	return ok && x.TypeId() == thrift.UNKNOWN_METHOD
}

// withDefaultTimeout gives ctx a deadline if it has none.
func withDefaultTimeout(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, d)
}
