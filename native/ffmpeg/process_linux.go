package ffmpeg

import (
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// openName is how a program opens again the file that it was handed at the given
// place: with an offset of its own, unlike a descriptor that is shared.
func openName(number int) string { return "/proc/self/fd/" + strconv.Itoa(3+number) }

// What one pipe may hold, and all of a user's that has two a core: half of the 64 MiB
// from which the kernel makes new ones tiny, as set by default.
const (
	onePipe  = 1 << 20
	allPipes = 32 << 20
)

// pipeBytes is how much of frames a pipe holds: a whole one of many videos, and not the
// kernel's 64 KiB, so that neither end waits for the other within a frame.
func pipeBytes() int { return min(onePipe, allPipes/(2*runtime.NumCPU())) }

// widen lets a pipe hold more, where the kernel allows it.
func widen(pipe *os.File) {
	conn, err := pipe.SyscallConn()
	if err != nil {
		return
	}
	_ = conn.Control(func(fd uintptr) { _, _ = unix.FcntlInt(fd, unix.F_SETPIPE_SZ, pipeBytes()) })
}

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
