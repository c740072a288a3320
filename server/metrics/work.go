package metrics

import (
	"cmp"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"spillway/job"
)

// work counts tasks and jobs.
type work struct {
	done, failed, quarantined prometheus.Counter

	submissions, jobs, steps *prometheus.CounterVec
	stepSeconds              *prometheus.HistogramVec
}

func newWork(m maker) work {
	tasks := m.counter("tasks_total", "Tasks whose end is kept, by their state.", "state")
	w := work{
		done: tasks.WithLabelValues(string(job.TaskDone)), failed: tasks.WithLabelValues(string(job.TaskFailed)),
		quarantined: tasks.WithLabelValues(string(job.TaskQuarantined)),
		submissions: m.counter("submissions_total", "Jobs that were submitted: accepted, or why they were not.", "outcome"),
		jobs:        m.counter("jobs_total", "Jobs that have ended, by their state.", "state"),
		steps:       m.counter("step_failures_total", "Inputs that could not be joined.", "step"),
		stepSeconds: m.histogram("step_seconds", "Time that it took to split an input into parts, or to join what they became.", seconds(), "step"),
	}
	for _, state := range []job.State{job.Succeeded, job.Failed, job.Cancelled} {
		w.jobs.WithLabelValues(string(state))
	}
	w.submissions.WithLabelValues(accepted)
	w.submissions.WithLabelValues(string(job.ResourceExhausted))
	w.steps.WithLabelValues(string(job.JoinedStep))
	return w
}

// Ended counts a task that has ended.
func (m *Metrics) Ended(state job.TaskState) {
	switch state {
	case job.TaskDone:
		m.work.done.Inc()
	case job.TaskQuarantined:
		m.work.quarantined.Inc()
	default:
		m.work.failed.Inc()
	}
}

// accepted is the outcome of a submission that was.
const accepted = "accepted"

// Submitted counts a submission; code is why it was refused, "" where it was not.
func (m *Metrics) Submitted(code job.Code) {
	m.work.submissions.WithLabelValues(cmp.Or(string(code), accepted)).Inc()
}

// JobEnded counts a job that has ended.
func (m *Metrics) JobEnded(state job.State) { m.work.jobs.WithLabelValues(string(state)).Inc() }

// Stepped counts inputs that were split or joined.
func (m *Metrics) Stepped(kind job.StepKind, took time.Duration, failed bool) {
	m.work.stepSeconds.WithLabelValues(string(kind)).Observe(took.Seconds())
	if failed {
		m.work.steps.WithLabelValues(string(kind)).Inc()
	}
}
