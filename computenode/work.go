package main

import (
	"context"
	"errors"

	"spillway/computenode/files"
	"spillway/computenode/isolate"
	"spillway/computenode/media"
	"spillway/computenode/operation"
	"spillway/computenode/worker"
	"spillway/job"
)

// work is what a child process is given: a task's operation, or work on the node's own
// files.
type work struct {
	Task  *operation.Request
	Media *media.Request
}

var _ isolate.Mover = work{}

// Progress implements isolate.Mover: how long a video is made, or pictures are taken of
// one, depends on what was asked for. A task is a bounded part, and has a bounded time.
func (w work) Progress() int64 {
	if w.Media == nil {
		return -1
	}
	return w.Media.Progress()
}

// outcome is the answer to work.
type outcome struct {
	Task  operation.Reply
	Media media.Reply
}

// childWork does what a child process is given.
func childWork(tasks *operation.Executor, native media.Native) func(context.Context, work) (outcome, error) {
	onFiles := media.Handler(native)
	return func(ctx context.Context, w work) (o outcome, err error) {
		switch {
		case w.Task != nil:
			o.Task, err = tasks.Execute(ctx, *w.Task)
		case w.Media != nil:
			o.Media, err = onFiles(ctx, *w.Media)
		default:
			err = job.E(job.Internal, "", errors.New("a child process was given nothing to do"), "")
		}
		return o, err
	}
}

// taskPool has tasks done in child processes.
type taskPool struct{ pool *pool }

// Do implements worker.Runner.
func (p taskPool) Do(ctx context.Context, r operation.Request) (operation.Reply, error) {
	o, err := p.pool.Do(ctx, work{Task: &r})
	return o.Task, err
}

// mediaPool has work on the node's own files done in child processes.
type mediaPool struct{ pool *pool }

// Do does one request.
func (p mediaPool) Do(ctx context.Context, r media.Request) (media.Reply, error) {
	o, err := p.pool.Do(ctx, work{Media: &r})
	return o.Media, err
}

// watched notes which tasks the node works on, for those who view its job.
type watched struct {
	worker.Runner
	desk *files.Desk
}

// Do implements worker.Runner.
func (w watched) Do(ctx context.Context, r operation.Request) (operation.Reply, error) {
	defer w.desk.Begin(job.FileOf(r.Name), r.Operation.Name)()
	return w.Runner.Do(ctx, r)
}
