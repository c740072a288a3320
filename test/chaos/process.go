package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// mark is in the environment of all that a run starts, and of what that starts:
// mark=FOLDER OF THE RUN.
const mark = "SPILLWAY_CHAOS"

// patience bounds every wait for something that must happen.
const patience = 60 * time.Second

// process is a program of a run, which may be started again after its end. Its
// methods may be called concurrently.
type process struct {
	name  string
	host  *host
	path  string // of the program
	args  []string
	env   []string
	dir   string
	log   string // the file that has all that it said
	creds *syscall.Credential
	// crashes tells that it is to end by itself, by its own flag. It is set before faults
	// strike.
	crashes bool

	mu     sync.Mutex // guards what follows
	cmd    *exec.Cmd  // nil: it does not run
	ended  chan struct{}
	frozen bool
	wanted bool // it was started, and nothing has ended it on purpose
}

// start starts the program, unless it runs.
func (p *process) start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.runs() {
		return nil
	}
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	fmt.Fprintf(log, "--- started at %s\n", time.Now().Format(time.RFC3339Nano))
	cmd := exec.Command(p.path, p.args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = p.dir, log, log
	cmd.Env = append(append(os.Environ(), "GOTRACEBACK=all", mark+"="+p.dir), p.env...)
	// A group of its own, so that it freezes with its children as a machine would.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL, Credential: p.creds}
	p.host.do(func() { err = cmd.Start() })
	if err != nil {
		return fmt.Errorf("start %s: %w", p.name, err)
	}
	ended := make(chan struct{})
	p.cmd, p.ended, p.frozen, p.wanted = cmd, ended, false, true
	go func() {
		_ = cmd.Wait() // how it ended is in its log
		close(ended)
	}()
	return nil
}

// runs tells whether the program runs; mu is held.
func (p *process) runs() bool {
	if p.cmd == nil {
		return false
	}
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// answers tells whether the program runs and is not frozen.
func (p *process) answers() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.runs() && !p.frozen
}

// end sends a signal after which the program ends, and waits for that.
func (p *process) end(signal syscall.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wanted = false
	if !p.runs() {
		return nil
	}
	if err := p.cmd.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("end %s: %w", p.name, err)
	}
	select {
	case <-p.ended:
		return nil
	case <-time.After(patience):
		return fmt.Errorf("%s does not end by signal %v", p.name, signal)
	}
}

// gone waits until the program has ended by itself.
func (p *process) gone() error {
	p.mu.Lock()
	ended := p.ended
	p.mu.Unlock()
	select {
	case <-ended:
		return nil
	case <-time.After(patience):
		return fmt.Errorf("%s does not end by itself", p.name)
	}
}

// freeze stops the program with its children, as a machine that hangs, or lets
// them go on.
func (p *process) freeze(frozen bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.runs() {
		return nil
	}
	signal := syscall.SIGCONT
	if frozen {
		signal = syscall.SIGSTOP
	}
	p.frozen = frozen
	return syscall.Kill(-p.cmd.Process.Pid, signal)
}

// died tells that the program ended by itself, and how.
func (p *process) died() (how string, died bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.wanted || p.crashes || p.runs() {
		return "", false
	}
	return p.cmd.ProcessState.String(), true
}

// pid is the program's, or 0.
func (p *process) pid() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.runs() {
		return 0
	}
	return p.cmd.Process.Pid
}

// said is all that the program wrote.
func (p *process) said() string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// tail is the end of what it wrote, before its stacks.
func (p *process) tail(lines int) string {
	text, _, _ := strings.Cut(p.said(), stacksBegin)
	text = strings.TrimRight(text, "\n")
	all := strings.Split(text, "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// leftProcesses are those that a run started, itself or through others, and that
// still live, as "PID COMMAND".
func leftProcesses(dir string) []string {
	var left []string
	found, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		return []string{err.Error()}
	}
	for _, path := range found {
		env, err := os.ReadFile(path)
		if err != nil || !bytes.Contains(env, []byte(mark+"="+dir+"\x00")) {
			continue
		}
		command, _ := os.ReadFile(filepath.Join(filepath.Dir(path), "cmdline")) // it may have ended
		left = append(left, filepath.Base(filepath.Dir(path))+" "+strings.ReplaceAll(string(command), "\x00", " "))
	}
	return left
}
