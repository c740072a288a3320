package metrics

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/stretchr/testify/require"

	"spillway/job"
)

func TestMetrics_TellWhatHappenedAndWhatStands(t *testing.T) {
	m, s := newBusy()
	text := scrape(t, m, s)
	for _, line := range []string{
		`spillway_attempts_total{node="node_0",operation="blur",outcome="done",policy="pull"} 1`,
		`spillway_attempts_total{node="node_0",operation="blur",outcome="unsent",policy="pull"} 1`,
		`spillway_attempt_seconds_count{node="node_0",operation="blur",policy="pull"} 1`,
		`spillway_hedges_sent_total{operation="blur",policy="pull"} 6`,
		`spillway_hedges_won_total{operation="blur",policy="pull"} 1`,
		`spillway_rejections_total{node="node_0",retry_after="no"} 1`,
		`spillway_tasks_total{state="done"} 1`,
		`spillway_jobs_total{state="cancelled"} 0`,
		`spillway_submissions_total{outcome="accepted"} 1`,
		`spillway_step_seconds_count{step="split"} 1`,
		`spillway_store_seconds_count{step="keep results"} 1`,
		`spillway_store_failures_total{step="keep results"} 1`,
		`spillway_store_group_size_sum 3`,
		`spillway_http_requests_total{method="GET",route="/jobs/{id}",status="2xx"} 1`,
		`spillway_http_bytes_total{direction="sent",route="/jobs/{id}"} 2`,
		`spillway_logins_total{outcome="done"} 1`,
		`spillway_tasks{state="parked"} 7`,
		`spillway_oldest_waiting_task_seconds 2`,
		`spillway_node_attempts_limit{node="node_0",policy="pull"} 5`,
		`spillway_users{role="admin"} 1`,
		`spillway_store_queue 1`,
		`spillway_http_event_listeners 1`,
		`spillway_node_state{node="node_0",state="idle"} 1`,
		`spillway_node_state{node="node_0",state="draining"} 0`,
		`spillway_node_cpu_ratio{node="node_0"} 0.5`,
		`spillway_link_calls_total{node="node_0"} 4`,
		`spillway_link_call_p99_seconds{node="node_0"} 1`,
	} {
		require.Contains(t, text, line+"\n")
	}
	require.Contains(t, text, "go_goroutines")
}

func TestMetrics_AreNamedAsIsUsual(t *testing.T) {
	m, s := newBusy()
	problems, err := promlint.New(strings.NewReader(scrape(t, m, s))).Lint()
	require.NoError(t, err)
	require.Empty(t, problems)
}

func TestMetrics_DropNodesThatLeftAndCountThoseThatComeBack(t *testing.T) {
	m := New(offers)
	tried := job.Tried{Policy: "p2c", Operation: "blur", Node: "gone", Outcome: job.AttemptDone, Took: time.Second}
	stay := tried
	stay.Node = "node_0"
	m.Attempted(tried)
	m.Attempted(stay)
	text := scrape(t, m, Sources{Nodes: nodes(job.Node{ID: "node_0"})})
	require.NotContains(t, text, `"gone"`)
	require.Contains(t, text, `spillway_attempts_total{node="node_0",operation="blur",outcome="done",policy="p2c"} 1`)
	m.Attempted(tried)
	text = scrape(t, m, Sources{Nodes: nodes(job.Node{ID: "node_0"}, job.Node{ID: "gone"})})
	require.Contains(t, text, `spillway_attempts_total{node="gone",operation="blur",outcome="done",policy="p2c"} 1`)
}

func TestMetrics_SayWhatTheyCanWhereSourcesFail(t *testing.T) {
	m := New(offers)
	m.Attempted(job.Tried{Operation: "blur", Node: "node_0", Outcome: job.AttemptDone})
	text := scrape(t, m, Sources{
		Nodes: func(context.Context) ([]job.Node, error) { return nil, errors.New("away") },
		Users: func(context.Context) ([]job.User, error) { return nil, errors.New("away") },
	})
	require.Contains(t, text, `spillway_attempts_total{node="node_0"`, "nobody can tell that it has left")
	require.NotContains(t, text, "spillway_users")
}

func TestMetrics_TwoNodesOfOneNameAreOne(t *testing.T) {
	m := New(offers)
	text := scrape(t, m, Sources{Nodes: nodes(job.Node{ID: "node_0", Outstanding: 1}, job.Node{ID: "node_0", Outstanding: 2})})
	require.Contains(t, text, `spillway_node_attempts_in_flight{node="node_0"} 2`)
	require.Equal(t, 1, strings.Count(text, "spillway_node_attempts_in_flight{"))
}

func TestMetrics_HostileNamesDoNotGrowThem(t *testing.T) {
	m := New(offers)
	for i := range 1000 {
		m.Attempted(job.Tried{Policy: "pull", Operation: fmt.Sprint("op", i), Node: "node_0", Outcome: job.AttemptFailed})
		m.Answered(job.Call{Method: fmt.Sprint("M", i), Status: i * 7})
		m.Answered(job.Call{Method: http.MethodGet, Status: -i})
	}
	m.Attempted(job.Tried{Policy: "pull", Operation: "basic", Node: "\xff\n\"", Outcome: job.AttemptDone})
	text := scrape(t, m, Sources{Nodes: nodes(job.Node{ID: "\xff"}, job.Node{ID: "node_0"})})
	require.NotContains(t, text, `"op`)
	require.Contains(t, text, `spillway_attempts_total{node="node_0",operation="other",outcome="failed",policy="pull"} 1000`)
	require.NotContains(t, text, `"M`)
	require.LessOrEqual(t, strings.Count(text, "spillway_http_requests_total{"), 8)
	for i := range 10 * maxOperations { // which nodes say that they have done
		m.Attempted(job.Tried{Operation: fmt.Sprint("op", i), Node: "node_0", Outcome: job.AttemptDone})
	}
	text = scrape(t, m, Sources{})
	require.LessOrEqual(t, strings.Count(text, "spillway_attempt_seconds_count{"), maxOperations+3)
}

func TestMetrics_NodesThatComeAndGoBetweenScrapesAreBounded(t *testing.T) {
	m := New(offers)
	m.attempts.most = 50
	for i := range 100 {
		m.Attempted(job.Tried{Operation: "blur", Node: job.NodeID(fmt.Sprint("n", i)), Outcome: job.AttemptDone})
	}
	require.Equal(t, 51, m.attempts.known, "those that came last count together")
	text := scrape(t, m, Sources{Nodes: nodes()})
	require.Equal(t, 1, m.attempts.known, "there is room for others")
	require.Contains(t, text, `spillway_attempts_total{node="other",operation="blur",outcome="done",policy=""} 50`)
	require.NotContains(t, text, `"n1"`)
}

func TestMetrics_CountWhileTheyAreScraped(t *testing.T) {
	m, s := newBusy()
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for n := range 500 {
				m.Attempted(job.Tried{Operation: "blur", Node: job.NodeID(fmt.Sprint("node_", n%5)), Outcome: job.AttemptDone, Took: time.Duration(i)})
			}
		})
	}
	for range 5 {
		scrape(t, m, s)
	}
	wg.Wait()
	require.Contains(t, scrape(t, m, s), `node="node_0"`)
}

func TestMetrics_ScrapesAreBounded(t *testing.T) {
	m := New(offers)
	for range maxScrapes {
		m.scrapes <- struct{}{}
	}
	w := httptest.NewRecorder()
	m.Handler(Sources{}).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
}

func TestMetrics_AnAttemptAllocatesNothing(t *testing.T) {
	m := New(offers)
	a := job.Tried{Policy: "pull", Operation: "blur", Node: "node_0", Outcome: job.AttemptDone, Took: time.Millisecond}
	require.Zero(t, testing.AllocsPerRun(100, func() {
		m.Attempted(a)
		m.Ended(job.TaskDone)
	}))
}

// BenchmarkMetrics_Attempt is what the end of one attempt and its task costs, and what it
// would if the names of its labels were looked up each time.
func BenchmarkMetrics_Attempt(b *testing.B) {
	m := New(offers)
	a := job.Tried{Policy: "pull", Operation: "blur", Node: "node_0", Outcome: job.AttemptDone, Took: time.Millisecond}
	b.Run("as it is", func(b *testing.B) {
		for b.Loop() {
			m.Attempted(a)
			m.Ended(job.TaskDone)
		}
	})
	b.Run("looked up", func(b *testing.B) {
		node, outcome := string(a.Node), string(a.Outcome)
		for b.Loop() {
			m.attempts.outcomes.WithLabelValues(node, a.Operation, a.Policy, outcome).Inc()
			m.attempts.seconds.WithLabelValues(node, a.Operation, a.Policy).Observe(a.Took.Seconds())
			m.Ended(job.TaskDone)
		}
	})
}

// BenchmarkMetrics_Call is what the end of one call of the HTTP API costs.
func BenchmarkMetrics_Call(b *testing.B) {
	m := New(offers)
	c := job.Call{Route: "/jobs/{id}", Method: http.MethodGet, Status: http.StatusOK, Took: time.Millisecond, Sent: 100}
	for b.Loop() {
		m.Answered(c)
	}
}
