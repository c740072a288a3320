package ffmpeg

import (
	"os/exec"
	"runtime"
	"strconv"
	"syscall"
)

// openName is how a program opens again the file that it was handed at the given
// place: with an offset of its own, unlike a descriptor that is shared.
func openName(number int) string { return "/proc/self/fd/" + strconv.Itoa(3+number) }

// setGroup puts the program into a process group of its own, which is killed as one,
// and has the kernel kill it when we are gone.
func setGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}

// tend starts the program and waits for its end, on one thread: Pdeathsig strikes
// when the thread that started it ends.
func (p *process) tend(cmd *exec.Cmd, started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := cmd.Start()
	started <- err
	if err == nil {
		p.err = cmd.Wait()
	}
	close(p.done)
}
