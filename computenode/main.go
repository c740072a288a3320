// Computenode is one node of a pool: it takes tasks over the network, admits,
// delays or rejects them by its load probability, and runs them in child
// processes of its own.
//
// Exit codes: 0 ended by a signal, or --help; 1 it could not serve; 2 wrong
// usage.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/pflag"

	"spillway/computenode/textport"
	"spillway/job"
	"spillway/rpc"
	"spillway/systemd"
	"spillway/trace"
	"spillway/trace/otlp"
)

// The exit codes of the program.
const (
	exitDone  = 0
	exitFault = 1
	exitUsage = 2
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == childMode {
		os.Exit(exit(os.Stderr, runChild(os.Args[2:])))
	}
	// The second signal finds its default again, and ends the program at once.
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the program; it ends when ctx does.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	cfg, err := parse(args)
	if errors.Is(err, pflag.ErrHelp) {
		fmt.Fprint(stdout, help())
		return exitDone
	}
	if err != nil {
		return exit(stderr, err)
	}
	return exit(stderr, serve(ctx, cfg, stderr))
}

// exit prints err, in one line, and gives the code to leave with.
func exit(stderr io.Writer, err error) int {
	if err == nil {
		return exitDone
	}
	fmt.Fprintln(stderr, "computenode: "+job.Describe(err))
	if job.CodeOf(err) == job.InvalidArgument {
		return exitUsage
	}
	return exitFault
}

// serve wires the node together and answers calls until ctx ends.
func serve(ctx context.Context, cfg config, stderr io.Writer) error {
	lines := &tail{}
	log := slog.New(trace.Handler(slog.NewTextHandler(io.MultiWriter(lines, stderr), &slog.HandlerOptions{Level: cfg.Level})))
	spans, err := otlp.Start(otlp.Config{Endpoint: cfg.OTLP, Service: "spillway-computenode", Instance: string(cfg.Worker.Node), Log: log})
	if err != nil {
		return usage("traces", err.Error(), "docs/tracing.md tells which flag and variables count")
	}
	defer spans.Close()
	cfg.Worker.Machine = thisMachine()
	n, err := newNode(cfg, log)
	if err != nil {
		return err
	}
	defer n.close(log)
	l, err := rpc.Listen(cfg.Listen, rpc.ListenOptions{Insecure: cfg.Insecure, TLS: cfg.TLS})
	if err != nil {
		return err
	}
	defer l.Close()
	text, err := listenText(cfg)
	if err != nil {
		return err
	}
	fmt.Fprintf(stderr, "computenode: %s is ready on %s: load probability %v, delay %v, admission %s, seed %d, slots %d, isolate %s\n",
		cfg.Worker.Node, l.Addr(), cfg.Control.Probability, cfg.Control.Delay, cfg.Admission, cfg.Control.Seed,
		n.worker.Profile().Slots, onOff(cfg.Isolated))
	if text != nil {
		defer text.Close()
		fmt.Fprintf(stderr, "computenode: %s answers text on %s\n", cfg.Worker.Node, text.Addr())
	}
	var j *joiner
	if cfg.Join.Controller != "" {
		server := rpc.NewServiceConn(cfg.Join.Controller, cfg.TLS)
		defer server.Close()
		j = &joiner{server: server, addr: cfg.Join.Controller, self: cfg.Join.registration(cfg.Worker.Node, l.Addr()), log: log}
	}
	if cfg.CrashAfter > 0 {
		defer time.AfterFunc(cfg.CrashAfter, crash).Stop()
	}
	manager := systemd.Find(log)
	manager.Ready("taking tasks")
	me := face{Worker: n.worker, Desk: n.desk, meter: &meter{dir: cfg.Roots[0]}, tail: lines, grace: cfg.Grace, manager: manager, tracer: spans.Tracer()}
	tidying, stopTidying := context.WithCancel(context.WithoutCancel(ctx))
	defer stopTidying()
	go n.files.Run(tidying)
	answer := func(ctx context.Context) error { return me.answer(ctx, l, j, log) }
	err = n.serve(ctx, beside(textport.New(textport.Config{Grace: cfg.Grace}, n.desk, log), text, answer))
	if err == nil {
		fmt.Fprintf(stderr, "computenode: %s stopped\n", cfg.Worker.Node)
	}
	return err
}

// crash ends the node as kill -9 would: nothing is said, closed or removed. The
// kernel then kills the child processes, which are bound to this one.
func crash() { _ = syscall.Kill(os.Getpid(), syscall.SIGKILL) }
