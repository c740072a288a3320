package rpc

import (
	"context"
	"errors"
	"time"

	"spillway/job"
	"spillway/rpc/mux"
)

// ErrLost is wrapped by the error of a call that reached the server, which then
// went, and did not come back in time.
var ErrLost = errors.New("the server was lost")

// lostError adds ErrLost to an error without adding words to it.
type lostError struct{ error }

func (e lostError) Unwrap() []error { return []error{e.error, ErrLost} }

// worthRedialling tells that the server could not be reached or was lost, and
// not that it said so of something else.
func worthRedialling(err error) bool {
	return !errors.Is(err, mux.ErrClosed) && (errors.Is(err, job.ErrNotSent) || lostAfterSending(err))
}

// lostAfterSending tells that the server was there and then was lost, or said that
// it is about to.
func lostAfterSending(err error) bool {
	_, broken := errors.AsType[*mux.CallError](err)
	return (broken || job.CodeOf(err) == job.Unavailable) && !errors.Is(err, job.ErrNotSent)
}

// sleep waits; false: ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
