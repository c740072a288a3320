package api

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"spillway/trace"
)

// quiet are calls that are made all the time, and traced only for callers that trace
// them themselves.
var quiet = map[string]bool{"/healthz": true, "/readyz": true, "/metrics": true}

// traced puts each request into a span, below its caller's traceparent. Where no spans are
// made, the caller's trace goes on to the jobs.
func (a *API) traced(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		parent := ""
		if sent := r.Header["Traceparent"]; len(sent) == 1 {
			parent = trace.Parse(sent[0])
		}
		if parent == "" && (a.cfg.Tracer == nil || quiet[r.URL.Path]) {
			next.ServeHTTP(w, r)
			return
		}
		m, v := method(r.Method), visitOf(r.Context())
		ctx, span := a.cfg.Tracer.Start(trace.Under(r.Context(), parent), spanName(m, ""), trace.Server)
		defer func() { endCall(span, m, v) }()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// endCall ends the span of a request. What the caller did wrong is no failure of the
// server.
func endCall(span trace.Span, m string, v *visit) {
	if span.On() {
		route := routeOf(v.pattern)
		span.Name(spanName(m, route))
		if route != "" {
			span.Set(trace.Text(trace.HTTPRoute, route))
		}
		span.Set(trace.Text(trace.HTTPMethod, m), trace.Number(trace.HTTPStatus, int64(v.status)))
		if v.who.User != "" { // not v.user, which is who somebody says to be
			span.Set(trace.Text(trace.User, v.who.User))
		}
		if v.status >= http.StatusInternalServerError {
			span.Fail(strconv.Itoa(v.status), http.StatusText(v.status))
		}
	}
	span.End()
}

// spanName is the method with the route: of either there are few, whatever callers send.
func spanName(m, route string) string {
	if m == otherMethod {
		m = "HTTP"
	}
	return strings.TrimSpace(m + " " + route)
}

// otherMethod stands for those that no call has.
const otherMethod = "_OTHER"

func method(m string) string {
	known := []string{
		http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions,
	}
	if slices.Contains(known, m) {
		return m
	}
	return otherMethod
}
