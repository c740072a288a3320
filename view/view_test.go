package view

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
)

// created is when the jobs of these tests were submitted.
var created = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func TestJob_TellsItsTimesAsOfNow(t *testing.T) {
	j := job.Job{
		ID: "j", State: job.Running, Created: created, Total: 4, Done: 2, Failed: 1,
		Spec:     job.Spec{Source: "data", Operation: job.Operation{Name: "blur"}, Policy: "pull", Tags: []string{"gpu"}},
		Nodes:    []job.Tally{{Node: "node_0", Done: 2, Busy: 3 * time.Millisecond}},
		Failures: []job.Failure{{Name: "a.jpg", Attempts: 1, Nodes: []job.NodeID{"node_0"}, Err: job.E(job.DataLoss, "read", errors.New("cut off"), "copy it again")}},
	}
	require.JSONEq(t, `{"id":"j","state":"running","source":"data","operation":"blur","policy":"pull","created":"2026-01-02T12:00:00Z",
		"elapsed_s":2,"total":4,"done":2,"failed":1,"quarantined":0,"running":0,"parked":0,"skipped":0,"priority":0,"tags":["gpu"],
		"nodes":[{"node":"node_0","done":2,"rejected":0,"delayed":0,"failed":0,"superseded":0,"mean_ms":1.5}],
		"failures":[{"name":"a.jpg","attempts":1,"nodes":["node_0"],"quarantined":false,
			"error":{"code":"data_loss","message":"read: cut off","hint":"copy it again"}}]}`,
		text(t, OfJob(j, created.Add(2*time.Second))))
}

func TestJob_WithoutNodesAndTasksHasEmptyListsInsteadOfNull(t *testing.T) {
	got := text(t, JobWithTasks{Job: OfJob(job.Job{}, created), Tasks: Each(nil, OfTask)})
	require.NotContains(t, got, "null")
	require.Contains(t, got, `"nodes":[]`)
	require.Contains(t, got, `"tasks":[]`)
	require.NotContains(t, got, "inputs")
	require.NotContains(t, text(t, OfNode(job.Node{})), "null")
	require.NotContains(t, text(t, OfOperation(job.OperationInfo{})), "null")
}

func TestTask_TellsEachAttempt(t *testing.T) {
	info := job.TaskInfo{Index: 7, Name: "a.jpg", State: job.TaskDone, Attempts: []job.Attempt{
		{Number: 2, Node: "node_1", Sent: created, Queued: time.Millisecond, Run: 2 * time.Millisecond, Took: 3500 * time.Microsecond},
	}}
	require.JSONEq(t, `{"index":7,"name":"a.jpg","state":"done","attempts":[{"number":2,"node":"node_1","sent":"2026-01-02T12:00:00Z",
		"delayed":false,"queued_ms":1,"run_ms":2,"total_ms":3.5}]}`, text(t, OfTask(info)))
}

func TestOperations_AreToldOnceHoweverManyNodesOfferThem(t *testing.T) {
	blur, edges := job.OperationInfo{Name: "blur"}, job.OperationInfo{Name: "edges"}
	all := Operations([]job.Node{{Operations: []job.OperationInfo{blur}}, {}, {Operations: []job.OperationInfo{edges, blur}}})
	require.Equal(t, []string{"blur", "edges"}, []string{all[0].Name, all[1].Name})
	require.Len(t, all, 2)
}

func text(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	require.NoError(t, err)
	return string(b)
}

func TestJob_TellsItsTrace(t *testing.T) {
	j := job.Job{Spec: job.Spec{Trace: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}}
	require.Contains(t, text(t, OfJob(j, time.Time{})), `"trace_id":"4bf92f3577b34da6a3ce929d0e0e4736"`)
	require.NotContains(t, text(t, OfJob(job.Job{}, time.Time{})), "trace_id")
}

func TestJob_TimesAreThoseThatThriftCarries(t *testing.T) {
	exact := func(d time.Duration) string {
		at := created.Add(d)
		j := job.Job{ID: "j", Created: at, Nodes: []job.Tally{{Node: "node_0", Done: 1, Busy: d}}}
		a := job.Attempt{Sent: at, Took: d}
		return text(t, OfJob(j, at.Add(d))) + text(t, OfTask(job.TaskInfo{Attempts: []job.Attempt{a}})) + text(t, OfNode(job.Node{Since: at}))
	}
	require.Equal(t, exact(1500*time.Microsecond), exact(1500*time.Microsecond+300))
}
