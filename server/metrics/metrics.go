// Package metrics counts what the server does, for Prometheus. Labels come from sets that
// callers cannot grow: nodes that are there, operations that they offer, policies, calls
// that are declared.
package metrics

import (
	"context"
	"net/http"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"spillway/job"
)

// Sources are asked, at each scrape, for what is not counted but stands. A nil one is
// left out.
type Sources struct {
	Nodes    func(context.Context) ([]job.Node, error)
	Users    func(context.Context) ([]job.User, error)
	Standing func() job.Standing
	// Unkept is how many results wait for the store's next commit.
	Unkept func() int
	// Calls are those that are being answered, Listeners the streams of events.
	Calls, Listeners func() int
}

// Metrics of one server. It may be used concurrently.
type Metrics struct {
	registry *prometheus.Registry
	attempts *attempts
	work     work
	store    keeping
	calls    calls
	sheet    sheet
	scrapes  chan struct{}
}

// maxScrapes is how many scrapes are answered at once.
const maxScrapes = 4

// New makes the metrics, with those of the process and of Go's runtime. Of operations,
// those that offered tells are counted by their names, and others together.
func New(offered func() []job.OperationInfo) *Metrics {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return &Metrics{
		registry: r, attempts: newAttempts(maker{r}, offered), work: newWork(maker{r}),
		store: newKeeping(maker{r}), calls: newCalls(maker{r}), sheet: newSheet(), scrapes: make(chan struct{}, maxScrapes),
	}
}

// Handler answers with all metrics, once it has dropped those of nodes that have left;
// where it cannot be told which there are, it drops none.
func (m *Metrics) Handler(s Sources) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case m.scrapes <- struct{}{}:
			defer func() { <-m.scrapes }()
		default:
			http.Error(w, "as many scrapes as may be are being answered; come again in a second", http.StatusServiceUnavailable)
			return
		}
		now := prometheus.NewRegistry()
		now.MustRegister(m.look(r.Context(), s))
		promhttp.HandlerFor(prometheus.Gatherers{m.registry, now}, promhttp.HandlerOpts{
			ErrorHandling: promhttp.ContinueOnError, // what can be told is told
		}).ServeHTTP(w, r)
	})
}

// maker makes metrics that are counted, and registers them.
type maker struct{ registry prometheus.Registerer }

func (m maker) counter(name, help string, labels ...string) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "spillway_" + name, Help: help}, labels)
	m.registry.MustRegister(c)
	return c
}

func (m maker) histogram(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "spillway_" + name, Help: help, Buckets: buckets}, labels)
	m.registry.MustRegister(h)
	return h
}

// seconds are the bounds of times from that of a small picture to that of a long song.
func seconds() []float64 { return prometheus.ExponentialBuckets(0.001, 2.5, 14) }

// moments are the bounds of times of what takes no work of nodes.
func moments() []float64 { return prometheus.ExponentialBuckets(0.0001, 4, 10) }

// cache has, for each key, the series that it counts in, so that the names of their
// labels are looked at once.
type cache[K comparable, V any] struct {
	find func(K) V

	mu    sync.RWMutex
	known map[K]V
}

func newCache[K comparable, V any](find func(K) V) *cache[K, V] {
	return &cache[K, V]{find: find, known: map[K]V{}}
}

func (c *cache[K, V]) get(k K) V {
	c.mu.RLock()
	v, ok := c.known[k]
	c.mu.RUnlock()
	if ok {
		return v
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if v, ok = c.known[k]; !ok {
		v = c.find(k)
		c.known[k] = v
	}
	return v
}
