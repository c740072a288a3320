// Package otlp takes spans to an OpenTelemetry collector, over HTTP with protobuf.
//
// It never holds the program up: what the collector does not take in time is lost, and
// one line a minute says so. The variables of the OpenTelemetry specification count,
// see docs/tracing.md.
package otlp

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"

	"spillway/trace"
)

// longest bounds an attribute's text where OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT does not, in bytes.
const longest = 1024

// flushTime is how long the last spans may take to leave.
const flushTime = time.Second

// Config of a pipeline. Service and Log must be there.
type Config struct {
	// Endpoint is the URL of the collector, as in http://127.0.0.1:4318; spans go to its
	// path v1/traces. Default: what OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, which is the
	// whole URL, or OTEL_EXPORTER_OTLP_ENDPOINT say; where neither does, there are no
	// traces.
	Endpoint string
	// Service is the name of the program, unless OTEL_SERVICE_NAME or
	// OTEL_RESOURCE_ATTRIBUTES have another.
	Service string
	// Instance tells it from others of the same name. Default: nothing does.
	Instance string
	Log      *slog.Logger
}

// Pipeline is the way of spans to a collector. nil is none.
type Pipeline struct {
	tracer   *trace.Tracer
	provider *sdk.TracerProvider
	queue    *queue
}

// Start makes a pipeline, which Close ends; nil where no endpoint is configured. The
// collector need not be there.
//
// Errors: plain, naming the flag or the variable that cannot be used.
func Start(cfg Config) (*Pipeline, error) {
	target, err := find(cfg.Endpoint)
	if err != nil || target == nil {
		return nil, err
	}
	sent, err := newSender(target)
	if err != nil {
		return nil, err
	}
	limits := sdk.NewSpanLimits()
	if limits.AttributeValueLengthLimit < 0 {
		limits.AttributeValueLengthLimit = longest
	}
	// Its error is one of the environment, and what is right in there counts.
	res, err := resource.New(context.Background(),
		resource.WithAttributes(names(cfg)...), resource.WithTelemetrySDK(), resource.WithFromEnv())
	if err != nil {
		cfg.Log.Warn("some attributes of traces are left out", "err", err)
	}
	out, err := otlptrace.New(context.Background(), sent)
	if err != nil {
		return nil, err
	}
	q := newQueue(out, target.shown, cfg.Log)
	provider := sdk.NewTracerProvider(sdk.WithResource(res), sdk.WithRawSpanLimits(limits), sdk.WithSpanProcessor(q))
	cfg.Log.Info("traces are sent", "to", target.shown)
	return &Pipeline{tracer: trace.New(provider), provider: provider, queue: q}, nil
}

// names are the attributes that tell who makes the spans.
func names(cfg Config) []attribute.KeyValue {
	attrs := []attribute.KeyValue{attribute.String("service.name", cfg.Service)}
	if cfg.Instance != "" {
		attrs = append(attrs, attribute.String("service.instance.id", cfg.Instance))
	}
	return attrs
}

// Tracer makes spans that the pipeline takes; nil where there is none.
func (p *Pipeline) Tracer() *trace.Tracer {
	if p == nil {
		return nil
	}
	return p.tracer
}

// Close sends what is left, for a second at most, and ends the pipeline. Spans that end
// later are lost.
func (p *Pipeline) Close() {
	if p == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), flushTime)
	defer cancel()
	if err := p.provider.Shutdown(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		p.queue.log.Debug("traces not ended well", "err", err)
	}
}

// queue bounds what waits for the collector, and counts what is lost. What it has taken
// goes to the SDK's own processor, which makes batches.
type queue struct {
	sdk.SpanProcessor
	out     *exit
	most    int64
	log     *slog.Logger
	address string

	mu      sync.Mutex // guards what follows
	waiting int64      // spans that have not left
	lost    int64      // spans, since it was last told
	total   int64
	why     error
	told    time.Time
}

// tellEvery is how often at most the log hears of spans that are lost.
const tellEvery = time.Minute

// newQueue makes the queue before out, and starts what empties it.
func newQueue(out sdk.SpanExporter, address string, log *slog.Logger) *queue {
	life, die := context.WithCancelCause(context.Background())
	q := &queue{log: log, address: address, most: int64(number("OTEL_BSP_MAX_QUEUE_SIZE", sdk.DefaultMaxQueueSize))}
	q.out = &exit{SpanExporter: out, q: q, dying: life.Done(), die: die, gone: make(chan struct{})}
	q.SpanProcessor = sdk.NewBatchSpanProcessor(q.out, sdk.WithMaxQueueSize(int(q.most)))
	return q
}

// errFull is why spans are lost before they were sent.
var errFull = errors.New("spans come faster than the collector takes them")

// OnEnd implements sdk.SpanProcessor. It never waits.
func (q *queue) OnEnd(s sdk.ReadOnlySpan) {
	if !s.SpanContext().IsSampled() {
		return
	}
	q.mu.Lock()
	full := q.waiting >= q.most
	if !full {
		q.waiting++
	}
	q.mu.Unlock()
	if full {
		q.lose(1, errFull)
		return
	}
	q.SpanProcessor.OnEnd(s)
}

// Shutdown implements sdk.SpanProcessor. It returns when all that was started has ended,
// which is soon after ctx has.
func (q *queue) Shutdown(ctx context.Context) error {
	err := q.SpanProcessor.Shutdown(ctx)
	q.out.die(errors.New("the program ends"))
	<-q.out.gone
	q.tell(true)
	return err
}

// left counts spans that wait no more.
func (q *queue) left(n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting -= int64(n)
}

// lose counts spans that nobody will see, and tells of them.
func (q *queue) lose(n int, why error) {
	q.mu.Lock()
	q.lost += int64(n)
	q.total += int64(n)
	q.why = why
	q.mu.Unlock()
	q.tell(false)
}

// tell writes down what was lost since it last did; not yet, unless it is the last time.
func (q *queue) tell(last bool) {
	q.mu.Lock()
	now := time.Now()
	if q.lost == 0 || !last && !q.told.IsZero() && now.Sub(q.told) < tellEvery {
		q.mu.Unlock()
		return
	}
	lost, total, why := q.lost, q.total, q.why
	q.lost, q.told = 0, now
	q.mu.Unlock()
	q.log.Warn("spans are lost, and nothing else is", "spans", lost, "total", total, "collector", q.address, "err", why)
}

// exit is where spans leave the queue. Its errors end here.
type exit struct {
	sdk.SpanExporter
	q     *queue
	dying <-chan struct{}
	die   context.CancelCauseFunc
	gone  chan struct{} // closed when nothing leaves any more
}

// ExportSpans implements sdk.SpanExporter.
func (e *exit) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		select {
		case <-e.dying:
			cancel()
		case <-ended:
		}
	}()
	err := e.SpanExporter.ExportSpans(ctx, spans)
	e.q.left(len(spans))
	if err != nil {
		e.q.lose(len(spans), err)
	}
	return nil
}

// Shutdown implements sdk.SpanExporter.
func (e *exit) Shutdown(ctx context.Context) error {
	defer close(e.gone)
	return e.SpanExporter.Shutdown(ctx)
}

// variable is the value of the first of these variables that has one.
func variable(names ...string) (name, value string) {
	for _, name := range names {
		if value := strings.TrimSpace(os.Getenv(name)); value != "" {
			return name, value
		}
	}
	return "", ""
}
