package load

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"spillway/job"
)

// stopGrace is how long a program may take to end when it is asked to.
const stopGrace = 10 * time.Second

// process is a program that runs in the background, in a process group of its
// own, with all that it says in a file.
type process struct {
	name  string
	cmd   *exec.Cmd
	log   string
	ended chan struct{} // closed when it has
}

// start starts a program in a folder, where its log is kept, with env beside the
// benchmark's own environment.
func start(name, dir string, env []string, program string, args ...string) (*process, error) {
	p := &process{name: name, log: filepath.Join(dir, name+".log"), ended: make(chan struct{})}
	out, err := os.Create(p.log)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	p.cmd = exec.Command(program, args...) // stop ends it, and gives it time to end well
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = dir, out, out
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		return nil, missing(program, err)
	}
	go func() {
		defer close(p.ended)
		_ = p.cmd.Wait() // how it ended is in its state
	}()
	return p, nil
}

// missing is the error of a program that cannot be started.
func missing(program string, err error) error {
	if pe, ok := errors.AsType[*os.PathError](err); ok {
		err = pe.Err
	}
	return job.E(job.NotFound, "start "+program, err, "build it with make build; all programs stand in one folder")
}

// stop ends the process and waits until it has.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(stopGrace):
	}
	// Whatever is left of its group, its children for example.
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.ended
}

// hasEnded reports whether it runs no more.
func (p *process) hasEnded() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// tail is the end of what it said.
func (p *process) tail() string {
	said, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(said)), "\n")
	return strings.Join(lines[max(0, len(lines)-5):], " | ")
}

// failure is err with the end of the log of each program.
func failure(err error, of ...*process) error {
	said := []error{err}
	for _, p := range of {
		state := "runs"
		if p.hasEnded() {
			state = p.cmd.ProcessState.String()
		}
		said = append(said, fmt.Errorf("%s (%s) said: %s", p.name, state, p.tail()))
	}
	return errors.Join(said...)
}
