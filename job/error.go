package job

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"
)

// Code says who must act on an error. The names are gRPC's.
type Code string

// The closed set of codes.
const (
	InvalidArgument    Code = "invalid_argument"    // the caller mends the request
	NotFound           Code = "not_found"           // the caller names something that exists
	AlreadyExists      Code = "already_exists"      // the caller picks another name
	FailedPrecondition Code = "failed_precondition" // the caller mends the surroundings
	Unimplemented      Code = "unimplemented"       // this program or node cannot do that
	Unauthenticated    Code = "unauthenticated"     // the caller logs in
	PermissionDenied   Code = "permission_denied"   // the caller may not, and should not retry
	ResourceExhausted  Code = "resource_exhausted"  // rejected: another node, or later
	Unavailable        Code = "unavailable"         // this node or the way to it: another node
	DeadlineExceeded   Code = "deadline_exceeded"   // out of time
	CancelledCode      Code = "cancelled"           // somebody asked; nobody acts
	Internal           Code = "internal"            // a fault of ours, or an input that breaks a node
	DataLoss           Code = "data_loss"           // an input that is damaged
)

// Permanent reports whether the same request would get the same answer again, so
// that it has to change first. Of a node's Unimplemented that is true for that
// node alone.
func (c Code) Permanent() bool {
	switch c {
	case InvalidArgument, NotFound, AlreadyExists, FailedPrecondition, Unimplemented,
		Unauthenticated, PermissionDenied, DataLoss:
		return true
	}
	return false
}

// ErrNotSent is wrapped by an Unavailable error when the task surely never
// reached the node, so that the try costs the task nothing.
var ErrNotSent = errors.New("not sent")

// ErrLost is wrapped by an Unavailable error when the node, or the way to it, broke
// while the task was there: the node itself has said nothing.
var ErrLost = errors.New("lost")

// Lost adds ErrLost to err without adding words to it.
func Lost(err error) error { return lostError{err} }

type lostError struct{ error }

func (e lostError) Unwrap() []error { return []error{e.error, ErrLost} }

// NotSent adds ErrNotSent to err without adding words to it.
func NotSent(err error) error { return notSentError{err} }

type notSentError struct{ error }

func (e notSentError) Unwrap() []error { return []error{e.error, ErrNotSent} }

// Error is the one error type at boundaries: between processes and towards
// people.
type Error struct {
	// Code says who acts.
	Code Code
	// Op is the step and the thing: "read data/input_dir/a.jpg". May be empty.
	Op string
	// Err is the cause, in words for people; never nil.
	Err error
	// Hint is what to do about it; empty where the message says all.
	Hint string
	// RetryAfter, for ResourceExhausted, is when to come back; zero: unknown.
	RetryAfter time.Duration
	// Load, for ResourceExhausted, is the load of the node that rejected; nil: unknown.
	Load *Load
}

// E makes an Error.
func E(code Code, op string, err error, hint string) *Error {
	return &Error{Code: code, Op: op, Err: err, Hint: hint}
}

// Error gives step and cause; the hint stands apart, see [HintOf].
func (e *Error) Error() string {
	msg := string(e.Code)
	if e.Err != nil {
		msg = e.Err.Error()
	}
	if e.Op == "" {
		return msg
	}
	return e.Op + ": " + msg
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// CodeOf is the code of err: its own if it is or wraps an [Error], that of an
// ended context, or Internal.
func CodeOf(err error) Code {
	var e *Error
	switch {
	case errors.As(err, &e):
		return e.Code
	case errors.Is(err, context.Canceled):
		return CancelledCode
	case errors.Is(err, context.DeadlineExceeded):
		return DeadlineExceeded
	}
	return Internal
}

// HintOf is the hint that err carries, or "".
func HintOf(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Hint
	}
	return ""
}

// AsError returns err as an *Error, giving it the code of [CodeOf] if it is none.
// nil stays nil.
func AsError(err error) *Error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{Code: CodeOf(err), Err: err}
}

// Shown is a file's name or path as messages show it: quoted and escaped where it
// holds what a terminal would obey instead of print.
func Shown(name string) string {
	for _, r := range name {
		if !strconv.IsPrint(r) {
			return strconv.Quote(name)
		}
	}
	return name
}

// Describe is err and its hint in one line, for people.
func Describe(err error) string {
	line := err.Error()
	if hint := HintOf(err); hint != "" {
		line += "; " + hint
	}
	return strings.NewReplacer("\r\n", " ", "\n", " ", "\r", " ").Replace(line)
}
