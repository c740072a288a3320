package isolate

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// lastRites bounds the wait for a killed process to be gone; the kernel may keep
// one that hangs in a file system.
const lastRites = 5 * time.Second

// child is one process of the pool. One goroutine at a time talks to it.
type child struct {
	cmd      *exec.Cmd
	requests *os.File // ours to write
	answers  *os.File // ours to read
	out      *frameWriter
	in       *frameReader
	printed  output
	gone     chan struct{} // closed once the process has ended and is reaped
}

// startChild starts a process. The calling thread must outlive it, because the
// kernel kills the child when that thread ends.
func startChild(cfg Config) (*child, error) {
	theirRequests, requests, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make a pipe: %w", err)
	}
	defer theirRequests.Close()
	answers, theirAnswers, err := os.Pipe()
	if err != nil {
		requests.Close()
		return nil, fmt.Errorf("make a pipe: %w", err)
	}
	defer theirAnswers.Close()
	c := &child{
		cmd: exec.Command(cfg.Command, cfg.Args...), requests: requests, answers: answers,
		out: newFrameWriter(requests), in: newFrameReader(answers), gone: make(chan struct{}),
	}
	c.cmd.Env = append(append(os.Environ(), cfg.Env...), mark+"=1")
	c.cmd.ExtraFiles = []*os.File{theirRequests, theirAnswers} // 3 and 4
	c.cmd.Stdout, c.cmd.Stderr = &c.printed, &c.printed
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	c.cmd.WaitDelay = time.Second // a grandchild may hold its output open
	if err := c.cmd.Start(); err != nil {
		c.close()
		return nil, err
	}
	limit := unix.Rlimit{Cur: uint64(cfg.Memory), Max: uint64(cfg.Memory)}
	if err := unix.Prlimit(c.cmd.Process.Pid, unix.RLIMIT_DATA, &limit, nil); err != nil && !errors.Is(err, unix.ESRCH) {
		c.kill()
		c.reap()
		c.close()
		return nil, fmt.Errorf("limit its memory: %w", err)
	}
	return c, nil
}

// reap waits for the end of the process. It leaves the pipe of answers open,
// which may hold one.
func (c *child) reap() {
	_ = c.cmd.Wait() // ProcessState tells
	close(c.gone)
}

// close closes our ends of the pipes; a child that waits for a task ends then.
func (c *child) close() {
	c.requests.Close()
	c.answers.Close()
}

// kill ends the process.
func (c *child) kill() { _ = c.cmd.Process.Kill() }

// dead reports whether the process has ended.
func (c *child) dead() bool {
	select {
	case <-c.gone:
		return true
	default:
		return false
	}
}

// bury kills the process and waits until it is gone, but not for ever.
func (c *child) bury() {
	c.kill()
	timer := time.NewTimer(lastRites)
	defer timer.Stop()
	select {
	case <-c.gone:
	case <-timer.C:
	}
}

// cause says in a few words why a process that is gone ended.
func (c *child) cause() string {
	if !c.dead() {
		return "it cannot be killed"
	}
	how := c.cmd.ProcessState.String()
	if status, ok := c.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signal() == syscall.SIGKILL {
		how = "signal: killed, perhaps by the kernel for want of memory"
	}
	if why := reason(c.printed.text()); why != "" {
		return how + ", " + why
	}
	return how
}
