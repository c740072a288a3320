package rpc

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"

	"spillway/gen-go/spillway"
	"spillway/job"
	"spillway/rpc/mux"
)

// Node is what a compute node offers to its callers.
type Node interface {
	job.Worker
	// Profile is what the node can do; it does not change.
	Profile() job.Profile
	// Log is the last lines of its log, oldest first.
	Log(lines int) []string
}

// ServeNode answers for n on l with the default [ServerConfig].
func ServeNode(ctx context.Context, l net.Listener, n Node, log *slog.Logger) error {
	return ServerConfig{}.ServeNode(ctx, l, n, log)
}

// ServeNode answers for n on l until ctx ends, and closes l. A call's context
// ends with the caller's deadline, with its connection, with cancel_attempt, and
// with the server, after a time of grace. A panic of n costs its caller an
// error. Returns nil once ctx has ended and every connection is closed.
//
// Errors: InvalidArgument (configuration), Unavailable (the listener is lost).
func (c ServerConfig) ServeNode(ctx context.Context, l net.Listener, n Node, log *slog.Logger) error {
	h := &nodeHandler{node: n, errands: newErrands(), running: map[*attempt]struct{}{}}
	return c.serve(ctx, l, spillway.NewComputeNodeProcessor(h), nodePermits(), log)
}

// errGivenUp tells that cancel_attempt ended a call.
var errGivenUp = errors.New("the attempt was given up")

// attempt is one call of run that goes on.
type attempt struct {
	job    job.ID
	index  int64
	number int
	cancel context.CancelCauseFunc
}

// nodeHandler is the node's side of the contract.
type nodeHandler struct {
	node    Node
	errands *errands

	mu      sync.Mutex // guards running
	running map[*attempt]struct{}
}

var _ spillway.ComputeNode = (*nodeHandler)(nil)

func (h *nodeHandler) Execute(ctx context.Context, base, name string) (string, error) {
	return h.basic(ctx, base, name, true)
}

func (h *nodeHandler) DelayedExecute(ctx context.Context, base, name string) (string, error) {
	return h.basic(ctx, base, name, false)
}

// basic does the assignment's calls.
func (h *nodeHandler) basic(ctx context.Context, base, name string, mayReject bool) (string, error) {
	_, err := h.node.Execute(ctx, job.Task{
		Attempt: 1, Base: base, Name: name, Operation: job.Operation{Name: job.DefaultOperation}, MayReject: mayReject,
	})
	switch {
	case err == nil:
		return answerSuccess, nil
	case mayReject && job.CodeOf(err) == job.ResourceExhausted:
		return answerRejected, nil
	}
	return "", told(err)
}

func (h *nodeHandler) Ping(context.Context) error { return nil }

func (h *nodeHandler) Run(ctx context.Context, t *spillway.Task) (*spillway.TaskReply, error) {
	if t == nil {
		return nil, failureToWire(job.E(job.InvalidArgument, "run", errors.New("the call has no task"), ""))
	}
	task := taskFromWire(t, time.Now())
	ctx, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	if t.IsSetContent() {
		e := newErrand(t)
		remove, err := h.errands.add(e)
		if err != nil {
			return nil, failureToWire(err)
		}
		defer remove()
		e.watch(func() { giveUp(errCallerSilent) })
		task.Content = e
	}
	ctx, done := h.start(ctx, task)
	defer done()
	ctx, span := h.span(ctx, t.GetTraceparent())
	defer span.End()
	result, err := h.node.Execute(ctx, task)
	failed(span, err)
	switch {
	case err == nil:
		return resultToWire(result), nil
	case errors.Is(err, job.ErrNeedsContent):
		return nil, &spillway.NeedsContent{Reason: clean(err.Error())}
	case job.CodeOf(err) == job.ResourceExhausted:
		return nil, rejectedToWire(job.AsError(err))
	}
	return nil, failureToWire(err)
}

// latest is how much later than serve_content the run may arrive that it is for.
const latest = 10 * time.Second

func (h *nodeHandler) ServeContent(ctx context.Context, content string, a *spillway.ContentAnswer) (*spillway.ContentWish, error) {
	early, cancel := context.WithTimeout(ctx, latest)
	defer cancel()
	e, err := h.errands.find(early, content)
	if err != nil {
		return nil, failureToWire(err)
	}
	return e.serve(ctx, a), nil
}

// start makes the context of one attempt, which CancelAttempt can end.
func (h *nodeHandler) start(ctx context.Context, t job.Task) (context.Context, func()) {
	stop := func() {}
	if !t.Deadline.IsZero() {
		ctx, stop = context.WithDeadline(ctx, t.Deadline)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	a := &attempt{job: t.Job, index: t.Index, number: t.Attempt, cancel: cancel}
	h.mu.Lock()
	h.running[a] = struct{}{}
	h.mu.Unlock()
	return ctx, func() {
		h.mu.Lock()
		delete(h.running, a)
		h.mu.Unlock()
		cancel(nil)
		stop()
	}
}

// CancelAttempt looks through all that runs: that is little, and it is rare.
func (h *nodeHandler) CancelAttempt(_ context.Context, id string, index int64, number int32) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for a := range h.running {
		if a.job == job.ID(id) && a.index == index && a.number == int(number) {
			a.cancel(errGivenUp)
		}
	}
	return nil
}

// Forgetful is a node that keeps files for the tasks of a job that are still to come.
type Forgetful interface {
	// Forget drops them.
	Forget(id job.ID)
}

func (h *nodeHandler) ForgetJob(_ context.Context, id string) error {
	if f, ok := h.node.(Forgetful); ok {
		f.Forget(job.ID(id))
	}
	return nil
}

func (h *nodeHandler) Probe(ctx context.Context) (*spillway.Load, error) {
	load, err := h.node.Probe(ctx)
	if err != nil {
		return nil, told(err)
	}
	return loadToWire(load), nil
}

func (h *nodeHandler) Profile(context.Context) (*spillway.Profile, error) {
	return profileToWire(h.node.Profile()), nil
}

// told is err for a caller whose contract has no exception for it.
func told(err error) error { return &mux.AnswerError{Text: clean(job.Describe(err))} }
