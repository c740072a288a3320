package files

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"spillway/job"
)

// lookEvery is the time between two looks at what a call has written.
const lookEvery = 250 * time.Millisecond

// errFull ends a call that writes more than the quota has room for, and errMany one
// that makes too many files.
var (
	errFull = errors.New("the node's workspace is full")
	errMany = fmt.Errorf("it makes more than %d pictures", job.MaxFrames)
)

// bound ends ctx when what lies in folder is more than the quota has room for, since
// native code does not know of it. stop ends the watch and tells whether that happened.
func (d *Desk) bound(ctx context.Context, folder string) (bounded context.Context, stop func() error) {
	bounded, cancel := context.WithCancelCause(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(lookEvery)
		defer tick.Stop()
		for {
			select {
			case <-bounded.Done():
				return
			case <-tick.C:
				if err := d.look(folder); err != nil {
					cancel(err)
				}
			}
		}
	})
	return bounded, func() error {
		cancel(nil)
		wg.Wait()
		switch cause := context.Cause(bounded); {
		case errors.Is(cause, errFull):
			return d.full("")
		case errors.Is(cause, errMany):
			return job.E(job.InvalidArgument, "", errMany, "extract a part of it, or fewer pictures a second")
		}
		return nil
	}
}

// look reports whether folder has grown too large.
func (d *Desk) look(folder string) error {
	made, err := d.cfg.Space.List(folder)
	if err != nil {
		return nil //nolint:nilerr // the call itself meets the disk's errors
	}
	var total int64
	for _, f := range made {
		total += f.Size
	}
	switch {
	case len(made) > job.MaxFrames:
		return errMany
	case total > d.cfg.Space.Room():
		return errFull
	}
	return nil
}

// full is the error of a workspace without room.
func (d *Desk) full(op string) error {
	return job.E(job.ResourceExhausted, op, errFull, "delete files that nobody needs, or raise the node's --workspace-quota")
}
