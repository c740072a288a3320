// Command server takes jobs from clients and sends their tasks to the compute
// nodes of machine.txt.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"spillway/job"
)

// Exit codes.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second signal ends the program at once.
	context.AfterFunc(ctx, stop)
	os.Exit(command(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// command is the whole program; it returns the exit code.
func command(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) > 0 && args[0] == userCommand {
		return exitCode(stderr, users(ctx, args[1:], os.Stdin, stdout))
	}
	cfg, err := parse(args, stdout)
	if err == nil {
		err = run(ctx, cfg, stderr)
	}
	return exitCode(stderr, err)
}

// exitCode says what err is, and returns the code that goes with it.
func exitCode(stderr io.Writer, err error) int {
	if err == nil || errors.Is(err, errHelp) {
		return exitDone
	}
	fmt.Fprintln(stderr, "server:", job.Describe(err))
	if job.CodeOf(err) == job.InvalidArgument {
		return exitUsage
	}
	return exitFailed
}
