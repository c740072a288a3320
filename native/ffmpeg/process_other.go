//go:build !linux

package ffmpeg

import (
	"os"
	"os/exec"
	"strconv"
	"syscall"
)

// openName is how a program opens the file that it was handed at the given place.
func openName(number int) string { return "/dev/fd/" + strconv.Itoa(3+number) }

// widen leaves a pipe as it is.
func widen(*os.File) {}

// setGroup puts the program into a process group of its own, which is killed as one.
func setGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}

// tend starts the program and waits for its end.
func (p *process) tend(cmd *exec.Cmd, started chan<- error) {
	err := cmd.Start()
	started <- err
	if err == nil {
		p.err = cmd.Wait()
	}
	close(p.done)
}
