// Command client submits folders to a Spillway server, follows the jobs and
// reports on them.
//
// Exit codes: 0 done; 1 some tasks failed, or the job did; 2 wrong usage;
// 3 the server cannot be reached; 130 interrupted.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/term"

	"spillway/job"
	"spillway/rpc"
)

// Exit codes.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitUnreachable = 3
	exitInterrupted = 130
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second signal ends the program at once.
	context.AfterFunc(ctx, stop)
	out := output{stdout: os.Stdout, stderr: os.Stderr, terminal: term.IsTerminal(int(os.Stderr.Fd())), screen: term.IsTerminal(int(os.Stdout.Fd()))}
	code := run(ctx, os.Args[1:], out)
	stop()
	os.Exit(code)
}

// output is where the client writes: results to stdout, progress and errors to
// stderr, which may be a terminal.
type output struct {
	stdout, stderr io.Writer
	terminal       bool   // stderr is one
	screen         bool   // stdout is one
	note           string // to add where the server cannot be reached
}

// run is the whole program; it returns the exit code.
func run(ctx context.Context, args []string, out output) int {
	cfg, err := parse(args, out)
	if errors.Is(err, errHelp) {
		return exitDone
	}
	if err != nil {
		return report(out, err)
	}
	conn := rpc.NewServiceConn(cfg.server, cfg.tls)
	defer conn.Close()
	if cfg.guessed {
		out.note = " (no machine.txt here and no --server, so that is where one listens by default)"
	}
	s := &session{cfg: cfg, out: out, conn: conn}
	does := map[string]func(context.Context) error{
		"jobs": s.jobs, "job": s.job, "watch": s.watch, "cancel": s.cancel, "retry": s.retry, "operations": s.operations,
		"nodes": s.nodes, "node": s.node, "drain": s.drain,
	}[cfg.command]
	if does == nil {
		return s.submit(ctx)
	}
	err = does(ctx)
	if ctx.Err() != nil && job.CodeOf(err) == job.CancelledCode && s.cfg.command != "watch" {
		err = job.E(job.CancelledCode, "", errors.New("interrupted"), "")
	}
	return report(s.out, err)
}

// session is one run of the client.
type session struct {
	cfg  config
	out  output
	conn *rpc.ServiceConn
}

// report prints the error, if there is one, and returns its exit code.
func report(out output, err error) int {
	if err == nil {
		return exitDone
	}
	code := exitCode(err)
	if code != exitUnreachable {
		out.note = ""
	}
	fmt.Fprintln(out.stderr, "client:", job.Describe(err)+out.note)
	return code
}

// exitCode is the code for an error that kept the client from its work.
func exitCode(err error) int {
	switch code := job.CodeOf(err); {
	case code == job.Unavailable:
		return exitUnreachable
	case code == job.CancelledCode:
		return exitInterrupted
	case code.Permanent():
		return exitUsage
	}
	return exitFailed
}
