package api

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
	"spillway/view"
)

// words are the kinds of some notes.
func words(notes []note) string {
	all := make([]string, len(notes))
	for i, n := range notes {
		all[i] = n.kind
	}
	return strings.Join(all, " ")
}

func TestJobFeed_TellsOfStepsStateProgressAndEnd(t *testing.T) {
	var f jobFeed
	now := time.Unix(1e9, 0)
	j := job.Job{ID: "j", State: job.Queued, Total: 10}
	f.tasks = taskBurst
	steps := func(kinds ...job.StepKind) (all []job.Step) {
		for _, k := range kinds {
			all = append(all, job.Step{Kind: k})
		}
		return all
	}
	for _, row := range []struct {
		name  string
		after time.Duration
		state job.State
		done  int64
		steps []job.Step
		want  string
	}{
		{"first", 0, job.Queued, 0, nil, ""},
		{"begins", 0, job.Running, 0, steps("split"), "split state"},
		{"the first task", 0, job.Running, 1, steps("task"), "task progress"},
		{"too soon for progress", progressEvery / 2, job.Running, 2, steps("task"), "task"},
		{"progress that was owed", progressEvery / 2, job.Running, 2, nil, "progress"},
		{"nothing new", time.Minute, job.Running, 2, nil, ""},
		{"joins", 0, job.Running, 10, steps("joining", "joined"), "joining joined progress"},
		{"ends", 0, job.Succeeded, 10, nil, "end"},
	} {
		now = now.Add(row.after)
		j.State, j.Done = row.state, row.done
		require.Equal(t, row.want, words(f.next(job.Event{Job: j, Steps: row.steps}, now)), row.name)
	}
}

func TestJobFeed_TasksThatEndTooFastAreCounted(t *testing.T) {
	f := jobFeed{tasks: taskBurst}
	now := time.Unix(1e9, 0)
	j := job.Job{ID: "j", State: job.Running, Total: 1e6}
	f.next(job.Event{Job: j}, now)
	tasks, skipped := 0, int64(0)
	hear := func(notes []note) {
		for _, n := range notes {
			switch v := n.data.(type) {
			case view.Step:
				tasks++
			case view.Progress:
				skipped += v.Skipped
			}
		}
	}
	const every, each = 100 * time.Millisecond, 200
	const times = int(10 * time.Second / every)
	for range times {
		now = now.Add(every)
		j.Done += each + 7
		all := make([]job.Step, each)
		for i := range all {
			all[i].Kind = job.TaskStep
		}
		hear(f.next(job.Event{Job: j, Steps: all, Skipped: 7}, now))
	}
	require.InDelta(t, taskBurst+10*taskRate, tasks, taskRate)
	j.State = job.Failed
	hear(f.next(job.Event{Job: j}, now))
	require.Equal(t, j.Done, int64(tasks)+skipped, "no task is forgotten")
}

func TestJobFeed_ProgressThatIsOwedComesThoughNothingHappens(t *testing.T) {
	staged(t, func(t *testing.T, a *API, s *stage) {
		e := hear(t, a, "viewer", jobPath, "")
		after(time.Second)
		s.done(3)
		after(time.Minute)
		all := e.events()
		require.Equal(t, "progress", all[len(all)-1].kind)
		require.Contains(t, all[len(all)-1].data, `"done":3`)
	})
}

func TestJobFeed_AnEventNamesFewFailures(t *testing.T) {
	j := job.Job{Failures: make([]job.Failure, job.MaxFailures)}
	require.Len(t, viewOf(j, jobFailures).Failures, jobFailures)
	require.Len(t, j.Failures, job.MaxFailures)
}

// shelf is a job.Service with a list of jobs, newest first.
type shelf struct {
	job.Service
	jobs []job.Job
	err  error
}

func (s *shelf) Jobs(_ context.Context, f job.Filter) (all []job.Job, err error) {
	for _, j := range s.jobs {
		if (len(f.States) == 0 || !j.State.Final()) && len(all) < f.Limit {
			all = append(all, j)
		}
	}
	return all, s.err
}

func (s *shelf) Job(_ context.Context, id job.ID) (job.Job, error) {
	for _, j := range s.jobs {
		if j.ID == id {
			return j, nil
		}
	}
	return job.Job{}, unknown(id)
}

func TestJobsFeed_TellsWhatHasChanged(t *testing.T) {
	start := time.Unix(1e9, 0)
	s := &shelf{}
	add := func(id string, state job.State, created time.Time) {
		s.jobs = append([]job.Job{{ID: job.ID(id), State: state, Created: created, Total: 10}}, s.jobs...)
	}
	find := func(id string) *job.Job {
		for i := range s.jobs {
			if s.jobs[i].ID == job.ID(id) {
				return &s.jobs[i]
			}
		}
		return nil
	}
	add("old", job.Succeeded, start.Add(-3*time.Hour))
	add("a", job.Running, start.Add(-2*time.Hour))
	for i := range newestJobs {
		add(fmt.Sprintf("n%d", i), job.Failed, start.Add(-time.Hour+time.Duration(i)))
	}
	f := jobsFeed{since: start}
	look := func() string {
		all, err := f.look(t.Context(), s)
		require.NoError(t, err)
		told := ""
		for _, n := range f.next(all) {
			switch v := n.data.(type) {
			case view.Job:
				told += fmt.Sprint(n.kind, " ", v.ID, " ", v.State, "; ")
			case view.Progress:
				told += fmt.Sprint(n.kind, " ", v.Job, " ", v.Done, "; ")
			}
		}
		return told
	}
	require.Empty(t, look())
	require.Len(t, f.known, newestJobs+1)
	require.Empty(t, look())
	find("a").Done = 3
	require.Equal(t, "progress a 3; ", look())
	add("b", job.Queued, start.Add(time.Second))
	add("c", job.Succeeded, start.Add(2*time.Second))
	require.Equal(t, "new b queued; new c succeeded; ", look())
	find("a").State = job.Cancelled
	find("b").State = job.Running
	require.Equal(t, "state a cancelled; state b running; ", look(), "also one that is no more among the newest")
	require.Empty(t, look())
	find("old").State = job.Queued // retried
	require.Equal(t, "state old queued; ", look())
	s.jobs = s.jobs[:1]
	require.Empty(t, look(), "jobs are forgotten")
	require.Len(t, f.known, 1)
	s.err = errors.New("away")
	_, err := f.look(t.Context(), s)
	require.Error(t, err)
}

func TestNodesFeed_TellsWhatHasChanged(t *testing.T) {
	now := time.Unix(1e9, 0)
	var f nodesFeed
	a, b := job.Node{ID: "a", State: job.Idle}, job.Node{ID: "b", State: job.Idle}
	busy := a
	busy.Load.Running, busy.State = 2, job.Processing
	hot := busy
	hot.Load.Usage.CPU = 99
	for _, row := range []struct {
		name  string
		after time.Duration
		nodes []job.Node
		want  string
	}{
		{"first", 0, []job.Node{a}, ""},
		{"joins", time.Second, []job.Node{a, b}, "join"},
		{"works", time.Second, []job.Node{busy, b}, "state"},
		{"leaves", time.Second, []job.Node{busy}, "leave"},
		{"load, too soon", loadEvery / 4, []job.Node{hot}, ""},
		{"load", loadEvery, []job.Node{hot}, "load"},
		{"the same", loadEvery, []job.Node{hot}, ""},
		{"back at once", time.Second, []job.Node{b, hot}, "join"},
		{"none", time.Second, nil, "leave leave"},
		{"still none", time.Minute, nil, ""},
	} {
		now = now.Add(row.after)
		require.Equal(t, row.want, words(f.next(row.nodes, now)), row.name)
	}
}
