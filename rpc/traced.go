package rpc

import (
	"context"
	"errors"

	"spillway/job"
	"spillway/trace"
)

// Traced is a [Service] or a [Node] whose calls are traced: a node's those for which its
// caller sends a trace, a server's all submissions.
type Traced interface {
	// Tracer makes the spans; nil: there are none.
	Tracer() *trace.Tracer
}

// tracerOf is nil for what is not traced.
func tracerOf(what any) *trace.Tracer {
	if t, ok := what.(Traced); ok {
		return t.Tracer()
	}
	return nil
}

// span begins the span of a call to a server, below that of its caller. Where none is
// made, the job's trace travels in its [job.Spec].
func (h *serviceHandler) span(ctx context.Context, method, traceparent string) (context.Context, trace.Span) {
	tracer := tracerOf(h.service)
	if tracer == nil {
		return ctx, trace.Span{}
	}
	ctx, span := tracer.Start(trace.Under(ctx, traceparent), "Server/"+method, trace.Server)
	setCall(span, "Server/"+method)
	return ctx, span
}

// span begins the span of an attempt, below that of the server which sends it.
func (h *nodeHandler) span(ctx context.Context, traceparent string) (context.Context, trace.Span) {
	ctx, span := tracerOf(h.node).Continue(ctx, traceparent, "ComputeNode/run", trace.Server)
	setCall(span, "ComputeNode/run")
	return ctx, span
}

func setCall(span trace.Span, method string) {
	if span.On() {
		span.Set(trace.Text(trace.RPCSystem, trace.Thrift), trace.Text(trace.RPCMethod, method))
	}
}

// failed notes in a call's span how it failed. That a node turns a task away, or wants its
// content, is no failure.
func failed(span trace.Span, err error) {
	switch {
	case err == nil || !span.On():
	case errors.Is(err, job.ErrNeedsContent):
		span.Set(trace.Text(trace.Outcome, "needs_content"))
	case job.CodeOf(err) == job.ResourceExhausted:
		span.Set(trace.Text(trace.Outcome, "rejected"))
	default:
		span.Fail(string(job.CodeOf(err)), err.Error())
	}
}
