package rpc

import (
	"context"
	"testing"
	"time"

	"github.com/apache/thrift/lib/go/thrift"
	"github.com/stretchr/testify/require"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"spillway/gen-go/spillway"
	"spillway/job"
	"spillway/trace"
)

const (
	someTrace  = "4bf92f3577b34da6a3ce929d0e0e4736"
	someParent = "00-" + someTrace + "-00f067aa0ba902b7-01"
)

// fields are the numbers of the fields that a struct has on the wire, as a peer reads
// them that knows none of them: each is skipped.
func fields(t *testing.T, body thrift.TStruct) (numbers []int16) {
	t.Helper()
	ctx := t.Context()
	p := thrift.NewTBinaryProtocolConf(thrift.NewTMemoryBuffer(), nil)
	require.NoError(t, body.Write(ctx, p))
	_, err := p.ReadStructBegin(ctx)
	require.NoError(t, err)
	for {
		_, kind, number, err := p.ReadFieldBegin(ctx)
		require.NoError(t, err)
		if kind == thrift.STOP {
			return numbers
		}
		numbers = append(numbers, number)
		require.NoError(t, p.Skip(ctx, kind))
		require.NoError(t, p.ReadFieldEnd(ctx))
	}
}

func TestTrace_PeersThatDoNotKnowItAreUnaffected(t *testing.T) {
	spec := job.Spec{ID: "a", Source: "data"}
	require.NotContains(t, fields(t, specToWire(spec)), int16(9), "without a trace, the bytes are as before")
	spec.Trace = someParent
	require.Contains(t, fields(t, specToWire(spec)), int16(9), "and with one, it is one field to skip")

	ctx := t.Context()
	require.NotContains(t, fields(t, taskToWire(ctx, job.Task{}, time.Now())), int16(13))
	require.Contains(t, fields(t, taskToWire(trace.Under(ctx, someParent), job.Task{}, time.Now())), int16(13))

	require.Empty(t, specFromWire(&spillway.JobSpec{}).Trace, "what a peer sends that does not know it")
}

// tracedNode is a node that tells of the trace it is called in.
type tracedNode struct {
	*fakeNode
	tracer *trace.Tracer
}

func (n tracedNode) Tracer() *trace.Tracer { return n.tracer }

func TestNode_GoesOnWithTheTraceOfItsServer(t *testing.T) {
	spans := tracetest.NewSpanRecorder()
	tracer := trace.New(sdk.NewTracerProvider(sdk.WithSpanProcessor(spans)))
	n := &fakeNode{execute: func(ctx context.Context, task job.Task) (job.Result, error) {
		_, span := trace.Child(ctx, "operation")
		span.End()
		if task.Name == "bad.png" {
			return job.Result{}, job.E(job.DataLoss, "", context.Canceled, "")
		}
		return job.Result{Node: "node_0"}, nil
	}}
	addr, _ := startNode(t, ServerConfig{}, tracedNode{n, tracer}, quietLog())
	conn := connect(t, addr, NodeConnConfig{})

	_, err := conn.Execute(soon(t), job.Task{Name: "a.png"})
	require.NoError(t, err)
	require.Empty(t, spans.Ended(), "whom no server traces")

	ctx := trace.Under(soon(t), someParent)
	_, err = conn.Execute(ctx, job.Task{Name: "a.png"})
	require.NoError(t, err)
	_, err = conn.Execute(ctx, job.Task{Name: "bad.png"})
	require.Error(t, err)
	require.Eventually(t, func() bool { return len(spans.Ended()) == 4 }, 10*time.Second, time.Millisecond)
	failed := 0
	for _, span := range spans.Ended() {
		require.Equal(t, someTrace, span.SpanContext().TraceID().String(), span.Name())
		for _, a := range span.Attributes() {
			if string(a.Key) == trace.ErrorType {
				failed++
				require.Equal(t, string(job.DataLoss), a.Value.AsString())
			}
		}
	}
	require.Equal(t, 1, failed)
}

func TestNode_IgnoresHostileTraces(t *testing.T) {
	spans := tracetest.NewSpanRecorder()
	tracer := trace.New(sdk.NewTracerProvider(sdk.WithSpanProcessor(spans)))
	h := &nodeHandler{node: tracedNode{&fakeNode{}, tracer}}
	for _, text := range []string{"", "garbage", "00-00000000000000000000000000000000-0000000000000000-01", string(make([]byte, 1<<20))} {
		_, span := h.span(t.Context(), text)
		defer span.End()
		require.False(t, span.On())
	}
}
