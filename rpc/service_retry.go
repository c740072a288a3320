package rpc

import (
	"context"
	"errors"
	"time"

	"spillway/job"
	"spillway/rpc/mux"
)

// worthRedialling tells that the server could not be reached or was lost, and
// not that it said so of something else.
func worthRedialling(err error) bool {
	return !errors.Is(err, mux.ErrClosed) && (errors.Is(err, job.ErrNotSent) || lostAfterSending(err))
}

// lostAfterSending tells that the server was there and then was lost.
func lostAfterSending(err error) bool {
	_, broken := errors.AsType[*mux.CallError](err)
	return broken && !errors.Is(err, job.ErrNotSent)
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
