//go:build gocv_specific_modules

package test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// demo starts tools/demo-faults on small pictures of its own.
func demo(t *testing.T, flags ...string) (p *process, dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "demo")
	from := t.TempDir()
	for i := range 5 {
		write(t, filepath.Join(from, fmt.Sprintf("p%d.png", i)), pngBytes(t, i))
	}
	p = &process{t: t, name: "demo-faults", cmd: exec.Command("../tools/demo-faults", append(flags, "--from", from, "--dir", dir)...), done: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), "BIN="+bin)
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	require.NoError(t, p.cmd.Start())
	go func() { defer close(p.done); _ = p.cmd.Wait() }()
	t.Cleanup(func() {
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
		<-p.done
		if t.Failed() {
			t.Logf("it said:\n%s", p.out.String())
		}
	})
	return p, dir
}

// requireNothingRuns checks that no process works in the folder any more.
func requireNothingRuns(t *testing.T, dir string) {
	t.Helper()
	links, err := filepath.Glob("/proc/[0-9]*/cwd")
	require.NoError(t, err)
	for _, link := range links {
		if at, err := os.Readlink(link); err == nil {
			require.NotEqual(t, dir, at, link)
		}
	}
}

func TestDemoFaults_LosesTwoNodesAndNoOutput(t *testing.T) {
	p, dir := demo(t, "--photos", "240", "--crash-after", "4s")
	require.Zero(t, p.wait(), p.out.String())
	out := p.out.String()
	require.Contains(t, out, "every output is present: 240 of 240")
	require.Regexp(t, `\d+/240 done, \d+%`, out)
	require.Regexp(t, `msg="task reassigned" job=\S+ task=\S+ from=node_[38] to=node_\d+`, out)
	require.Regexp(t, `(?m)^node +done +rejected +failed +lost$`, out)
	require.Regexp(t, `(?m)^node_11 +\d+ +\d+ +0 +0$`, out)
	outputs, err := os.ReadDir(filepath.Join(dir, "data", "output_dir"))
	require.NoError(t, err)
	require.Len(t, outputs, 240)
	requireNothingRuns(t, dir)
}

func TestDemoFaults_InterruptedLeavesNothingBehind(t *testing.T) {
	p, dir := demo(t, "--photos", "2000", "--crash-after", "1m")
	eventually(t, "the job runs", func() bool { return strings.Contains(p.out.String(), "% ") || strings.Contains(p.out.String(), "%,") })
	p.signal(syscall.SIGTERM)
	require.Equal(t, 143, p.wait())
	requireNothingRuns(t, dir)
}
