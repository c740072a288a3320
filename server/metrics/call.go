package metrics

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"spillway/job"
)

// calls counts what the HTTP API answers.
type calls struct {
	logins *prometheus.CounterVec
	byKind *cache[callKind, *callSeries]
}

// callKind is what calls are counted by.
type callKind struct {
	route, method string
	class         int // the status by the hundred; 0: none
}

// callSeries are those of one kind of calls.
type callSeries struct {
	count, received, sent prometheus.Counter
	seconds               prometheus.Observer
}

func newCalls(m maker) calls {
	count := m.counter("http_requests_total", "Calls of the HTTP API that were answered.", "route", "method", "status")
	seconds := m.histogram("http_request_seconds", "Time from the head of a call to the end of its answer.", moments(), "route", "method")
	bytes := m.counter("http_bytes_total", "Bytes of the bodies of calls (received) and of answers (sent).", "route", "direction")
	c := calls{
		logins: m.counter("logins_total", "Logins: done, or why they were refused.", "outcome"),
		byKind: newCache(func(k callKind) *callSeries {
			status := "none"
			if k.class > 0 {
				status = strconv.Itoa(k.class) + "xx"
			}
			return &callSeries{
				count: count.WithLabelValues(k.route, k.method, status), seconds: seconds.WithLabelValues(k.route, k.method),
				received: bytes.WithLabelValues(k.route, "received"), sent: bytes.WithLabelValues(k.route, "sent"),
			}
		}),
	}
	for _, outcome := range []string{loggedIn, string(job.Unauthenticated), string(job.ResourceExhausted)} {
		c.logins.WithLabelValues(outcome)
	}
	return c
}

// Answered counts a call that was answered. Calls that nothing is declared for count
// together, under the route "none".
func (m *Metrics) Answered(c job.Call) {
	k := callKind{route: cmp.Or(c.Route, "none"), method: methodOf(c.Method), class: min(max(c.Status, 0), 599) / 100}
	s := m.calls.byKind.get(k)
	s.count.Inc()
	s.seconds.Observe(c.Took.Seconds())
	if c.Received > 0 {
		s.received.Add(float64(c.Received))
	}
	if c.Sent > 0 {
		s.sent.Add(float64(c.Sent))
	}
}

// methodOf is the method, or others where HTTP has none of that name.
func methodOf(method string) string {
	if slices.Contains([]string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}, method) {
		return method
	}
	return others
}

// loggedIn is the outcome of a login that is none of its errors.
const loggedIn = "done"

// LoggedIn counts a login; code is why it was refused, "" where it was not.
func (m *Metrics) LoggedIn(code job.Code) {
	m.calls.logins.WithLabelValues(cmp.Or(string(code), loggedIn)).Inc()
}
