package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// keeping counts what the store does.
type keeping struct {
	seconds  *prometheus.HistogramVec
	failures *prometheus.CounterVec
	group    prometheus.Observer
}

func newKeeping(m maker) keeping {
	return keeping{
		seconds:  m.histogram("store_seconds", "Time of a transaction of the store, with its commit, by what it is for.", moments(), "step"),
		failures: m.counter("store_failures_total", "Transactions that the database did not carry out.", "step"),
		group: m.histogram("store_group_size", "Ends of tasks and jobs that were kept with one commit.",
			prometheus.ExponentialBuckets(1, 2, 12)).WithLabelValues(),
	}
}

// Transacted counts a transaction of the store; step is what it is for, of a set that
// does not grow.
func (m *Metrics) Transacted(step string, took time.Duration, failed bool) {
	m.store.seconds.WithLabelValues(step).Observe(took.Seconds())
	if failed {
		m.store.failures.WithLabelValues(step).Inc()
	}
}

// Grouped counts a commit that kept the ends of so many tasks and jobs.
func (m *Metrics) Grouped(ends int) { m.store.group.Observe(float64(ends)) }
