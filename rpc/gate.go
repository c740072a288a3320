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
		return job.NotSent(fmt.Errorf("%d tasks are under way: %w", cap(g), ctx.Err()))
	}
}

func (g gate) leave() { <-g }
