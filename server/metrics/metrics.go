// Package metrics counts what the server does, for Prometheus.
package metrics

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"spillway/job"
)

// Metrics of one server. It may be used concurrently.
type Metrics struct {
	registry *prometheus.Registry
	tasks    *prometheus.CounterVec
	attempts *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
}

// New makes the metrics, with those of the process and of Go's runtime.
func New() *Metrics {
	labels := []string{"node", "operation", "policy"}
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		tasks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "spillway_tasks_total", Help: "Tasks that have ended, by their state.",
		}, []string{"state"}),
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "spillway_attempts_total", Help: "Attempts that have ended, by how.",
		}, append(labels[:3:3], "outcome")),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "spillway_attempt_seconds", Help: "Time from sending an attempt that was done to its answer.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2.5, 14),
		}, labels),
	}
	m.registry.MustRegister(m.tasks, m.attempts, m.seconds, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Attempted counts an attempt that has ended: outcome is done, rejected, failed,
// superseded or cancelled. Of the policy its name counts, without parameters.
func (m *Metrics) Attempted(policy, operation, outcome string, node job.NodeID, took time.Duration) {
	policy, _, _ = strings.Cut(policy, ":")
	m.attempts.WithLabelValues(string(node), operation, policy, outcome).Inc()
	if outcome == "done" {
		m.seconds.WithLabelValues(string(node), operation, policy).Observe(took.Seconds())
	}
}

// Ended counts a task that has ended.
func (m *Metrics) Ended(state job.TaskState) { m.tasks.WithLabelValues(string(state)).Inc() }

// Handler answers with all metrics, once it has dropped those of nodes that are not
// among nodes any more; where these cannot be told, it drops none.
func (m *Metrics) Handler(nodes func(context.Context) ([]job.Node, error)) http.Handler {
	serve := promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if known, err := nodes(r.Context()); err == nil {
			m.keepOnly(known)
		}
		serve.ServeHTTP(w, r)
	})
}

// keepOnly drops the series of nodes that have left.
func (m *Metrics) keepOnly(known []job.Node) {
	stay := map[string]bool{}
	for _, n := range known {
		stay[string(n.ID)] = true
	}
	series, err := m.registry.Gather()
	if err != nil {
		return
	}
	for _, family := range series {
		if family.GetName() != "spillway_attempts_total" {
			continue
		}
		for _, one := range family.GetMetric() {
			for _, l := range one.GetLabel() {
				if l.GetName() == "node" && !stay[l.GetValue()] {
					gone := prometheus.Labels{"node": l.GetValue()}
					m.attempts.DeletePartialMatch(gone)
					m.seconds.DeletePartialMatch(gone)
				}
			}
		}
	}
}
