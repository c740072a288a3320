// Package worker is one task's life on a node: admission, the injected delay, a
// slot, the operation, and the output's real name.
package worker

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"spillway/computenode/admission"
	"spillway/computenode/operation"
	"spillway/confine"
	"spillway/job"
)

// errPanic is what the admission hears of a runner that panics.
var errPanic = errors.New("the runner panicked")

// Runner does operations, in child processes or in this one. Its errors are
// those of [operation.Executor] and Internal where a process broke.
type Runner interface {
	Do(ctx context.Context, r operation.Request) (operation.Reply, error)
}

// Worker runs tasks on this node. All methods may be called concurrently.
type Worker struct {
	cfg     Config
	roots   confine.Roots
	runner  Runner
	log     *slog.Logger
	profile job.Profile

	guests chan struct{} // one for each task that has files in the workspace
	prefix string        // makes tokens unlike those of any other worker
	tokens atomic.Int64

	mu      sync.Mutex
	gate    *admission.Gate[chan error] // guarded by mu; a task hears of its slot, or that it was dropped
	last    time.Time                   // guarded by mu: the gate's clock never goes back
	handing int                         // guarded by mu: tasks that are done, and hand their outputs over
	drained chan struct{}               // closed when a worker that drains has nothing left
}

// entry is a task in the gate.
type entry = admission.Entry[chan error]

var _ job.Worker = (*Worker)(nil)

// New makes a worker on folders below roots. It starts nothing. Errors:
// InvalidArgument for a cfg that is not valid.
func New(cfg Config, roots confine.Roots, control admission.Controller, runner Runner, log *slog.Logger) (*Worker, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	return &Worker{
		cfg: cfg, roots: roots, runner: runner, log: log.With("node", cfg.Node),
		profile: job.Profile{Node: cfg.Node, Slots: cfg.Slots, Operations: operation.Infos(), Machine: cfg.Machine, Tags: cfg.Tags},
		guests:  make(chan struct{}, 2*cfg.Slots+2),
		prefix:  rand.Text()[:10] + "-",
		gate:    admission.NewGate[chan error](admission.GateConfig{Slots: cfg.Slots, Waiting: cfg.Waiting}, control),
		drained: make(chan struct{}),
	}, nil
}

// Execute implements [job.Worker]: it admits or rejects, waits out the injected
// delay without a slot, waits for a slot, and does the operation. Unless all went
// well and ctx still lives, nothing is left in output_dir.
//
// A task that cannot be done before its deadline, by what such tasks take, ends at
// once with DeadlineExceeded; every draw of the admission is spent all the same. A
// rejection tells when to come back, and the node's load. One whose
// folder this node does not see gets [job.ErrNeedsContent] before any draw; with
// its content, the input is fetched once it is admitted and the delay is over, and
// the outputs are handed over without a slot.
func (w *Worker) Execute(ctx context.Context, t job.Task) (job.Result, error) {
	if !t.Deadline.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, t.Deadline)
		defer cancel()
	}
	if err := w.look(t); err != nil {
		return job.Result{}, err
	}
	e := &entry{Task: make(chan error, 1)}
	delay, err := w.admitTraced(ctx, t, e)
	if err != nil {
		return job.Result{}, err
	}
	if err := w.sleep(ctx, e, delay); err != nil {
		return job.Result{}, err
	}
	r := job.Result{Node: w.cfg.Node, Delayed: delay > 0}
	if t.Content != nil {
		err = w.host(ctx, t, e, &r)
	} else {
		_, err = w.take(ctx, t, e, &r)
	}
	if err != nil {
		return job.Result{}, err
	}
	return r, nil
}

// take waits for a slot, does the operation, and gives the slot back, even in a
// panic.
func (w *Worker) take(ctx context.Context, t job.Task, e *entry, r *job.Result) (outs []operation.Output, err error) {
	_, waited := traced(ctx, "wait")
	err = w.enter(ctx, e)
	waited(err)
	if err != nil {
		return nil, err
	}
	r.Queued = e.Waited()
	err = errPanic
	defer func() { r.Load = w.leave(t, e, r.Run, err) }()
	reply, err := w.operate(ctx, t)
	r.Run = reply.Run
	return reply.Outputs, err
}

// Probe implements [job.Worker]. It does not know the usage of the machine.
func (w *Worker) Probe(context.Context) (job.Load, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	load := w.gate.Load()
	load.Operations = w.gate.Means()
	return load, nil
}

// Drain rejects every task from now on; those that were admitted go on. The
// channel is closed when none is left.
func (w *Worker) Drain() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.gate.Drain()
	w.settle()
	return w.drained
}

// Left is how many tasks the node has taken and not ended.
func (w *Worker) Left() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.left()
}

// left is Left; mu is held.
func (w *Worker) left() int { return w.gate.InFlight() + w.handing }

// Profile is what this node can do. The caller must not change it.
func (w *Worker) Profile() job.Profile { return w.profile }

// operate does the operation and gives its outputs their names, unless they are to
// be handed over.
func (w *Worker) operate(ctx context.Context, t job.Task) (operation.Reply, error) {
	r := operation.Request{Base: t.Base, Name: t.Name, Operation: t.Operation, Token: operation.Token(t.Job, w.token())}
	if err := w.checkBase(t); err != nil {
		return operation.Reply{}, job.AsError(err)
	}
	reply, err := w.doTraced(ctx, r)
	if err == nil && ctx.Err() != nil {
		err = ended(ctx)
	}
	if err == nil && t.Content == nil {
		err = operation.Commit(w.roots, t.Base, reply.Outputs)
	}
	if err != nil {
		w.Discard(r)
		w.report(ctx, t, err)
		return operation.Reply{}, job.AsError(err)
	}
	return reply, nil
}

// checkBase keeps tasks that work in place out of the workspace, which the child
// processes may open, too. One that touches no file is done wherever its folder is.
func (w *Worker) checkBase(t job.Task) error {
	if t.Content != nil || t.Operation.Name == job.NoOperation {
		return nil
	}
	if err := operation.CheckBase(w.roots, t.Base); err != nil {
		return err
	}
	base, _ := w.roots.Path(t.Base)
	if _, hosted := w.hosted(base + string(filepath.Separator)); hosted {
		return job.E(job.PermissionDenied, "open "+job.Shown(t.Base), errors.New("it is the node's own workspace"), "use another folder")
	}
	return nil
}

// token is a word that no other attempt has.
func (w *Worker) token() string { return w.prefix + strconv.FormatInt(w.tokens.Add(1), 36) }

// Discard removes what a request that did not end well may have left. It is for
// requests that ended without their caller, too; see isolate.New.
func (w *Worker) Discard(r operation.Request) {
	var err error
	if folder, ok := w.hosted(r.Base); ok {
		err = w.cfg.Workspace.Delete(folder)
	} else {
		err = operation.Discard(w.roots, r.Base, r.Operation, r.Name, r.Token)
	}
	if err != nil {
		w.log.Warn("temporary file left behind", "base", r.Base, "name", r.Name, "err", err)
	}
}
