package metrics

import (
	"slices"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"spillway/job"
)

// others stands for what is not told apart by its name.
const others = "other"

// How many operations, and series of attempts, are told apart. What a node offers is its
// own to say, and nodes come and go between two scrapes.
const (
	maxOperations = 128
	maxSeries     = 20_000
)

// series are those of the attempts of one kind on one node.
type series struct {
	operation, policy string

	done, rejected, failed, superseded, cancelled, unsent prometheus.Counter

	seconds                       prometheus.Observer
	retries, hedges, won, delayed prometheus.Counter
	askedToWait, notAsked         prometheus.Counter
}

// attempts counts attempts.
type attempts struct {
	offered func() []job.OperationInfo

	outcomes, retries, rejections, delayed, sent, won *prometheus.CounterVec
	seconds                                           *prometheus.HistogramVec

	mu         sync.RWMutex // guards what follows
	most       int
	known      int
	byNode     map[string][]*series // few a node, so that the names of labels are looked at once
	operations map[string]bool      // those that are told apart
}

func newAttempts(m maker, offered func() []job.OperationInfo) *attempts {
	return &attempts{
		offered: offered, most: maxSeries, byNode: map[string][]*series{}, operations: map[string]bool{},
		outcomes:   m.counter("attempts_total", "Attempts that have ended, by how.", "node", "operation", "policy", "outcome"),
		seconds:    m.histogram("attempt_seconds", "Time from sending an attempt that was done to its answer.", seconds(), "node", "operation", "policy"),
		rejections: m.counter("rejections_total", "Attempts that a node turned away, and whether it said when to come again.", "node", "retry_after"),
		delayed:    m.counter("delayed_total", "Attempts that are done, and that the node delayed first.", "node"),
		retries:    m.counter("retries_total", "Attempts that came after another of their task had ended without its being done.", "operation", "policy"),
		sent:       m.counter("hedges_sent_total", "Second copies of tasks that have ended: attempts beside one that took long.", "operation", "policy"),
		won:        m.counter("hedges_won_total", "Second copies that were done first.", "operation", "policy"),
	}
}

// outcomes are all that an attempt may have.
func outcomes() []job.AttemptOutcome {
	return []job.AttemptOutcome{
		job.AttemptDone, job.AttemptRejected, job.AttemptFailed, job.AttemptSuperseded, job.AttemptCancelled, job.AttemptUnsent,
	}
}

// Attempted counts an attempt that has ended.
func (m *Metrics) Attempted(t job.Tried) {
	s := m.attempts.of(&t)
	switch t.Outcome {
	case job.AttemptDone:
		s.done.Inc()
		s.seconds.Observe(t.Took.Seconds())
	case job.AttemptRejected:
		s.reject(t.AskedToWait)
	case job.AttemptSuperseded:
		s.superseded.Inc()
	case job.AttemptCancelled:
		s.cancelled.Inc()
	case job.AttemptUnsent:
		s.unsent.Inc()
	case job.AttemptFailed:
		s.failed.Inc()
	}
	if t.Again {
		s.retries.Inc()
	}
	if t.Delayed {
		s.delayed.Inc()
	}
	if t.Copy {
		s.hedges.Inc()
		if t.Outcome == job.AttemptDone {
			s.won.Inc()
		}
	}
}

// reject counts a rejection.
func (s *series) reject(askedToWait bool) {
	s.rejected.Inc()
	if askedToWait {
		s.askedToWait.Inc()
		return
	}
	s.notAsked.Inc()
}

// of are the series to count an attempt in.
func (a *attempts) of(t *job.Tried) *series {
	a.mu.RLock()
	s := a.find(string(t.Node), t.Operation, t.Policy)
	a.mu.RUnlock()
	if s != nil {
		return s
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	node, operation := strings.ToValidUTF8(string(t.Node), "?"), t.Operation
	if !a.names(operation, t.Outcome) {
		operation = others
	}
	if a.known >= a.most {
		node = others
	}
	if s = a.find(node, operation, t.Policy); s == nil {
		s = a.make(node, operation, t.Policy)
		a.byNode[node] = append(a.byNode[node], s)
		a.known++
	}
	return s
}

// find is what is known of the kind; nil: nothing. mu is held, by readers at least.
func (a *attempts) find(node, operation, policy string) *series {
	for _, s := range a.byNode[node] {
		if s.operation == operation && s.policy == policy {
			return s
		}
	}
	return nil
}

// make makes the series of a kind.
func (a *attempts) make(node, operation, policy string) *series {
	outcome := func(o job.AttemptOutcome) prometheus.Counter {
		return a.outcomes.WithLabelValues(node, operation, policy, string(o))
	}
	return &series{
		operation: operation, policy: policy,
		done: outcome(job.AttemptDone), rejected: outcome(job.AttemptRejected), failed: outcome(job.AttemptFailed),
		superseded: outcome(job.AttemptSuperseded), cancelled: outcome(job.AttemptCancelled), unsent: outcome(job.AttemptUnsent),
		seconds: a.seconds.WithLabelValues(node, operation, policy),
		retries: a.retries.WithLabelValues(operation, policy),
		hedges:  a.sent.WithLabelValues(operation, policy), won: a.won.WithLabelValues(operation, policy),
		delayed:     a.delayed.WithLabelValues(node),
		askedToWait: a.rejections.WithLabelValues(node, "yes"), notAsked: a.rejections.WithLabelValues(node, "no"),
	}
}

// names reports whether an operation is told apart by its name: a node offers it, or has
// done it. mu is held.
func (a *attempts) names(operation string, o job.AttemptOutcome) bool {
	if a.operations[operation] {
		return true
	}
	if len(a.operations) >= maxOperations {
		return false
	}
	is := func(info job.OperationInfo) bool { return info.Name == operation }
	if o != job.AttemptDone && !slices.ContainsFunc(a.offered(), is) {
		return false
	}
	a.operations[operation] = true
	return true
}

// keepOnly drops the series of nodes that are not among nodes. An attempt that is just
// being counted there is lost with them.
func (a *attempts) keepOnly(nodes []job.Node) {
	stay := map[string]bool{others: true}
	for _, n := range nodes {
		stay[strings.ToValidUTF8(string(n.ID), "?")] = true
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for node, all := range a.byNode {
		if stay[node] {
			continue
		}
		for _, s := range all {
			for _, o := range outcomes() {
				a.outcomes.DeleteLabelValues(node, s.operation, s.policy, string(o))
			}
			a.seconds.DeleteLabelValues(node, s.operation, s.policy)
		}
		a.rejections.DeleteLabelValues(node, "yes")
		a.rejections.DeleteLabelValues(node, "no")
		a.delayed.DeleteLabelValues(node)
		delete(a.byNode, node)
		a.known -= len(all)
	}
}
