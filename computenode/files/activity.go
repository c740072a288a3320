package files

import (
	"context"
	"slices"
	"time"

	"spillway/job"
)

// View implements [job.Media].
func (d *Desk) View(context.Context) ([]job.Activity, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := make([]job.Activity, len(d.busy))
	for i, a := range d.busy {
		all[i] = *a
	}
	return all, nil
}

// Begin notes that the node works on a file, until the returned function is called.
// It is for tasks, too, whose files lie elsewhere.
func (d *Desk) Begin(file, operation string) (end func()) {
	a := &job.Activity{File: file, Operation: operation, Since: time.Now()}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.busy = append(d.busy, a)
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.busy = slices.DeleteFunc(d.busy, func(b *job.Activity) bool { return a == b })
	}
}

// enter waits for a slot, and notes what the node then works on.
func (d *Desk) enter(ctx context.Context, file, operation string) (leave func(), err error) {
	select {
	case d.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, job.E(job.CodeOf(ctx.Err()), operation+" "+job.Shown(file), ctx.Err(), "")
	}
	end := d.Begin(file, operation)
	return func() {
		end()
		<-d.slots
	}, nil
}
