// Package trace makes the spans of OpenTelemetry that tell where a job's time went:
// from the call that submitted it, through its tasks and their attempts, to the
// operation on a node.
//
// Nothing here is global. A nil [Tracer] and the zero [Span] do nothing and allocate
// nothing, so that callers need not ask whether traces are wanted; only attributes that
// cost something to make are worth a look at [Span.On].
//
// Between processes a trace travels as a W3C traceparent
// (https://www.w3.org/TR/trace-context/, version 00); what else callers may send along,
// tracestate and baggage, is not passed on.
package trace

import (
	"context"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// scope is the name under which all spans are made.
const scope = "spillway"

// Kind says on which side of a call a span is.
type Kind = trace.SpanKind

// The kinds of spans.
const (
	Internal = trace.SpanKindInternal // within one process
	Server   = trace.SpanKindServer   // answers a call
	Client   = trace.SpanKindClient   // makes a call and waits for its answer
)

// Tracer begins spans. nil begins none. It may be used concurrently.
type Tracer struct{ tracer trace.Tracer }

// New makes a tracer whose spans go to p.
func New(p trace.TracerProvider) *Tracer { return &Tracer{p.Tracer(scope)} }

// Start begins a span below the one of ctx, or below the caller's that [Under] put there,
// or else a trace of its own. The context that it returns has the span.
func (t *Tracer) Start(ctx context.Context, name string, kind Kind) (context.Context, Span) {
	if t == nil {
		return ctx, Span{}
	}
	ctx, span := t.tracer.Start(ctx, name, trace.WithSpanKind(kind))
	return ctx, recording(span)
}

// Continue begins a span below the traceparent of a caller, and none where there is no
// valid one, or the caller's own is not recorded.
func (t *Tracer) Continue(ctx context.Context, traceparent, name string, kind Kind) (context.Context, Span) {
	if t == nil || traceparent == "" {
		return ctx, Span{}
	}
	parent := parse(traceparent)
	if !parent.IsSampled() {
		return ctx, Span{}
	}
	return t.Start(trace.ContextWithRemoteSpanContext(ctx, parent), name, kind)
}

// Child begins a span below the one of ctx that this process began, and none where
// there is none.
func Child(ctx context.Context, name string) (context.Context, Span) {
	parent := trace.SpanFromContext(ctx)
	if !parent.IsRecording() {
		return ctx, Span{}
	}
	ctx, span := parent.TracerProvider().Tracer(scope).Start(ctx, name)
	return ctx, recording(span)
}

// Of is the span of ctx that this process began, or the zero Span.
func Of(ctx context.Context) Span { return recording(trace.SpanFromContext(ctx)) }

// Span is one step that took time. The zero Span is none. It is ended once, and by one
// goroutine; all else may be done concurrently.
type Span struct{ span trace.Span }

// recording is the zero Span where nobody will see span.
func recording(span trace.Span) Span {
	if span == nil || !span.IsRecording() {
		return Span{}
	}
	return Span{span}
}

// On tells that somebody will see the span.
func (s Span) On() bool { return s.span != nil }

// Name renames the span: what it is may be known only on the way.
func (s Span) Name(name string) {
	if s.span != nil {
		s.span.SetName(name)
	}
}

// Set adds attributes. Look at [Span.On] first where it is called often, since the
// list of attributes is made before.
func (s Span) Set(attrs ...Attr) {
	if s.span != nil {
		s.span.SetAttributes(attrs...)
	}
}

// Fail marks what the span is of as failed: code is a word of a closed set (error.type),
// and message says what happened.
func (s Span) Fail(code, message string) {
	if s.span != nil {
		s.span.SetAttributes(Text(ErrorType, code))
		s.span.SetStatus(codes.Error, clean(message))
	}
}

// End ends the span.
func (s Span) End() {
	if s.span != nil {
		s.span.End()
	}
}

// Attr is one attribute of a span.
type Attr = attribute.KeyValue

// Text is an attribute that is a text. What is not UTF-8 in it, as in the names of files,
// is replaced: a collector would refuse the whole message.
func Text(key, value string) Attr { return attribute.String(key, clean(value)) }

// Number is an attribute that is a number.
func Number(key string, value int64) Attr { return attribute.Int64(key, value) }

// Flag is an attribute that is true or false.
func Flag(key string, value bool) Attr { return attribute.Bool(key, value) }

func clean(text string) string { return strings.ToValidUTF8(text, "\uFFFD") }
