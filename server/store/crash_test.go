package store_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
	"spillway/server/store"
)

// crashDir names, in a child process, the directory in which it is to write
// until it is killed.
const crashDir = "SPILLWAY_STORE_CRASH_DIR"

const (
	crashTasks   = 30_000
	crashWriters = 64
)

func TestSQLite_KeepsWhatItAcknowledgedWhenItIsKilled(t *testing.T) {
	dir := t.TempDir()
	total := map[int64]bool{}
	for round := range int64(2) {
		for _, i := range runUntilKilled(t, dir, 500) {
			require.False(t, total[i], "task %d was acknowledged twice", i)
			total[i] = true
		}
		s := openSQLite(t, dir)
		j := reread(t, s, "crash")
		require.Equal(t, round+1, j.Epoch)
		open := pending(t, s, "crash")
		require.EqualValues(t, crashTasks-len(open), j.Done, "the count is that of the outcomes")
		for _, i := range open {
			require.False(t, total[i], "task %d was acknowledged, and is gone", i)
		}
		require.NoError(t, s.Close())
	}
}

// runUntilKilled has a child process write, kills it after so many acknowledged
// outcomes, and gives all that it acknowledged.
func runUntilKilled(t *testing.T, dir string, after int) []int64 {
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestCrashWriter$")
	child.Env = append(os.Environ(), crashDir+"="+dir)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	var told []int64
	for lines := bufio.NewScanner(out); lines.Scan(); {
		i, err := strconv.ParseInt(lines.Text(), 10, 64)
		require.NoError(t, err, lines.Text())
		told = append(told, i)
		if len(told) == after {
			require.NoError(t, child.Process.Kill())
		}
	}
	_ = child.Wait() // killed
	require.GreaterOrEqual(t, len(told), after)
	return told
}

// TestCrashWriter is the child process.
func TestCrashWriter(t *testing.T) {
	dir := os.Getenv(crashDir)
	if dir == "" {
		t.Skip("only as a child of the test of a crash")
	}
	s := openSQLite(t, dir)
	_, _, err := s.Submit(t.Context(), store.Submission{Spec: job.Spec{ID: "crash", Source: "data"}, Created: noon(), Inputs: numbered(crashTasks)})
	require.NoError(t, err)
	claimed, err := s.Claim(t.Context(), "child", time.Hour)
	require.NoError(t, err)
	inputs, err := s.Pending(t.Context(), "crash", -1, crashTasks)
	require.NoError(t, err)
	var mu sync.Mutex
	var writers sync.WaitGroup
	for w := range crashWriters {
		writers.Go(func() {
			for n := w; n < len(inputs); n += crashWriters {
				if err := s.Finish(t.Context(), done("crash", claimed[0].Epoch, inputs[n].Index)); err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				fmt.Println(inputs[n].Index)
				mu.Unlock()
			}
		})
	}
	writers.Wait()
	t.Error("nobody killed it")
}

func TestSQLite_ACopyTakenWhileItWritesHoldsWhatWasAcknowledgedBefore(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	s := openSQLite(t, from)
	submit(t, s, "a", 5000)
	finish(t, s, done("a", 1, 0), done("a", 1, 1))
	var writers sync.WaitGroup
	for w := range int64(8) {
		writers.Go(func() {
			for i := 2 + w; i < 5000; i += 8 {
				if err := s.Finish(t.Context(), done("a", 1, i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	require.Eventually(t, func() bool { return reread(t, s, "a").Done > 100 }, 10*time.Second, time.Millisecond)
	before := reread(t, s, "a").Done
	// The log first grows and is then written to the file: a file copied before its
	// log lacks nothing, unless a checkpoint comes in between, which 5000 tasks do
	// not bring about.
	for _, name := range []string{"spillway.db", "spillway.db-wal"} {
		data, err := os.ReadFile(filepath.Join(from, name))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(to, name), data, 0o600))
	}
	writers.Wait()
	require.NoError(t, s.Close())

	copied := openSQLite(t, to)
	defer func() { require.NoError(t, copied.Close()) }()
	j := reread(t, copied, "a")
	require.GreaterOrEqual(t, j.Done, before)
	require.EqualValues(t, 5000-len(pending(t, copied, "a")), j.Done)
}
