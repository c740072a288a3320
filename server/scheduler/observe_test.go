package scheduler

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
	"spillway/server/policy"
)

// counts is an observer that counts what it hears.
type counts struct {
	mu    sync.Mutex
	seen  map[string]int
	tally map[job.NodeID]job.Tally
}

func newCounts() *counts {
	return &counts{seen: map[string]int{}, tally: map[job.NodeID]job.Tally{}}
}

func (c *counts) add(words ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, w := range words {
		c.seen[w]++
	}
}

func (c *counts) Attempted(a job.Tried) {
	c.add(a.Policy+" "+string(a.Outcome), "attempts")
	for word, is := range map[string]bool{
		"nameless": a.Node == "" || a.Operation == "", "copies": a.Copy, "won": a.Copy && a.Outcome == job.AttemptDone,
		"copies lost": a.Copy && a.Outcome == job.AttemptSuperseded,
		"again":       a.Again, "asked to wait": a.AskedToWait,
	} {
		if is {
			c.add(word)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.tally[a.Node]
	t.Node = a.Node
	switch a.Outcome {
	case job.AttemptDone:
		t.Done++
		t.Busy += a.Took
	case job.AttemptRejected:
		t.Rejected++
	case job.AttemptFailed:
		t.Failed++
	case job.AttemptSuperseded:
		t.Superseded++
	}
	c.tally[a.Node] = t
}

func (c *counts) Ended(state job.TaskState) { c.add("task " + string(state)) }

func (c *counts) Submitted(code job.Code) { c.add("submitted " + string(code)) }

func (c *counts) JobEnded(state job.State) { c.add("job " + string(state)) }

func (c *counts) Stepped(kind job.StepKind, _ time.Duration, failed bool) {
	c.add("step " + string(kind))
	if failed {
		c.add("failed step " + string(kind))
	}
}

// requireTallies checks that what was heard of attempts is what the job says of its nodes.
func (c *counts) requireTallies(t *testing.T, j job.Job) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	require.NotEmpty(t, j.Nodes)
	for _, n := range j.Nodes {
		n.Delayed = 0
		require.Equal(t, n, c.tally[n.Node])
	}
}

func TestObserver_HearsOfAttemptsTasksAndJobs(t *testing.T) {
	c := newCounts()
	inBubble(t, Config{Observer: c, MaxJobs: 1}, []node{takes(time.Millisecond), rejects}, func(t *testing.T, r *rig) {
		j := r.run(20, job.Spec{})
		require.Equal(t, job.Succeeded, j.State)
		c.requireTallies(t, j)
		_, err := r.Submit(t.Context(), job.Spec{Source: "/data", Policy: "none such"})
		require.Error(t, err)
	})
	require.Equal(t, 20, c.seen["balance done"])
	require.Equal(t, 20, c.seen["task done"])
	require.Positive(t, c.seen["balance rejected"])
	require.Equal(t, c.seen["attempts"]-20, c.seen["again"], "each attempt of a task but the first")
	require.Zero(t, c.seen["asked to wait"])
	require.Zero(t, c.seen["nameless"])
	require.Equal(t, 1, c.seen["job succeeded"])
	require.Equal(t, 1, c.seen["submitted "])
	require.Equal(t, 1, c.seen["submitted "+string(job.InvalidArgument)])
}

func TestObserver_HearsOfCopiesAsTheyCount(t *testing.T) {
	late := func(context.Context, job.Task) (job.Result, error) { // done all the same
		time.Sleep(time.Second)
		return job.Result{}, nil
	}
	rows := []struct {
		name string
		fast time.Duration
		who  string // is faster in some race
	}{
		{"the copy is first", time.Millisecond, "won"},
		{"the copy comes second", 80 * time.Millisecond, "copies lost"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			c := newCounts()
			inBubble(t, Config{Observer: c, Policy: "p2c:hedge=1"}, []node{late, takes(row.fast)}, func(t *testing.T, r *rig) {
				j := r.run(30, job.Spec{})
				require.Equal(t, job.Succeeded, j.State)
				c.requireTallies(t, j)
			})
			require.Positive(t, c.seen[row.who])
			require.Equal(t, 30, c.seen["p2c done"], "one for each task, though two may be done")
			require.Equal(t, c.seen["attempts"]-30, c.seen["copies"])
			require.Equal(t, c.seen["copies"], c.seen["won"]+c.seen["copies lost"])
			require.Zero(t, c.seen["again"])
		})
	}
}

func TestObserver_HearsWhatNodesAskForAndWhatWasNotSent(t *testing.T) {
	c := newCounts()
	later := func(context.Context, job.Task) (job.Result, error) {
		e := job.E(job.ResourceExhausted, "", errors.New("busy"), "")
		e.RetryAfter = time.Millisecond
		return job.Result{}, e
	}
	inBubble(t, Config{Observer: c}, []node{answers(later, good), answers(refuses, good)}, func(t *testing.T, r *rig) {
		j := r.run(10, job.Spec{})
		require.Equal(t, job.Succeeded, j.State)
		c.requireTallies(t, j)
	})
	require.Equal(t, 1, c.seen["asked to wait"])
	require.Equal(t, 1, c.seen["balance rejected"])
	require.Equal(t, 1, c.seen["balance unsent"])
	require.Zero(t, c.seen["balance failed"])
}

func TestStanding_SaysWhereTasksAreAndHowLongTheyWait(t *testing.T) {
	none := func(r *rig) job.Standing { return job.Standing{Window: r.cfg.Window} }
	inBubble(t, Config{Jobs: 1, Window: 4, Stall: -1}, []node{takes(10 * time.Second)}, func(t *testing.T, r *rig) {
		require.Equal(t, none(r), r.Standing())
		r.folder("/data", 10)
		r.folder("/more", 10)
		first := r.submit(job.Spec{Source: "/data"})
		second := r.submit(job.Spec{Source: "/more"})
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(t, job.Standing{
			Queued: 1, Running: 1, Pending: 6 + 10, Sent: 4, Window: 4, InFlight: 4, OldestJob: time.Second,
		}, r.Standing())
		r.set(0, false)
		require.NoError(t, r.Cancel(t.Context(), first))
		r.wait(first)
		time.Sleep(3 * time.Second)
		synctest.Wait()
		now := r.Standing()
		require.Equal(t, 1, now.Running)
		require.Equal(t, int64(10), now.Pending+now.Waiting+now.Parked)
		require.Positive(t, now.Parked)
		require.Zero(t, now.Sent)
		require.Equal(t, 3*time.Second, now.OldestTask)
		require.NoError(t, r.Cancel(t.Context(), second))
		r.wait(second)
		require.Equal(t, none(r), r.Standing())
	})
}

func TestStanding_HasTheLimitsOfPoliciesInUse(t *testing.T) {
	inBubble(t, Config{Policy: "pull"}, []node{takes(10 * time.Second), takes(10 * time.Second)}, func(t *testing.T, r *rig) {
		r.NodeChanged(0, policy.Node{ID: "node_0", Up: true, Slots: 3})
		r.set(1, false)
		require.Empty(t, r.Standing().Limits, "no job uses it")
		r.folder("/data", 10)
		id := r.submit(job.Spec{Source: "/data"})
		time.Sleep(11 * time.Second) // one is felt out first
		require.Equal(t, []job.Limit{{Policy: "pull", Node: "node_0", Attempts: 3}}, r.Standing().Limits)
		r.wait(id)
	})
}
