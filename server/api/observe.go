package api

import (
	"cmp"
	"context"
	"io"
	"net/http"
	"strings"
	"time"

	"spillway/job"
)

// Observer hears of calls that were answered. It is called by many goroutines, and must
// not wait.
type Observer interface {
	// Answered tells of a call.
	Answered(c job.Call)
	// LoggedIn tells of a login; code is why it was refused, "" where it was not.
	LoggedIn(code job.Code)
}

// InFlight is how many calls are being answered.
func (a *API) InFlight() int { return len(a.slots) }

// tellLogin tells the observer, if there is one, how a login ended.
func (a *API) tellLogin(err error) {
	switch {
	case a.cfg.Observer == nil:
	case err == nil:
		a.cfg.Observer.LoggedIn("")
	default:
		a.cfg.Observer.LoggedIn(job.CodeOf(err))
	}
}

// measured tells the observer of each call, once it is answered.
func (a *API) measured(next http.Handler) http.Handler {
	if a.cfg.Observer == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begun, m := time.Now(), &meter{ResponseWriter: w}
		r = r.WithContext(context.WithValue(r.Context(), meterKey, m))
		if r.Body != nil && r.Body != http.NoBody {
			m.body.ReadCloser = r.Body
			r.Body = &m.body
		}
		returned := false
		defer func() { // also where the answer is broken off
			status := 0
			if returned {
				status = cmp.Or(m.status, http.StatusOK)
			}
			a.cfg.Observer.Answered(job.Call{
				Route: m.route, Method: r.Method, Status: status, Took: time.Since(begun), Received: m.body.n, Sent: m.sent,
			})
		}()
		next.ServeHTTP(m, r)
		returned = true
	})
}

// routed tells which pattern the call of ctx matches.
func routed(ctx context.Context, pattern string) {
	if m, ok := ctx.Value(meterKey).(*meter); ok {
		m.route = pattern
		if _, path, ok := strings.Cut(pattern, " "); ok {
			m.route = path
		}
	}
}

// meter is what is measured of a call, and the writer of its answer.
type meter struct {
	http.ResponseWriter
	body   countedBody
	route  string
	status int // 0: nothing is written yet
	sent   int64
}

// WriteHeader implements http.ResponseWriter.
func (m *meter) WriteHeader(status int) {
	if status >= http.StatusOK { // those before announce
		m.status = status
	}
	m.ResponseWriter.WriteHeader(status)
}

// Write implements io.Writer.
func (m *meter) Write(b []byte) (int, error) {
	m.begin()
	n, err := m.ResponseWriter.Write(b)
	m.sent += int64(n)
	return n, err
}

// ReadFrom implements io.ReaderFrom, so that files need not pass through this process
// where the writer below can have it so.
func (m *meter) ReadFrom(from io.Reader) (int64, error) {
	m.begin()
	n, err := io.Copy(m.ResponseWriter, from)
	m.sent += n
	return n, err
}

// begin notes the status of an answer that names none.
func (m *meter) begin() {
	if m.status == 0 {
		m.status = http.StatusOK
	}
}

// Flush implements http.Flusher, for those who do not ask http.ResponseController.
func (m *meter) Flush() { _ = m.FlushError() }

// FlushError is what http.ResponseController flushes by.
func (m *meter) FlushError() error {
	m.begin()
	return http.NewResponseController(m.ResponseWriter).Flush()
}

// Unwrap lets http.ResponseController see the writer below.
func (m *meter) Unwrap() http.ResponseWriter { return m.ResponseWriter }

// countedBody counts what is read of a body.
type countedBody struct {
	io.ReadCloser
	n int64
}

// Read implements io.Reader.
func (c *countedBody) Read(b []byte) (int, error) {
	n, err := c.ReadCloser.Read(b)
	c.n += int64(n)
	return n, err
}
