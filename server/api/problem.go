package api

import (
	"encoding/json"
	"errors"
	"maps"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"spillway/job"
)

// ProblemError is the body of every answer that is an error: problem details (RFC 9457)
// with the code of package job, the words for people, and the mend.
type ProblemError struct {
	Type   string `json:"type" doc:"always about:blank: the code tells the kind" example:"about:blank"`
	Title  string `json:"title" doc:"the words of the HTTP status" example:"Not Found"`
	Status int    `json:"status" doc:"the HTTP status" example:"404"`
	Detail string `json:"detail,omitempty" doc:"the same as error"`
	What   string `json:"error" doc:"what went wrong, for people" example:"job \"x\": there is none"`
	Code   string `json:"code" doc:"who acts on it: invalid_argument, not_found, already_exists, failed_precondition, unimplemented, unauthenticated, permission_denied, resource_exhausted, unavailable, deadline_exceeded, cancelled, internal, data_loss" example:"not_found"`
	Hint   string `json:"hint,omitempty" doc:"what to do about it" example:"GET /jobs lists them"`
	// Errors are the single faults of a request that was not understood.
	Errors []*huma.ErrorDetail `json:"errors,omitempty" doc:"the single faults of a request that was not understood"`

	retryAfter time.Duration
}

// problemType is the content type of a ProblemError.
const problemType = "application/problem+json"

// statusOf is the HTTP status of a code.
func statusOf(code job.Code) int {
	switch code {
	case job.InvalidArgument:
		return http.StatusBadRequest
	case job.NotFound:
		return http.StatusNotFound
	case job.AlreadyExists:
		return http.StatusConflict
	case job.FailedPrecondition:
		return http.StatusPreconditionFailed
	case job.DataLoss:
		return http.StatusUnprocessableEntity
	case job.Unimplemented:
		return http.StatusNotImplemented
	case job.Unauthenticated:
		return http.StatusUnauthorized
	case job.PermissionDenied:
		return http.StatusForbidden
	case job.ResourceExhausted:
		return http.StatusTooManyRequests
	case job.Unavailable:
		return http.StatusServiceUnavailable
	case job.DeadlineExceeded:
		return http.StatusGatewayTimeout
	case job.CancelledCode:
		return statusClientGone
	}
	return http.StatusInternalServerError
}

// statusClientGone is what servers log for a caller that left before the answer.
const statusClientGone = 499

// codeOf is the code of a status that something else than this package chose.
func codeOf(status int) job.Code {
	switch status {
	case http.StatusNotFound:
		return job.NotFound
	case http.StatusConflict:
		return job.AlreadyExists
	case http.StatusPreconditionFailed:
		return job.FailedPrecondition
	case http.StatusMethodNotAllowed, http.StatusNotImplemented:
		return job.Unimplemented
	case http.StatusUnauthorized:
		return job.Unauthenticated
	case http.StatusForbidden:
		return job.PermissionDenied
	case http.StatusTooManyRequests:
		return job.ResourceExhausted
	case http.StatusServiceUnavailable:
		return job.Unavailable
	case http.StatusGatewayTimeout, http.StatusRequestTimeout:
		return job.DeadlineExceeded
	case statusClientGone:
		return job.CancelledCode
	}
	if status >= http.StatusInternalServerError {
		return job.Internal
	}
	return job.InvalidArgument
}

// problemOf is what the caller is told of err. The cause of a fault of ours stays
// in the log.
func problemOf(err error) *ProblemError {
	if p, ok := errors.AsType[*ProblemError](err); ok {
		return p // a call chose the status itself
	}
	code := job.CodeOf(err)
	p := newProblem(statusOf(code), code, err.Error(), mend(job.HintOf(err)))
	if e, ok := errors.AsType[*job.Error](err); ok {
		p.retryAfter = e.RetryAfter
	}
	if code == job.Internal {
		p.What, p.Hint = "the server failed", "the server's log has the cause, under the X-Request-Id of this answer"
		p.Detail = p.What
	}
	return p
}

func newProblem(status int, code job.Code, what, hint string) *ProblemError {
	p := &ProblemError{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: what, What: what, Code: string(code), Hint: hint}
	if status == statusClientGone {
		p.Title = "Client Closed Request"
	}
	return p
}

// retryDefault is what a caller is told to wait where nothing better is known.
const retryDefault = time.Second

// Error implements error.
func (p *ProblemError) Error() string { return p.What }

// GetStatus implements huma.StatusError.
func (p *ProblemError) GetStatus() int { return p.Status }

// ContentType implements huma.ContentTypeFilter.
func (p *ProblemError) ContentType(string) string { return problemType }

// GetHeaders implements huma.HeadersError: what goes with the problem.
func (p *ProblemError) GetHeaders() http.Header {
	h := http.Header{"Content-Type": {problemType}}
	switch p.Status {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", `Bearer realm="spillway"`)
	case http.StatusTooManyRequests, http.StatusServiceUnavailable, http.StatusConflict:
		wait := p.retryAfter
		if wait <= 0 && p.Status == http.StatusConflict {
			break // waiting does not help
		}
		if wait <= 0 {
			wait = retryDefault
		}
		h.Set("Retry-After", strconv.FormatInt(int64(math.Ceil(wait.Seconds())), 10))
	}
	return h
}

// write answers with the problem.
func (p *ProblemError) write(w http.ResponseWriter) {
	maps.Copy(w.Header(), p.GetHeaders())
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // the caller has left: there is nobody to tell
}

var (
	_ huma.StatusError       = (*ProblemError)(nil)
	_ huma.HeadersError      = (*ProblemError)(nil)
	_ huma.ContentTypeFilter = (*ProblemError)(nil)
)

// asProblem makes a ProblemError of the errors that the library itself answers with.
func asProblem(_ huma.Context, _ string, body any) (any, error) {
	m, ok := body.(*huma.ErrorModel)
	if !ok {
		return body, nil
	}
	p := newProblem(m.Status, codeOf(m.Status), m.Detail, "GET /docs says what the call takes")
	for _, e := range m.Errors {
		// Without the value: it may be the whole body, with a password in it.
		p.Errors = append(p.Errors, &huma.ErrorDetail{Message: e.Message, Location: e.Location})
	}
	if len(p.Errors) > 0 {
		p.What = p.Errors[0].Message // its Error would tell of the value that is left out
		if at := p.Errors[0].Location; at != "" {
			p.What += " (" + at + ")"
		}
		p.Detail = p.What
	}
	return p, nil
}
