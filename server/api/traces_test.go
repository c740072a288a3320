package api

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/stretchr/testify/require"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"spillway/job"
	"spillway/trace"
)

const (
	someTrace  = "4bf92f3577b34da6a3ce929d0e0e4736"
	someParent = "00-" + someTrace + "-00f067aa0ba902b7-01"
)

// tracedAPI is an API with a call that tells the trace that it is made in, and one that
// breaks.
func tracedAPI(t *testing.T, tracer *trace.Tracer) (*API, *string) {
	t.Helper()
	cfg := config()
	cfg.Tracer = tracer
	a := New(cfg)
	var heard string
	a.stream(huma.Operation{Method: http.MethodGet, Path: "/things/{id}"}, by(job.Viewer), func(_ http.ResponseWriter, r *http.Request) error {
		heard = trace.Parent(r.Context())
		return nil
	})
	a.stream(huma.Operation{Method: http.MethodPost, Path: "/broken"}, by(job.Viewer), func(http.ResponseWriter, *http.Request) error {
		panic("broken")
	})
	return a, &heard
}

func spansOf() (*trace.Tracer, *tracetest.SpanRecorder) {
	spans := tracetest.NewSpanRecorder()
	return trace.New(sdk.NewTracerProvider(sdk.WithSpanProcessor(spans))), spans
}

// attrs are the attributes of a span as text.
func attrs(span sdk.ReadOnlySpan) map[string]string {
	found := map[string]string{}
	for _, a := range span.Attributes() {
		found[string(a.Key)] = a.Value.String()
	}
	return found
}

// askWith makes a call with traceparents.
func askWith(t *testing.T, h http.Handler, method, path string, parents ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, http.NoBody)
	r.Header.Set("Authorization", "Bearer viewer")
	r.Header["Traceparent"] = parents
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestTraces_EachCallHasASpanBelowItsCallers(t *testing.T) {
	tracer, spans := spansOf()
	a, heard := tracedAPI(t, tracer)
	require.Equal(t, 200, askWith(t, a, http.MethodGet, "/things/7?secret=1", someParent).Code)
	require.Equal(t, someTrace, trace.ID(*heard))
	require.Len(t, spans.Ended(), 1)
	span := spans.Ended()[0]
	require.Equal(t, "GET /things/{id}", span.Name())
	require.Equal(t, "00f067aa0ba902b7", span.Parent().SpanID().String())
	require.Equal(t, map[string]string{
		trace.HTTPMethod: "GET", trace.HTTPRoute: "/things/{id}", trace.HTTPStatus: "200", trace.User: "user-viewer",
	}, attrs(span), "and nothing of what the caller sent")
}

func TestTraces_TellHowACallWasAnswered(t *testing.T) {
	tracer, spans := spansOf()
	a, _ := tracedAPI(t, tracer)
	require.Equal(t, 401, ask(t, a, "", http.MethodGet, "/things/7", "").Code)
	require.Equal(t, 500, ask(t, a, "viewer", http.MethodPost, "/broken", "").Code)
	require.Equal(t, 404, ask(t, a, "viewer", "BREW", "/coffee", "").Code)
	ended := spans.Ended()
	require.Len(t, ended, 3)
	require.Equal(t, "401", attrs(ended[0])[trace.HTTPStatus])
	require.NotContains(t, attrs(ended[0]), trace.ErrorType, "that is the caller's fault")
	require.NotContains(t, attrs(ended[0]), trace.User)
	require.Equal(t, "500", attrs(ended[1])[trace.ErrorType])
	require.Equal(t, "HTTP", ended[2].Name())
	require.Equal(t, otherMethod, attrs(ended[2])[trace.HTTPMethod])
}

func TestTraces_HostileParentsAreIgnored(t *testing.T) {
	tracer, spans := spansOf()
	a, heard := tracedAPI(t, tracer)
	for _, parents := range [][]string{
		{"garbage"},
		{""},
		{strings.Repeat("0", 1<<16)},
		{someParent, someParent},
		{someParent + "-01"},
		{"00-00000000000000000000000000000000-0000000000000000-01"},
		{"00-" + someTrace + "-00f067aa0ba902b7-01\r\nX: y"},
	} {
		require.Equal(t, 200, askWith(t, a, http.MethodGet, "/things/7", parents...).Code)
		require.NotEmpty(t, *heard)
		require.NotEqual(t, someTrace, trace.ID(*heard))
	}
	for _, span := range spans.Ended() {
		require.False(t, span.Parent().IsValid())
	}
}

func TestTraces_WhatIsAskedAllTheTimeIsQuiet(t *testing.T) {
	tracer, spans := spansOf()
	a, _ := tracedAPI(t, tracer)
	require.Equal(t, 200, ask(t, a, "", http.MethodGet, "/healthz", "").Code)
	require.Empty(t, spans.Ended())
	require.Equal(t, 200, askWith(t, a, http.MethodGet, "/healthz", someParent).Code)
	require.Len(t, spans.Ended(), 1)
}

func TestTraces_OffTheCallersGoesOnToTheJob(t *testing.T) {
	a, heard := tracedAPI(t, nil)
	askWith(t, a, http.MethodGet, "/things/7", someParent)
	require.Equal(t, someParent, *heard)
	askWith(t, a, http.MethodGet, "/things/7")
	require.Empty(t, *heard)
}

func TestTraces_OffAllocatesNothing(t *testing.T) {
	cfg := config()
	a := &API{cfg: cfg, mux: http.NewServeMux()}
	h := a.traced(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	r := httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/healthz", http.NoBody)
	require.Zero(t, testing.AllocsPerRun(1000, func() { h.ServeHTTP(nil, r) }))
}
