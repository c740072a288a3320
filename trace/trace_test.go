package trace_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"spillway/trace"
)

const (
	traceID  = "4bf92f3577b34da6a3ce929d0e0e4736"
	known    = "00-" + traceID + "-00f067aa0ba902b7-01"
	unsample = "00-" + traceID + "-00f067aa0ba902b7-00"
)

// record is a tracer, and what it made.
func record() (*trace.Tracer, *tracetest.SpanRecorder) {
	spans := tracetest.NewSpanRecorder()
	return trace.New(sdk.NewTracerProvider(sdk.WithSpanProcessor(spans))), spans
}

func TestParse_TakesWhatTheSpecificationHas(t *testing.T) {
	for name, row := range map[string]struct{ in, want string }{
		"sampled":                  {known, known},
		"not sampled":              {unsample, unsample},
		"flags of a later version": {"00-" + traceID + "-00f067aa0ba902b7-ff", known},
		"a later version":          {"cc-" + traceID + "-00f067aa0ba902b7-01", known},
		"with more":                {"cc-" + traceID + "-00f067aa0ba902b7-01-what-comes", known},
	} {
		require.Equal(t, row.want, trace.Parse(row.in), name)
		require.Equal(t, traceID, trace.ID(row.in), name)
	}
}

func TestParse_IgnoresHostileOnes(t *testing.T) {
	for name, in := range map[string]string{
		"empty":           "",
		"garbage":         "'; DROP TABLE jobs; --",
		"letters":         "00-" + strings.Repeat("g", 32) + "-00f067aa0ba902b7-01",
		"upper case":      strings.ToUpper(known),
		"trace of zeros":  "00-" + strings.Repeat("0", 32) + "-00f067aa0ba902b7-01",
		"span of zeros":   "00-" + traceID + "-0000000000000000-01",
		"version ff":      "ff" + known[2:],
		"short":           known[:54],
		"long":            known + "-01",
		"longer":          "cc" + known[2:] + "x",
		"very long":       "cc" + known[2:] + "-" + strings.Repeat("a", 1<<20),
		"other dashes":    strings.ReplaceAll(known, "-", "_"),
		"control letters": "00-" + traceID + "-00f067aa0ba902\r\n-01",
		"not UTF-8":       strings.Repeat("\xff", 55),
	} {
		require.Empty(t, trace.Parse(in), name)
		require.Empty(t, trace.ID(in), name)
		ctx := t.Context()
		require.Equal(t, ctx, trace.Under(ctx, in), name)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(known)
	f.Add("cc-" + traceID + "-00f067aa0ba902b7-01-what-comes")
	f.Fuzz(func(t *testing.T, in string) {
		out := trace.Parse(in)
		if out != "" {
			require.Len(t, out, 55)
			require.Equal(t, out, trace.Parse(out))
		}
	})
}

func TestTracer_GoesOnWithACallersTrace(t *testing.T) {
	tracer, spans := record()
	ctx, span := tracer.Continue(t.Context(), known, "run", trace.Server)
	_, child := trace.Child(ctx, "operation")
	child.Fail("internal", "it broke: \xff")
	child.Set(trace.Text(trace.File, "caf\xe9.png"))
	child.End()
	require.True(t, strings.HasPrefix(trace.Parent(ctx), "00-"+traceID))
	span.End()

	ended := spans.Ended()
	require.Len(t, ended, 2)
	require.Equal(t, "00f067aa0ba902b7", ended[1].Parent().SpanID().String())
	require.Equal(t, ended[1].SpanContext().SpanID(), ended[0].Parent().SpanID())
	require.Equal(t, "it broke: \uFFFD", ended[0].Status().Description)
	require.Equal(t, "caf\uFFFD.png", ended[0].Attributes()[1].Value.AsString())
}

func TestTracer_WhatTheCallerDoesNotRecordIsNotRecorded(t *testing.T) {
	tracer, spans := record()
	for _, parent := range []string{"", unsample, "garbage", "00-" + strings.Repeat("0", 32) + "-00f067aa0ba902b7-01"} {
		ctx, span := tracer.Continue(t.Context(), parent, "run", trace.Server)
		require.False(t, span.On())
		_, child := trace.Child(ctx, "operation")
		require.False(t, child.On())
		require.Empty(t, trace.Parent(ctx))
	}
	_, span := tracer.Start(trace.Under(t.Context(), unsample), "submit", trace.Internal)
	require.False(t, span.On())
	require.Empty(t, spans.Started())
}

// step is what a caller does at each step of a task.
func step(ctx context.Context, tracer *trace.Tracer, parent string) {
	ctx, span := tracer.Start(ctx, "task", trace.Internal)
	defer span.End()
	ctx, run := tracer.Continue(ctx, parent, "run", trace.Server)
	defer run.End()
	ctx, child := trace.Child(ctx, "operation")
	defer child.End()
	if child.On() {
		child.Set(trace.Text(trace.File, "a.png"), trace.Number(trace.Bytes, 1))
	}
	child.Fail("internal", "it broke")
	trace.Of(ctx).Name("other")
	if trace.Parent(ctx) != "" {
		panic("there is a parent")
	}
}

func TestTracer_OffAllocatesNothing(t *testing.T) {
	ctx := t.Context()
	require.Zero(t, testing.AllocsPerRun(1000, func() { step(ctx, nil, "") }))
	require.Zero(t, testing.AllocsPerRun(1000, func() { step(ctx, nil, known) }))
}

func BenchmarkTracer_Off(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		step(b.Context(), nil, "")
	}
}

func TestHandler_LinesWithinASpanHaveItsTrace(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(trace.Handler(slog.NewTextHandler(&out, nil))).With("node", "node_0")
	log.InfoContext(t.Context(), "outside")
	require.NotContains(t, out.String(), "trace_id")
	log.InfoContext(trace.Under(t.Context(), known), "inside")
	require.Contains(t, out.String(), "msg=inside node=node_0 trace_id="+traceID+" span_id=00f067aa0ba902b7")
}
