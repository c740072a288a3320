package rpc

import (
	"context"
	"fmt"

	"spillway/job"
)

// gate bounds how many calls go on at once.
type gate chan struct{}

// enter waits for a place until ctx ends; its error wraps job.ErrNotSent.
func (g gate) enter(ctx context.Context) error {
	select {
	case g <- struct{}{}:
		return nil
	default:
	}
	select {
	case g <- struct{}{}:
		return nil
	case <-ctx.Done():
		return notSent(fmt.Errorf("all %d connections are in use: %w", cap(g), ctx.Err()))
	}
}

func (g gate) leave() { <-g }

// notSent marks an error that came before anything was sent.
func notSent(err error) error { return &notSentError{err: err} }

// notSentError adds job.ErrNotSent to an error without adding words to it.
type notSentError struct{ err error }

func (e *notSentError) Error() string { return e.err.Error() }

func (e *notSentError) Unwrap() []error { return []error{e.err, job.ErrNotSent} }
