package worker

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"spillway/computenode/admission"
	"spillway/job"
	"spillway/trace"
)

// tracedRun executes a task below a server's span and returns what was recorded of it, by name.
func tracedRun(t *testing.T, w *Worker, task job.Task) (map[string]sdk.ReadOnlySpan, error) {
	t.Helper()
	recorder := tracetest.NewSpanRecorder()
	tracer := trace.New(sdk.NewTracerProvider(sdk.WithSpanProcessor(recorder)))
	ctx, span := tracer.Start(t.Context(), "run", trace.Server)
	_, err := w.Execute(ctx, task)
	span.End()
	found := map[string]sdk.ReadOnlySpan{}
	for _, s := range recorder.Ended() {
		require.NotContains(t, found, s.Name(), "each step has one span")
		found[s.Name()] = s
	}
	require.Len(t, recorder.Started(), len(found), "what begins ends")
	for name, s := range found {
		if name != "run" {
			require.Equal(t, found["run"].SpanContext().SpanID(), s.Parent().SpanID(), name)
		}
	}
	return found, err
}

// attr is an attribute as text; "" where there is none.
func attr(span sdk.ReadOnlySpan, key string) string {
	for _, a := range span.Attributes() {
		if string(a.Key) == key {
			return a.Value.String()
		}
	}
	return ""
}

func TestWorker_EachStepOfATracedTaskHasItsSpan(t *testing.T) {
	w, _ := newHost(t, Config{Slots: 1}, 0, &script{decisions: []admission.Decision{{Delay: time.Millisecond}}}, runnerFunc(copies))
	found, err := tracedRun(t, w, job.Task{Name: "a.jpg", Content: &parcel{in: make([]byte, 500)}, Operation: job.Operation{Name: "edges"}})
	require.NoError(t, err)
	for _, name := range []string{"run", "admission", "delay", "fetch", "wait", "operation", "put"} {
		require.Contains(t, found, name)
	}
	require.Equal(t, "1", attr(found["admission"], trace.Delay))
	require.Equal(t, "500", attr(found["fetch"], trace.Bytes))
	require.Equal(t, "1000", attr(found["put"], trace.Bytes))
	require.Equal(t, "edges", attr(found["operation"], trace.Operation))
}

func TestWorker_SpansTellWhatFailed(t *testing.T) {
	w, base := newWorker(t, Config{Slots: 1}, &script{decisions: []admission.Decision{{Reject: true}}}, func(base string) Runner {
		return writes(base, func(context.Context) error { return job.E(job.DataLoss, "", errors.New("torn"), "") })
	})
	task := job.Task{Base: base, Name: "a.jpg", MayReject: true}
	found, err := tracedRun(t, w, task)
	require.Equal(t, job.ResourceExhausted, job.CodeOf(err))
	require.Equal(t, "rejected", attr(found["admission"], trace.Outcome))
	require.Empty(t, attr(found["admission"], trace.ErrorType))

	found, err = tracedRun(t, w, task)
	require.Equal(t, job.DataLoss, job.CodeOf(err))
	require.Equal(t, string(job.DataLoss), attr(found["operation"], trace.ErrorType))
}

func TestWorker_UntracedStepsAllocateNothing(t *testing.T) {
	ctx := t.Context()
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		ctx, ended := traced(ctx, "wait")
		ended(nil)
		if trace.Of(ctx).On() {
			panic("there is a span")
		}
	}))
}
