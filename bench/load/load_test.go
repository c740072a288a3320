package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"spillway/bench/report"
	"spillway/job"
)

func TestProcess_StopEndsItAndItsChildren(t *testing.T) {
	dir := t.TempDir()
	p, err := start("shell", dir, nil, "/bin/sh", "-c", "sleep 1000 & echo $!; wait")
	require.NoError(t, err)
	var child int
	require.Eventually(t, func() bool {
		n, _ := fmt.Sscan(p.tail(), &child)
		return n == 1
	}, patience, poll)
	require.Equal(t, []int{child}, children(p.cmd.Process.Pid))
	p.stop()
	require.True(t, p.hasEnded())
	require.Eventually(t, func() bool {
		state := statFields(child)
		return state == nil || state[0] == "Z"
	}, patience, poll, "its child has gone with it")
}

func TestProcess_FailureShowsTheEndOfItsLog(t *testing.T) {
	p, err := start("shell", t.TempDir(), nil, "/bin/sh", "-c", "for i in 1 2 3 4 5 6 7; do echo line $i; done; exit 3")
	require.NoError(t, err)
	<-p.ended
	err = failure(errors.New("it broke"), p)
	require.ErrorContains(t, err, "it broke")
	require.ErrorContains(t, err, "shell (exit status 3) said: line 3 | line 4 | line 5 | line 6 | line 7")
	p.stop() // stopping what has ended does no harm
}

func TestStart_MissingProgramSaysHowToMendIt(t *testing.T) {
	_, err := start("server", t.TempDir(), nil, "/nowhere/server")
	require.Equal(t, job.NotFound, job.CodeOf(err))
	require.Contains(t, job.Describe(err), "start /nowhere/server: no such file or directory; build it")
}

// A cluster that cannot be started leaves nothing behind.
func TestRun_RemovesItsFilesWhenItFails(t *testing.T) {
	photos := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(photos, "a.png"), []byte("x"), 0o644))
	said := &lastLine{}
	err := Run(t.Context(), Config{
		Bin: "/nowhere", Self: "/nowhere/bench", Photos: photos, Quick: true, Seed: 1,
		Record: func(report.Result) error { return nil }, Progress: said,
	})
	require.ErrorContains(t, err, "images per second: start /nowhere/computenode")
	require.NotEmpty(t, said.dir)
	require.NoDirExists(t, said.dir)
}

func TestRun_IsInterrupted(t *testing.T) {
	photos := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(photos, "a.png"), []byte("x"), 0o644))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := Run(ctx, Config{
		Bin: "/nowhere", Self: "/nowhere/bench", Photos: photos, Quick: true,
		Record: func(report.Result) error { return nil }, Progress: io.Discard,
	})
	require.Equal(t, job.CancelledCode, job.CodeOf(err))
}

func TestMachines_AreOnPortsOfTheirOwn(t *testing.T) {
	lab, dir := &Lab{}, t.TempDir()
	seen := map[string]bool{}
	for range 3 { // whether or not those of before are in use yet
		server, nodes, err := lab.machines(dir, 4)
		require.NoError(t, err)
		require.Len(t, nodes, 4)
		text, err := os.ReadFile(filepath.Join(dir, "machine.txt"))
		require.NoError(t, err)
		require.Contains(t, string(text), "server "+server+"\nnode_0 "+nodes[0]+"\n")
		for _, addr := range append(nodes, server) {
			require.False(t, seen[addr], addr)
			seen[addr] = true
		}
	}
}

// A port that somebody has is not handed out.
func TestFreeAddr_LeavesOutPortsInUse(t *testing.T) {
	var p, same ports
	first, err := p.freeAddr()
	require.NoError(t, err)
	l, err := net.Listen("tcp", first)
	require.NoError(t, err)
	defer l.Close()
	other, err := same.freeAddr()
	require.NoError(t, err)
	require.NotEqual(t, first, other)
}

func TestProcfs_KnowsThisProcess(t *testing.T) {
	peak, err := peakMemory(os.Getpid())
	require.NoError(t, err)
	require.Greater(t, peak, int64(1<<20))
	require.NotEmpty(t, statFields(os.Getpid()))
	require.NotEmpty(t, loadAverage())

	require.Positive(t, busy())
	require.LessOrEqual(t, cpuTime(os.Getpid()), busy())

	const nobody = 1 << 30
	require.Zero(t, cpuTime(nobody))
	require.Empty(t, children(nobody))
	_, err = peakMemory(nobody)
	require.Error(t, err)
}

func TestIdentical_CountsTheSameBytes(t *testing.T) {
	a, b := t.TempDir(), t.TempDir()
	for _, f := range []struct{ dir, name, text string }{
		{a, "same", "1"}, {b, "same", "1"}, {a, "other", "1"}, {b, "other", "2"}, {a, "alone", "1"}, {b, "more", "1"},
	} {
		require.NoError(t, os.WriteFile(filepath.Join(f.dir, f.name), []byte(f.text), 0o644))
	}
	same, all, err := identical(a, b)
	require.NoError(t, err)
	require.Equal(t, []int{1, 3}, []int{same, all})
}

func TestJobs_AreAsManyAsTheIntervalWants(t *testing.T) {
	j := jobs{least: 100, most: 5000, within: .02}
	require.Equal(t, 3405, j.count(.7383))
	require.Equal(t, 100, j.count(.99999))
	require.Equal(t, 100, j.count(1))
	require.Equal(t, 5000, j.count(.1))
}

func TestSpell_WritesProbabilitiesAsTheAssignmentDoes(t *testing.T) {
	require.Equal(t, ".1 .5 .2 .9", spell([]float64{.1, .5, .2, .9}))
	require.Equal(t, "0 1", spell([]float64{0, 1}))
}

func TestDelayed_LooksAtEveryNode(t *testing.T) {
	require.False(t, delayed(job.Job{Nodes: []job.Tally{{Done: 5}}}))
	require.True(t, delayed(job.Job{Nodes: []job.Tally{{Done: 5}, {Done: 1, Delayed: 1}}}))
}
