//go:build faults

package operation

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"spillway/confine"
	"spillway/job"
)

// strikeHere runs a fault in this process, which is a child of the test's.
func strikeHere(name string) int {
	limit := unix.Rlimit{Cur: 1 << 30, Max: 1 << 30}
	if err := unix.Setrlimit(unix.RLIMIT_DATA, &limit); err != nil {
		return 9
	}
	roots, err := confine.NewRoots(".")
	if err != nil {
		return 9
	}
	fmt.Println("started")
	_, err = NewExecutor(roots).Execute(context.Background(), Request{Base: ".", Name: "a.png", Operation: job.Operation{Name: name}})
	fmt.Println("returned", err)
	return 0
}

func TestFaults_TakeTheProcessWithThem(t *testing.T) {
	for _, name := range []string{"abort", "eat", "hang"} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), "OPERATION_TEST_FAULT="+name)
			pipe, err := cmd.StdoutPipe()
			require.NoError(t, err)
			require.NoError(t, cmd.Start())
			lines := bufio.NewScanner(pipe)
			require.True(t, lines.Scan())
			require.Equal(t, "started", lines.Text())
			if name == "hang" {
				require.NoError(t, cmd.Process.Signal(syscall.SIGKILL))
			}
			require.False(t, lines.Scan(), lines.Text())
			err = cmd.Wait()
			require.Error(t, err, "the process lives on")
			require.False(t, cmd.ProcessState.Success())
		})
	}
}
