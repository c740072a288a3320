package isolate

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

// The descriptors of a child's pipes, and the mark in its environment that a
// pool started it.
const (
	requestFD = 3
	answerFD  = 4
	mark      = "SPILLWAY_ISOLATED"
)

// Serve is what a child runs: it answers one request after the other with
// handler, on this goroutine, and returns nil when the parent closes the pipe or
// has gone. A handler that panics ends the process, as native code that crashes
// does; the parent tells the caller.
//
// Interrupts that reach the whole process group are ignored, since the parent
// ends its children itself. Errors: FailedPrecondition where no pool started
// this process; Internal for a parent that speaks rubbish.
func Serve[Req, Rep any](handler func(context.Context, Req) (Rep, error)) error {
	if os.Getenv(mark) == "" || !isPipe(requestFD) || !isPipe(answerFD) {
		return job.E(job.FailedPrecondition, "", errors.New("this mode is for child processes, which the program starts itself"),
			"start the program without it; see --help")
	}
	_ = os.Unsetenv(mark)
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	requests, answers := childEnd(requestFD, "requests"), childEnd(answerFD, "answers")
	in, out := newFrameReader(requests), newFrameWriter(answers)
	if err := out.say(hello{PID: os.Getpid()}); err != nil {
		return parentGone(err)
	}
	for {
		var req Req
		if err := in.receive(&req); err != nil {
			return parentGone(err)
		}
		var a answer[Rep]
		rep, err := handler(context.Background(), req)
		if a.Err = fail(err); err == nil {
			a.Rep = rep
		}
		if err := out.say(a); err != nil {
			return parentGone(err)
		}
	}
}

// parentGone makes the end of the parent no error.
func parentGone(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, syscall.EPIPE) {
		return nil
	}
	return job.E(job.Internal, "talk to the parent process", err, "")
}

// say encodes and sends v.
func (f *frameWriter) say(v any) error {
	if err := f.encode(v); err != nil {
		return err
	}
	return f.send()
}

// isPipe reports whether descriptor fd is a pipe.
func isPipe(fd int) bool {
	var st syscall.Stat_t
	return syscall.Fstat(fd, &st) == nil && st.Mode&syscall.S_IFMT == syscall.S_IFIFO
}

// childEnd opens a pipe that the parent handed over. It blocks its thread while
// it waits, which wakes sooner than the poller of the runtime, and is not handed
// on to processes that native code might start.
func childEnd(fd int, name string) *os.File {
	syscall.CloseOnExec(fd)
	_ = syscall.SetNonblock(fd, false) // else the poller does it, only slower
	return os.NewFile(uintptr(fd), fmt.Sprintf("|%s", name))
}
