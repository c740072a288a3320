package metrics

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"spillway/job"
)

// sheet describes what stands at a moment.
type sheet struct {
	jobs, tasks, oldestJob, oldestTask, window, inFlight *prometheus.Desc
	unkept, calls, listeners, users, limit               *prometheus.Desc

	nodes nodeSheet
}

// describe is what is said of a metric.
func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("spillway_"+name, help, labels, nil)
}

func newSheet() sheet {
	return sheet{
		jobs:       describe("jobs", "Jobs that this server has and that have not ended, by their state.", "state"),
		tasks:      describe("tasks", "Tasks of these jobs that have not ended, by where they are.", "state"),
		oldestJob:  describe("oldest_queued_job_seconds", "How long the job has been there that has waited longest for its turn."),
		oldestTask: describe("oldest_waiting_task_seconds", "How long ago the first of the tasks began that wait for a node or are parked."),
		window:     describe("window_tasks", "How many tasks may be in flight."),
		inFlight:   describe("window_tasks_in_flight", "How many tasks have a place in the window."),
		limit:      describe("node_attempts_limit", "How many attempts a policy that jobs use lets a node have at once.", "node", "policy"),
		unkept:     describe("store_queue", "Ends of tasks and jobs that wait for the next commit."),
		calls:      describe("http_requests_in_flight", "Calls of the HTTP API that are being answered."),
		listeners:  describe("http_event_listeners", "Streams of events that are open."),
		users:      describe("users", "Accounts, by their role.", "role"),
		nodes:      newNodeSheet(),
	}
}

// patience is how long a scrape waits for the database.
const patience = 2 * time.Second

// look asks the sources, drops what is counted of nodes that have left, and is what to
// answer.
func (m *Metrics) look(ctx context.Context, s Sources) snapshot {
	var out snapshot
	if s.Nodes != nil {
		if nodes, err := s.Nodes(ctx); err == nil {
			m.attempts.keepOnly(nodes)
			m.sheet.nodes.write(&out, nodes)
		}
	}
	if s.Users != nil {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		if users, err := s.Users(ctx); err == nil {
			m.sheet.accounts(&out, users)
		}
	}
	if s.Standing != nil {
		m.sheet.standing(&out, s.Standing())
	}
	for desc, count := range map[*prometheus.Desc]func() int{m.sheet.unkept: s.Unkept, m.sheet.calls: s.Calls, m.sheet.listeners: s.Listeners} {
		if count != nil {
			out.gauge(desc, float64(count()))
		}
	}
	return out
}

func (s sheet) standing(out *snapshot, now job.Standing) {
	out.gauge(s.jobs, float64(now.Queued), string(job.Queued))
	out.gauge(s.jobs, float64(now.Running), string(job.Running))
	for state, n := range map[string]int64{
		"pending": now.Pending, "waiting": now.Waiting, "parked": now.Parked, "sent": now.Sent, "ending": now.Ending,
	} {
		out.gauge(s.tasks, float64(n), state)
	}
	out.gauge(s.oldestJob, now.OldestJob.Seconds())
	out.gauge(s.oldestTask, now.OldestTask.Seconds())
	out.gauge(s.window, float64(now.Window))
	out.gauge(s.inFlight, float64(now.InFlight))
	for _, l := range now.Limits {
		out.gauge(s.limit, float64(l.Attempts), string(l.Node), l.Policy)
	}
}

func (s sheet) accounts(out *snapshot, users []job.User) {
	byRole := map[job.Role]int{job.Viewer: 0, job.Operator: 0, job.Admin: 0}
	for _, u := range users {
		byRole[u.Role]++
	}
	for _, role := range slices.Sorted(maps.Keys(byRole)) {
		out.gauge(s.users, float64(byRole[role]), string(role))
	}
}

// snapshot is what stands at a moment.
type snapshot []prometheus.Metric

// Describe implements prometheus.Collector: what there is depends on the moment.
func (snapshot) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (s snapshot) Collect(out chan<- prometheus.Metric) {
	for _, metric := range s {
		out <- metric
	}
}

func (s *snapshot) gauge(d *prometheus.Desc, value float64, labels ...string) {
	s.add(d, prometheus.GaugeValue, value, labels)
}

func (s *snapshot) counter(d *prometheus.Desc, value float64, labels ...string) {
	s.add(d, prometheus.CounterValue, value, labels)
}

func (s *snapshot) add(d *prometheus.Desc, kind prometheus.ValueType, value float64, labels []string) {
	for i, l := range labels {
		labels[i] = strings.ToValidUTF8(l, "?")
	}
	*s = append(*s, prometheus.MustNewConstMetric(d, kind, value, labels...))
}
