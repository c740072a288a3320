package api

import (
	"context"
	"net/http"

	"spillway/job"
)

// entry is what the audit log will say of a call, filled in while it is answered.
type entry struct {
	user string // who makes the call, or wants to
}

// audited writes down who did what: every call that may change something, whether it
// was allowed or not.
func (a *API) audited(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet || r.Method == http.MethodHead || r.Method == http.MethodOptions {
			next.ServeHTTP(w, r)
			return
		}
		e, s := &entry{}, &statusWriter{ResponseWriter: w, status: http.StatusOK}
		defer func() {
			a.cfg.Audit.Info("audit", "user", job.Shown(clip(e.user)), "method", r.Method, "path", job.Shown(clip(r.URL.Path)),
				"status", s.status, "from", r.RemoteAddr, "request", requestID(r.Context()))
		}()
		next.ServeHTTP(s, r.WithContext(context.WithValue(r.Context(), entryKey, e)))
	})
}

// byUser tells the audit log who makes the call of ctx.
func byUser(ctx context.Context, user string) {
	if e, ok := ctx.Value(entryKey).(*entry); ok {
		e.user = user
	}
}

// statusWriter remembers the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (s *statusWriter) WriteHeader(status int) {
	s.status = status
	s.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController see the writer below.
func (s *statusWriter) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// clip is the beginning of a text that a caller chose, for the log.
func clip(s string) string {
	const most = 200
	if len(s) > most {
		return s[:most]
	}
	return s
}
