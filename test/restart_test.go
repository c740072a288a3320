package test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// begin starts a client for the folder that follows its job, and returns it with
// the job's id once some tasks are done.
func (c *cluster) begin(folder string, flags ...string) (*exec.Cmd, string) {
	c.t.Helper()
	follower := exec.Command(filepath.Join(bin, "client"), append(flags, "--json", folder)...)
	follower.Dir = c.dir
	out, err := os.Create(filepath.Join(c.dir, "follower.json"))
	require.NoError(c.t, err)
	c.t.Cleanup(func() { out.Close() })
	follower.Stdout = out
	require.NoError(c.t, follower.Start())
	var all []result
	eventually(c.t, "some tasks are done", func() bool {
		all = c.jobs()
		return len(all) > 0 && all[0].Done > 5
	})
	return follower, all[0].ID
}

// jobs are the jobs that the server knows, newest first.
func (c *cluster) jobs() []result {
	out, code := c.client("jobs", "--json")
	if code != 0 {
		return nil
	}
	var all []result
	for line := range strings.Lines(out) {
		var r result
		if json.Unmarshal([]byte(line), &r) == nil {
			all = append(all, r)
		}
	}
	return all
}

// attempted are all tasks of a job and how often each was done.
type attempted struct {
	result
	Tasks []struct {
		Index    int
		State    string
		Attempts []struct{ Error *struct{ Code string } }
	}
}

// requireDoneOnce checks that each task has been done, and counted, once.
func (c *cluster) requireDoneOnce(id string, n int) {
	c.t.Helper()
	out, code := c.client("job", id, "--json", "--state", "done", "--limit", fmt.Sprint(n+10))
	require.Zero(c.t, code, out)
	var j attempted
	require.NoError(c.t, json.Unmarshal([]byte(out), &j), out)
	require.Equal(c.t, "succeeded", j.State)
	require.Equal(c.t, n, j.Done)
	require.Len(c.t, j.Tasks, n)
	tallied := 0
	for _, node := range j.Nodes {
		tallied += node.Done
	}
	require.Equal(c.t, n, tallied, "the nodes' rows add up")
	for i, task := range j.Tasks {
		require.Equal(c.t, i, task.Index)
		done := 0
		for _, a := range task.Attempts {
			if a.Error == nil {
				done++
			}
		}
		require.Equal(c.t, 1, done, "task %d", i)
	}
}

func TestRestart_AJobOutlivesItsServer(t *testing.T) {
	const n = 300
	for name, end := range map[string]func(t *testing.T, p *process){
		"killed": func(_ *testing.T, p *process) { p.kill() },
		"stopped": func(t *testing.T, p *process) {
			p.signal(syscall.SIGTERM)
			require.Zero(t, p.wait())
			require.Contains(t, p.out.String(), "job handed back")
		},
	} {
		t.Run(name, func(t *testing.T) {
			few := []string{"--window", "8"} // or the time of grace would do for all
			c := newCluster(t, few, nodeArgs{"0"}, nodeArgs{"0"})
			touch(t, c.folder("data"), n)
			follower, id := c.begin("data", "--op", "nap:ms=30")
			end(t, c.server)
			c.startServer(few...)
			require.NoError(t, follower.Wait(), "the client that followed sees the end")
			require.Contains(t, c.server.out.String(), "job taken over")
			c.requireDoneOnce(id, n)
		})
	}
}

func TestRestart_EndedJobsAreRememberedAndCanBeRetried(t *testing.T) {
	c := newCluster(t, nil, nodeArgs{"0"})
	touch(t, c.folder("data"), 40)
	r, code := c.run("data", "--op", "nap:ms=50", "--deadline", "700ms")
	require.Equal(t, 1, code)
	require.Equal(t, "failed", r.State)
	require.Equal(t, 40, r.Done+r.Failed)
	require.Positive(t, r.Done)
	require.Positive(t, r.Failed)
	c.server.kill()
	c.startServer()
	require.Equal(t, r.Done, c.jobs()[0].Done)
	out, _ := c.client("job", r.ID)
	require.Contains(t, out, "not done before the job's deadline")

	for range 40 { // each retry gets the whole time again
		if _, code = c.client("retry", r.ID); code == 0 {
			break
		}
	}
	c.requireDoneOnce(r.ID, 40)
	out, code = c.client("retry", r.ID)
	require.Equal(t, 2, code, out)
	require.Contains(t, out, "all its tasks are done")
}

func TestRestart_TwoServersDoNotShareADirectory(t *testing.T) {
	c := newCluster(t, nil, nodeArgs{"0"})
	second := spawn(t, c.dir, "server", "--listen", freeAddr(t))
	require.Equal(t, 1, second.wait())
	require.Contains(t, second.out.String(), "--state")
}
