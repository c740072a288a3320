package metrics

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
)

// offers is what nodes offer.
func offers() []job.OperationInfo { return []job.OperationInfo{{Name: "blur"}} }

// nodes is a source of nodes.
func nodes(all ...job.Node) func(context.Context) ([]job.Node, error) {
	return func(context.Context) ([]job.Node, error) { return all, nil }
}

// newBusy is metrics of a server in which everything has happened once, and what stands.
func newBusy() (*Metrics, Sources) {
	m := New(offers)
	a := job.Tried{Policy: "pull", Operation: "blur", Node: "node_0", Took: time.Second, Copy: true, Delayed: true}
	for _, a.Outcome = range []job.AttemptOutcome{
		job.AttemptDone, job.AttemptRejected, job.AttemptFailed, job.AttemptSuperseded, job.AttemptCancelled, job.AttemptUnsent,
	} {
		m.Attempted(a)
	}
	m.Ended(job.TaskDone)
	m.Submitted("")
	m.JobEnded(job.Succeeded)
	m.Stepped(job.SplitStep, time.Second, false)
	m.Transacted("keep results", time.Millisecond, true)
	m.Grouped(3)
	m.Answered(job.Call{Route: "/jobs/{id}", Method: http.MethodGet, Status: 200, Took: time.Millisecond, Received: 1, Sent: 2})
	m.LoggedIn("")
	one := func() int { return 1 }
	return m, Sources{
		Nodes: nodes(job.Node{
			ID: "node_0", State: job.Idle, Outstanding: 2,
			Load: job.Load{Slots: 3, Latency: time.Second, Usage: job.Usage{CPU: 50, Memory: 25, DiskFree: 9}},
			Link: job.Link{Calls: 4, P50: time.Millisecond, P99: time.Second},
		}),
		Users: func(context.Context) ([]job.User, error) { return []job.User{{Role: job.Admin}}, nil },
		Standing: func() job.Standing {
			return job.Standing{Parked: 7, OldestTask: 2 * time.Second, Limits: []job.Limit{{Policy: "pull", Node: "node_0", Attempts: 5}}}
		},
		Unkept: one, Calls: one, Listeners: one,
	}
}

// scrape is what Prometheus gets.
func scrape(t *testing.T, m *Metrics, s Sources) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler(s).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	require.Equal(t, http.StatusOK, w.Code)
	text, err := io.ReadAll(w.Body)
	require.NoError(t, err)
	return string(text)
}
