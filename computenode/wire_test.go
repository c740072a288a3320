package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
	"spillway/rpc"
)

// startProgram runs the whole program in this process and returns a connection
// to it, and a function that stops it and returns its exit code.
func startProgram(t *testing.T, args ...string) (*rpc.NodeConn, func() int) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r, w := io.Pipe()
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, append(args, "--listen", "127.0.0.1:0"), &bytes.Buffer{}, w)
		w.Close()
	}()
	in := bufio.NewReader(r)
	line, err := in.ReadString('\n')
	require.NoError(t, err)
	found := regexp.MustCompile(`ready on (\S+):`).FindStringSubmatch(line)
	require.Len(t, found, 2, line)
	go func() { _, _ = io.Copy(io.Discard, in) }()
	conn := rpc.NewNodeConn(found[1], rpc.NodeConnConfig{})
	return conn, func() int {
		cancel()
		got := <-code
		require.NoError(t, conn.Close())
		return got
	}
}

func TestProgram_AnswersCalls(t *testing.T) {
	base := t.TempDir()
	conn, stop := startProgram(t, "0", "--slots", "2", "--name", "node_3", "--root", base)
	profile, err := conn.Profile(t.Context())
	require.NoError(t, err)
	require.Equal(t, job.NodeID("node_3"), profile.Node)
	require.Equal(t, 2, profile.Slots)
	result, err := conn.Execute(t.Context(), job.Task{Base: base, Name: "a.jpg", Operation: job.Operation{Name: "none"}, MayReject: true})
	require.NoError(t, err)
	require.False(t, result.Delayed)
	_, err = conn.Execute(t.Context(), job.Task{Base: base, Name: "../a.jpg", Operation: job.Operation{Name: "grayscale"}})
	require.Equal(t, job.PermissionDenied, job.CodeOf(err))
	load, err := conn.Probe(t.Context())
	require.NoError(t, err)
	require.Equal(t, 2, load.Slots)
	require.Zero(t, load.Running+load.Queued+load.Delayed)
	require.Equal(t, exitDone, stop())
}

func TestProgram_AlwaysLoadedNodeRejectsOrDelays(t *testing.T) {
	base := t.TempDir()
	conn, stop := startProgram(t, "1", "--delay", "10ms", "--root", base)
	task := job.Task{Base: base, Name: "a.jpg", Operation: job.Operation{Name: "none"}, MayReject: true}
	_, err := conn.Execute(t.Context(), task)
	require.Equal(t, job.ResourceExhausted, job.CodeOf(err))
	require.Contains(t, err.Error(), "injected load (p = 1)")
	require.NotNil(t, job.AsError(err).Load)
	task.MayReject = false
	result, err := conn.Execute(t.Context(), task)
	require.NoError(t, err)
	require.True(t, result.Delayed)
	require.Equal(t, exitDone, stop())
}

func TestProgram_CancelledCallLeavesNothingRunning(t *testing.T) {
	base := t.TempDir()
	conn, stop := startProgram(t, "1", "--delay", "1h", "--root", base)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := conn.Execute(ctx, job.Task{Job: "j", Attempt: 1, Base: base, Name: "a.jpg", Operation: job.Operation{Name: "none"}})
		ended <- err
	}()
	delayed := func(want int) func() bool {
		return func() bool {
			load, err := conn.Probe(context.Background())
			return err == nil && load.Delayed == want
		}
	}
	require.Eventually(t, delayed(1), 20*time.Second, time.Millisecond)
	cancel()
	require.Equal(t, job.CancelledCode, job.CodeOf(<-ended))
	require.Eventually(t, delayed(0), 20*time.Second, time.Millisecond)
	require.Equal(t, exitDone, stop())
}
