package rpc

import (
	"errors"
	"strings"

	"spillway/gen-go/spillway"
	"spillway/job"
)

// codes are those that a failure may carry; any other becomes Internal.
var codes = map[job.Code]bool{
	job.InvalidArgument: true, job.NotFound: true, job.AlreadyExists: true, job.FailedPrecondition: true,
	job.Unimplemented: true, job.Unauthenticated: true, job.PermissionDenied: true, job.ResourceExhausted: true,
	job.Unavailable: true, job.DeadlineExceeded: true, job.CancelledCode: true, job.Internal: true, job.DataLoss: true,
}

// failureToWire carries err as code and text; its causes stay here.
func failureToWire(err error) *spillway.Failure {
	if err == nil {
		return nil
	}
	f := &spillway.Failure{Code: string(job.CodeOf(err)), Message: clean(err.Error())}
	if hint := job.HintOf(err); hint != "" {
		hint = clean(hint)
		f.Hint = &hint
	}
	return f
}

func failureFromWire(f *spillway.Failure) *job.Error {
	if f == nil {
		return nil
	}
	code := job.Code(f.Code)
	if !codes[code] {
		code = job.Internal
	}
	message := f.Message
	if message == "" {
		message = string(code)
	}
	return job.E(code, "", errors.New(clean(message)), clean(f.GetHint()))
}

// jobErrorToWire is failureToWire for a field that may be nil.
func jobErrorToWire(e *job.Error) *spillway.Failure {
	if e == nil {
		return nil
	}
	return failureToWire(e)
}

func rejectedToWire(e *job.Error) *spillway.Rejected {
	r := &spillway.Rejected{Reason: clean(e.Error()), RetryAfterMs: wholeMillis(e.RetryAfter)}
	if e.Load != nil {
		r.Load = loadToWire(*e.Load)
	}
	return r
}

func rejectedFromWire(r *spillway.Rejected) *job.Error {
	e := job.E(job.ResourceExhausted, "", errors.New(clean(r.Reason)), "")
	e.RetryAfter = max(0, millis(r.RetryAfterMs))
	if r.Load != nil {
		load := loadFromWire(r.Load)
		e.Load = &load
	}
	return e
}

// clean makes text that every language can decode.
func clean(text string) string { return strings.ToValidUTF8(text, "\uFFFD") }
