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
