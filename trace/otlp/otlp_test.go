package otlp

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	sdk "go.opentelemetry.io/otel/sdk/trace"

	"spillway/trace"
)

// start is a pipeline, and its log.
func start(t *testing.T, endpoint string) (*Pipeline, *syncBuffer) {
	t.Helper()
	log := &syncBuffer{}
	p, err := Start(Config{Endpoint: endpoint, Service: "spillway-server", Instance: "here", Log: slog.New(slog.NewTextHandler(log, nil))})
	require.NoError(t, err)
	return p, log
}

type syncBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func (b *syncBuffer) count(what string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Count(b.String(), what)
}

// spans makes n spans of a name.
func spans(t *testing.T, p *Pipeline, n int, name string) {
	t.Helper()
	for range n {
		_, span := p.Tracer().Start(t.Context(), name, trace.Internal)
		span.Set(trace.Text(trace.File, "caf\xe9.png"), trace.Text(trace.TaskName, strings.Repeat("x", 1<<16)))
		span.End()
	}
}

func TestPipeline_SendsWhatIsLeftWhenItIsClosed(t *testing.T) {
	c := newCollector(t)
	p, log := start(t, c.URL)
	spans(t, p, 3, "job")
	p.Close()
	require.Equal(t, []string{"job", "job", "job"}, c.names(t))
	require.Equal(t, []string{"/v1/traces"}, c.paths)
	require.Equal(t, "spillway-server", c.from["service.name"])
	require.Equal(t, "here", c.from["service.instance.id"])
	require.Len(t, c.spans[0].Attributes[1].Value.GetStringValue(), longest)
	require.Zero(t, log.count("lost"))
	spans(t, p, 1, "too late") // and nothing happens
}

func TestPipeline_TakesTheVariablesOfTheSpecification(t *testing.T) {
	c := newCollector(t)
	t.Setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", c.URL+"/elsewhere")
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20secret,x-tenant=a")
	t.Setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
	t.Setenv("OTEL_SERVICE_NAME", "mine")
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=lab")
	p, _ := start(t, "")
	spans(t, p, 1, "job")
	p.Close()
	require.Equal(t, []string{"job"}, c.names(t))
	require.Equal(t, []string{"/elsewhere"}, c.paths)
	require.Equal(t, "Bearer secret", c.header.Get("Authorization"))
	require.Equal(t, "a", c.header.Get("X-Tenant"))
	require.Equal(t, "mine", c.from["service.name"])
	require.Equal(t, "lab", c.from["deployment.environment.name"])
}

func TestPipeline_SamplerOfTheEnvironment(t *testing.T) {
	c := newCollector(t)
	t.Setenv("OTEL_TRACES_SAMPLER", "always_off")
	p, _ := start(t, c.URL)
	spans(t, p, 3, "job")
	p.Close()
	require.Empty(t, c.names(t))
}

func TestPipeline_NoneWithoutAnEndpoint(t *testing.T) {
	newCollector(t)
	p, log := start(t, "")
	require.Nil(t, p)
	require.Nil(t, p.Tracer())
	p.Close()
	for name, value := range map[string]string{"OTEL_SDK_DISABLED": "true", "OTEL_TRACES_EXPORTER": "none"} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
			t.Setenv(name, value)
			p, _ := start(t, "")
			require.Nil(t, p)
		})
	}
	require.Empty(t, log.String())
}

func TestStart_NamesWhatCannotBeUsed(t *testing.T) {
	newCollector(t)
	_, err := Start(Config{Endpoint: "127.0.0.1:4318", Log: slog.New(slog.DiscardHandler)})
	require.ErrorContains(t, err, "--otlp-endpoint")
	for name, value := range map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT":           "ftp://x",
		"OTEL_EXPORTER_OTLP_HEADERS":            "secret",
		"OTEL_EXPORTER_OTLP_TIMEOUT":            "soon",
		"OTEL_EXPORTER_OTLP_PROTOCOL":           "grpc",
		"OTEL_EXPORTER_OTLP_COMPRESSION":        "zip",
		"OTEL_EXPORTER_OTLP_CERTIFICATE":        "/nowhere",
		"OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": "/nowhere",
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
			t.Setenv(name, value)
			_, err := Start(Config{Log: slog.New(slog.DiscardHandler)})
			require.ErrorContains(t, err, name)
			require.NotContains(t, err.Error(), "secret")
		})
	}
}

func TestPipeline_CollectorThatIsAwayCostsSpansAlone(t *testing.T) {
	newCollector(t)
	t.Setenv("OTEL_BSP_MAX_QUEUE_SIZE", "64")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	p, log := start(t, "http://"+l.Addr().String())
	spans(t, p, 300, "job")
	require.EqualValues(t, 64, p.queue.most)
	p.Close()
	require.Equal(t, 2, log.count("spans are lost"), "once for the first, and once at the end")
	require.EqualValues(t, 300, p.queue.total)
}

func TestPipeline_CollectorThatNeverAnswersIsLeft(t *testing.T) {
	c := newCollector(t)
	over := make(chan struct{})
	c.answer = func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-over:
		}
	}
	defer close(over)
	p, log := start(t, c.URL)
	spans(t, p, 10, "job")
	p.Close()
	require.Equal(t, 1, log.count("spans are lost"))
	require.EqualValues(t, 10, p.queue.total)
}

func TestPipeline_BusyCollectorIsAskedAgain(t *testing.T) {
	c := newCollector(t)
	busy := 2
	c.answer = func(w http.ResponseWriter, _ *http.Request) {
		c.mu.Lock()
		defer c.mu.Unlock()
		if busy--; busy == 0 {
			c.answer = nil
		}
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	target, err := find(c.URL)
	require.NoError(t, err)
	s, err := newSender(target)
	require.NoError(t, err)
	s.pause = time.Millisecond
	require.NoError(t, s.UploadTraces(t.Context(), nil))
	require.Len(t, c.paths, 3)
	c.answer = func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "/other")
		w.WriteHeader(http.StatusTemporaryRedirect)
	}
	require.ErrorContains(t, s.UploadTraces(t.Context(), nil), "307", "secrets are for the endpoint alone")
	require.Len(t, c.paths, 4)
	require.NoError(t, s.Stop(t.Context()))
}

// nobody takes spans and says that it cannot.
type nobody struct{}

func (nobody) ExportSpans(context.Context, []sdk.ReadOnlySpan) error { return fmt.Errorf("away") }
func (nobody) Shutdown(context.Context) error                        { return nil }

func TestQueue_TellsOnceAMinuteOfWhatIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &syncBuffer{}
		q := newQueue(nobody{}, "there", slog.New(slog.NewTextHandler(log, nil)))
		p := &Pipeline{provider: sdk.NewTracerProvider(sdk.WithSpanProcessor(q)), queue: q}
		p.tracer = trace.New(p.provider)
		for range 30 { // five minutes
			spans(t, p, 10, "job")
			time.Sleep(10 * time.Second)
		}
		require.Equal(t, 5, log.count("spans are lost"))
		p.Close()
		require.EqualValues(t, 300, q.total)
	})
}
