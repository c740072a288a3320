package main

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"spillway/computenode/admission"
	"spillway/computenode/isolate"
	"spillway/computenode/operation"
	"spillway/computenode/worker"
	"spillway/confine"
	"spillway/native/opencv"
)

// defaultGrace is how long running tasks may go on once the node is told to stop.
const defaultGrace = 3 * time.Second

// lastWords is how long the answers to them may take to leave.
const lastWords = 500 * time.Millisecond

// pool runs operations in child processes.
type pool = isolate.Pool[operation.Request, operation.Reply]

// node is what serve wires together.
type node struct {
	worker *worker.Worker
	pool   *pool // nil where operations run in this process
}

// newNode makes a node that has started nothing yet.
func newNode(cfg config, log *slog.Logger) (*node, error) {
	roots, err := confine.NewRoots(cfg.Roots...)
	if err != nil {
		return nil, badRoot(err)
	}
	control, err := admission.New(cfg.Admission, cfg.Control)
	if err != nil {
		return nil, err
	}
	n := &node{}
	here := isolate.NewInline(cfg.Worker.Slots, operation.NewExecutor(roots).Execute)
	runner := worker.Runner(here)
	if cfg.Isolated {
		n.pool = isolate.New[operation.Request, operation.Reply](cfg.Isolate, func(r operation.Request) { n.worker.Discard(r) }, log)
		runner = newRouter(n.pool, here)
	} else {
		opencv.SetThreads(1)
	}
	n.worker, err = worker.New(cfg.Worker, roots, control, runner, log)
	return n, err
}

// serve runs the child processes for as long as answer does, which answers calls
// until ctx ends and those in hand are done.
func (n *node) serve(ctx context.Context, answer func(context.Context) error) error {
	if n.pool == nil {
		return answer(ctx)
	}
	ctx, stopAnswering := context.WithCancel(ctx)
	defer stopAnswering()
	poolCtx, stopPool := context.WithCancel(context.WithoutCancel(ctx))
	defer stopPool()
	ended := make(chan error, 1)
	go func() {
		ended <- n.pool.Run(poolCtx)
		stopAnswering() // a node without its pool is of no use
	}()
	err := answer(ctx)
	stopPool()
	return errors.Join(err, <-ended)
}
