package load

import (
	"context"
	"image/png"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
)

// sleepers is a cluster of n nodes that do nothing, without a server.
func sleepers(t *testing.T, n int) *Cluster {
	bin := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(bin, "computenode"), []byte("#!/bin/sh\nexec sleep 1000\n"), 0o755))
	c := &Cluster{lab: &Lab{bin: bin, dir: t.TempDir()}, dir: t.TempDir(), pool: Pool{Loads: make([]float64, n)}}
	for i := range n {
		p, err := c.startNode(i)
		require.NoError(t, err)
		c.nodes = append(c.nodes, p)
	}
	t.Cleanup(c.Stop)
	return c
}

func TestCluster_KilledNodeIsGoneUntilItIsStartedAgain(t *testing.T) {
	c := sleepers(t, 2)
	c.Kill(1)
	require.True(t, c.nodes[1].hasEnded())
	require.False(t, c.nodes[0].hasEnded())
	c.Kill(1) // which does no harm
	require.NoError(t, c.Restart(1))
	require.False(t, c.nodes[1].hasEnded())
}

func TestFlap_NodesDieNeverAllAndRunInTheEnd(t *testing.T) {
	c := sleepers(t, 3)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	kills, err := c.Flap(ctx, 1, 10*time.Millisecond, time.Hour)
	require.NoError(t, err)
	require.Equal(t, 2, kills, "the third stays, as nobody comes back")
	for _, p := range c.nodes {
		require.False(t, p.hasEnded(), p.name)
	}
}

func TestCounts_AreOfAllAttempts(t *testing.T) {
	var c Counts
	c.Add(job.Job{Total: 4, Nodes: []job.Tally{{Done: 3, Delayed: 1, Rejected: 2}, {Done: 1, Superseded: 1, Failed: 1}}})
	c.Add(job.Job{Total: 4, Nodes: []job.Tally{{Done: 4}}})
	require.Equal(t, Counts{Tasks: 8, Done: 8, Delayed: 1, Rejected: 2, Failed: 1, Superseded: 1}, c)
	require.InDelta(t, 12./8, c.Attempts(), 1e-9)
	require.InDelta(t, 2./8, c.Rejections(), 1e-9)
	require.InDelta(t, 1./8, c.Copies(), 1e-9)
	require.InDelta(t, 2./10, c.Wasted(), 1e-9)
	require.Zero(t, Counts{}.Attempts())
}

func TestTrial_NodesOfTwoSeedsShareNoDraws(t *testing.T) {
	trial := Trial{Loads: make([]float64, 64), Jobs: 100, Window: 4, Slots: 3, Admission: "none"}
	one, next := trial.Pool(1), trial.Pool(2)
	require.Greater(t, next.Seed, one.Seed+uint64(len(trial.Loads)))
	require.Subset(t, one.ServerArgs, []string{"--jobs", "100", "--window", "4"})
	require.Subset(t, one.NodeArgs, []string{"--slots", "3", "--admission", "none"})
}

func TestPictures_CanBeReadAndDiffer(t *testing.T) {
	lab := &Lab{dir: t.TempDir()}
	base, err := lab.Pictures(t.Context(), "pictures", 3)
	require.NoError(t, err)
	files, err := filepath.Glob(filepath.Join(base, job.InputDir, "*.png"))
	require.NoError(t, err)
	require.Len(t, files, 3)
	seen := map[string]bool{}
	for _, name := range files {
		data, err := os.ReadFile(name)
		require.NoError(t, err)
		require.False(t, seen[string(data)], name)
		seen[string(data)] = true
		f, err := os.Open(name)
		require.NoError(t, err)
		_, err = png.Decode(f)
		require.NoError(t, err)
		require.NoError(t, f.Close())
	}
}

func TestOutputs_AreAllFilesByWhatTheyHold(t *testing.T) {
	base := t.TempDir()
	none, err := Outputs(base)
	require.NoError(t, err)
	require.Empty(t, none)
	out := filepath.Join(base, job.OutputDir)
	require.NoError(t, os.Mkdir(out, 0o755))
	for name, text := range map[string]string{"a.png": "1", "b.png": "1", ".tmp-c.png": "2"} {
		require.NoError(t, os.WriteFile(filepath.Join(out, name), []byte(text), 0o644))
	}
	all, err := Outputs(base)
	require.NoError(t, err)
	require.Len(t, all, 3)
	require.Equal(t, all["a.png"], all["b.png"])
	require.NotEqual(t, all["a.png"], all[".tmp-c.png"])
	require.NoError(t, ClearOutputs(base))
	require.NoDirExists(t, out)
}
