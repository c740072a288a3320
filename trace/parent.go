package trace

import (
	"context"
	"encoding/hex"
	"strings"

	"go.opentelemetry.io/otel/trace"
)

// The lengths of a traceparent: of version 00, and the longest of a later one that is
// looked at.
const (
	parentLen    = 55 // 00-<32 hex>-<16 hex>-<2 hex>
	maxParentLen = 256
)

// Parse is the traceparent as this version writes it, or "" where it is none: of another
// length, with other letters than 0-9 and a-f, of version ff, or with an id of zeros. A
// caller's that is wrong is to be ignored, as the specification says.
func Parse(traceparent string) string {
	sc := parse(traceparent)
	if !sc.IsValid() {
		return ""
	}
	return format(sc)
}

// ID is the trace id of a traceparent, 32 letters; "" where that is none.
func ID(traceparent string) string {
	sc := parse(traceparent)
	if !sc.IsValid() {
		return ""
	}
	return sc.TraceID().String()
}

// Parent is the traceparent for those that ctx's span calls; "" where nobody records it.
func Parent(ctx context.Context) string {
	sc := trace.SpanContextFromContext(ctx)
	if !sc.IsSampled() || !sc.IsValid() {
		return ""
	}
	return format(sc)
}

// Origin is the traceparent of ctx's span, or of the caller's, with whether it is recorded:
// what is done later and below it is recorded where it is. "" where there is none.
func Origin(ctx context.Context) string {
	sc := trace.SpanContextFromContext(ctx)
	if !sc.IsValid() {
		return ""
	}
	return format(sc)
}

// Under lets the next span of ctx be below the traceparent of a caller. One that is not
// valid changes nothing.
func Under(ctx context.Context, traceparent string) context.Context {
	if traceparent == "" {
		return ctx
	}
	sc := parse(traceparent)
	if !sc.IsValid() {
		return ctx
	}
	return trace.ContextWithRemoteSpanContext(ctx, sc)
}

func format(sc trace.SpanContext) string {
	id, span, flags := sc.TraceID(), sc.SpanID(), [1]byte{byte(sc.TraceFlags() & trace.FlagsSampled)}
	text := make([]byte, 0, parentLen)
	text = append(text, "00-"...)
	text = hex.AppendEncode(text, id[:])
	text = append(text, '-')
	text = hex.AppendEncode(text, span[:])
	text = append(text, '-')
	return string(hex.AppendEncode(text, flags[:]))
}

// parse gives the zero context for what is no traceparent. Of a later version the
// beginning is read, as the specification asks.
func parse(text string) trace.SpanContext {
	var none trace.SpanContext
	if len(text) < parentLen || len(text) > maxParentLen || text != strings.ToLower(text) {
		return none
	}
	if text[2] != '-' || text[35] != '-' || text[52] != '-' {
		return none
	}
	var version, flags [1]byte
	var cfg trace.SpanContextConfig
	for _, part := range []struct {
		to   []byte
		from string
	}{{version[:], text[:2]}, {cfg.TraceID[:], text[3:35]}, {cfg.SpanID[:], text[36:52]}, {flags[:], text[53:55]}} {
		if _, err := hex.Decode(part.to, []byte(part.from)); err != nil {
			return none
		}
	}
	switch {
	case version[0] == 0xff, version[0] == 0 && len(text) > parentLen, len(text) > parentLen && text[parentLen] != '-':
		return none
	}
	cfg.TraceFlags = trace.TraceFlags(flags[0]) & trace.FlagsSampled
	cfg.Remote = true
	if sc := trace.NewSpanContext(cfg); sc.IsValid() {
		return sc
	}
	return none
}
