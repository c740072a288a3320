package store

import (
	"fmt"
	"log/slog"
	"time"

	"spillway/job"
)

// Config is what a store can be told.
type Config struct {
	// NoteDelay is how long a note waits for a Finish to leave with. Default 100 ms.
	NoteDelay time.Duration
	// Log gets what the store mends by itself. Default: nobody.
	Log *slog.Logger
	// Observer hears what the store does, to count it. Default: nobody does.
	Observer Observer
}

// Observer hears what a store does. It is called by many goroutines, and must not wait.
type Observer interface {
	// Transacted tells of a transaction, with its tries; step is what it was for.
	// failed: the database did not carry it out, which is not the caller's fault.
	Transacted(step string, took time.Duration, failed bool)
	// Grouped tells of a commit that kept the ends of so many tasks and jobs.
	Grouped(ends int)
}

// Validate fills the defaults in. Errors: InvalidArgument.
func (c *Config) Validate() error {
	if c.NoteDelay < 0 {
		return job.E(job.InvalidArgument, "store", fmt.Errorf("the note delay %v is negative", c.NoteDelay), "use a positive duration")
	}
	if c.NoteDelay == 0 {
		c.NoteDelay = 100 * time.Millisecond
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return nil
}
