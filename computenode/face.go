package main

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"time"

	"spillway/computenode/files"
	"spillway/computenode/worker"
	"spillway/job"
	"spillway/rpc"
	"spillway/systemd"
	"spillway/trace"
)

// face is what callers see of the node: its worker, with the use of the machine
// and the log, and its own files.
type face struct {
	*worker.Worker
	*files.Desk
	meter   *meter
	tail    *tail
	grace   time.Duration // for what runs, once the node is told to stop
	manager *systemd.Manager
	tracer  *trace.Tracer
}

var (
	_ rpc.Node      = face{}
	_ rpc.Forgetful = face{}
	_ rpc.Traced    = face{}
	_ job.Files     = face{}
	_ job.Media     = face{}
)

// Probe implements [job.Worker]. It measures nothing itself.
func (f face) Probe(ctx context.Context) (job.Load, error) {
	load, err := f.Worker.Probe(ctx)
	load.Usage = f.meter.read()
	return load, err
}

// Tracer implements [rpc.Traced].
func (f face) Tracer() *trace.Tracer { return f.tracer }

// Log implements [rpc.Node].
func (f face) Log(lines int) []string { return f.tail.last(lines) }

// answer answers calls until ctx ends. The node then drains: it turns new tasks
// away, tells so to the server that it joined, if there is one, and stops when what
// it had is done, or its grace is over.
func (f face) answer(ctx context.Context, l net.Listener, j *joiner, log *slog.Logger) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	measuring, stopMeasuring := context.WithCancel(context.WithoutCancel(ctx))
	defer stopMeasuring()
	wg.Go(func() { f.meter.run(measuring) })
	wg.Go(func() { f.manager.Watch(measuring, func(context.Context) { f.Left() }) })

	answering, stopAnswering := context.WithCancel(context.WithoutCancel(ctx))
	defer stopAnswering()
	ending, end := context.WithCancel(ctx) // with ctx, or with the listener
	defer end()
	wg.Go(func() {
		defer stopAnswering()
		if j != nil {
			j.run(ending)
		}
		<-ending.Done()
		f.manager.Stopping("what runs may finish", f.grace)
		drained := f.Drain()
		late := time.After(f.grace)
		if left := f.Left(); left > 0 {
			log.Info("node stops: what it has may finish, a second signal ends it at once", "tasks", left, "grace", f.grace)
		}
		if j != nil && ctx.Err() != nil {
			j.leave(ctx)
		}
		select {
		case <-drained:
		case <-late:
			log.Warn("tasks are given up, their server sends them elsewhere", "tasks", f.Left(), "after", f.grace)
		}
	})
	err := rpc.ServerConfig{Grace: lastWords}.ServeNode(answering, l, f, log)
	end()
	return err
}
