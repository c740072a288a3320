package metrics

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
)

func TestMetrics_CountAttemptsAndDropNodesThatLeft(t *testing.T) {
	m := New()
	m.Attempted("p2c:hedge=0", "blur", "done", "node_0", time.Second)
	m.Attempted("pull", "blur", "rejected", "gone", time.Second)
	m.Ended(job.TaskDone)
	h := m.Handler(func(context.Context) ([]job.Node, error) { return []job.Node{{ID: "node_0"}}, nil })
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	text := w.Body.String()
	require.Contains(t, text, `spillway_attempts_total{node="node_0",operation="blur",outcome="done",policy="p2c"} 1`)
	require.Contains(t, text, `spillway_attempt_seconds_count{node="node_0",operation="blur",policy="p2c"} 1`)
	require.Contains(t, text, `spillway_tasks_total{state="done"} 1`)
	require.Contains(t, text, "go_goroutines")
	require.NotContains(t, text, "gone")
}

// BenchmarkMetrics_Attempt is what the end of one attempt and its task costs.
func BenchmarkMetrics_Attempt(b *testing.B) {
	m := New()
	for b.Loop() {
		m.Attempted("pull", "blur", "done", "node_0", time.Millisecond)
		m.Ended(job.TaskDone)
	}
}
