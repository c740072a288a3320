package isolate

import (
	"context"
	"errors"
	"runtime"

	"spillway/job"
)

// Inline does what a [Pool] does, in this process: nothing is killed, and native
// code that crashes takes the program with it. It may be used concurrently.
type Inline[Req, Rep any] struct {
	handler func(context.Context, Req) (Rep, error)
	slots   chan struct{}
}

// NewInline makes a runner that does size tasks at once; 0: one a core.
func NewInline[Req, Rep any](size int, handler func(context.Context, Req) (Rep, error)) *Inline[Req, Rep] {
	if size <= 0 {
		size = runtime.GOMAXPROCS(0)
	}
	return &Inline[Req, Rep]{handler: handler, slots: make(chan struct{}, size)}
}

// Do runs the handler on the caller's goroutine. A task that has begun runs to
// its end, unless the handler heeds ctx. Errors: Cancelled or DeadlineExceeded
// where ctx ended before it began; else the handler's.
func (i *Inline[Req, Rep]) Do(ctx context.Context, req Req) (Rep, error) {
	select {
	case i.slots <- struct{}{}:
		defer func() { <-i.slots }()
		return i.handler(ctx, req)
	case <-ctx.Done():
		var none Rep
		return none, ended(ctx)
	}
}

// ended is the error for a task whose ctx has ended.
func ended(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return job.E(job.DeadlineExceeded, "", errors.New("out of time"), "")
	}
	return job.E(job.CancelledCode, "", errors.New("cancelled"), "")
}
