package main

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"spillway/computenode/admission"
	"spillway/computenode/files"
	"spillway/computenode/isolate"
	"spillway/computenode/media"
	"spillway/computenode/operation"
	"spillway/computenode/worker"
	"spillway/computenode/workspace"
	"spillway/confine"
	"spillway/native/opencv"
)

// defaultGrace is how long running tasks may go on once the node is told to stop.
const defaultGrace = 3 * time.Second

// lastWords is how long the answers to them may take to leave.
const lastWords = 500 * time.Millisecond

// pool runs native code in child processes.
type pool = isolate.Pool[work, outcome]

// node is what serve wires together.
type node struct {
	worker *worker.Worker
	pool   *pool // nil where operations run in this process
	files  *workspace.Workspace
	desk   *files.Desk         // the node's own files in the workspace, and the work on them
	here   *operation.Executor // for what runs in this process
}

// newNode makes a node that has started nothing yet. The caller serves or closes it.
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
	if n.files, err = workspace.Open(cfg.Workspace, log); err != nil {
		return nil, err
	}
	cfg.Worker.Workspace = n.files
	if err := n.wire(cfg, roots, control, log); err != nil {
		return nil, errors.Join(err, n.files.Close())
	}
	return n, nil
}

// wire makes the worker and what does its operations, which may open the workspace
// beside the roots.
func (n *node) wire(cfg config, roots confine.Roots, control admission.Controller, log *slog.Logger) error {
	wide, err := confine.NewRoots(append(slices.Clone(cfg.Roots), n.files.Path())...)
	if err != nil {
		return badRoot(err)
	}
	cfg.Isolate.Args = append(slices.Clone(cfg.Isolate.Args), n.files.Path())
	n.here = operation.NewExecutor(wide)
	n.here.ModelsIn(cfg.Models)
	here := isolate.NewInline(cfg.Worker.Slots, n.here.Execute)
	runner, native := worker.Runner(here), media.NewClient(media.Handler(media.Here{Faces: n.here}))
	if cfg.Isolated {
		n.pool = isolate.New[work, outcome](cfg.Isolate, n.abandoned, log)
		runner, native = newRouter(taskPool{n.pool}, here), media.NewClient(mediaPool{n.pool}.Do)
	} else {
		opencv.SetThreads(1)
	}
	n.desk = files.New(files.Config{Space: n.files, Native: native, Slots: cfg.Worker.Slots}, log)
	n.worker, err = worker.New(cfg.Worker, roots, control, watched{runner, n.desk}, log)
	return err
}

// abandoned removes what work has left whose caller went away.
func (n *node) abandoned(w work) {
	switch {
	case w.Task != nil:
		n.worker.Discard(*w.Task)
	case w.Media != nil:
		n.desk.Abandoned(w.Media.Folder())
	}
}

// close removes the files of the node, and frees its models.
func (n *node) close(log *slog.Logger) {
	if err := n.here.Close(); err != nil {
		log.Warn("models left behind", "err", err)
	}
	if err := n.files.Close(); err != nil {
		log.Warn("workspace left behind", "path", n.files.Path(), "err", err)
	}
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
