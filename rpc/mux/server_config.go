package mux

import (
	"cmp"
	"errors"
	"fmt"
	"time"
)

// ServerConfig bounds what a server gives to its callers. The zero value takes
// every default.
type ServerConfig struct {
	// MaxConns is how many connections are open at once. One more closes the one
	// that has been idle longest, or is closed itself where none is. Default 3000.
	MaxConns int
	// MaxCalls is how many calls of one connection go on at once; further ones
	// wait unread. Default 4096.
	MaxCalls int
	// MaxBytes bounds the requests that are worked on, over all connections: those
	// of up to 64 KiB together, each counting for 8 KiB at least, and the larger
	// ones together. Further ones wait unread. Text that is decoded from them, and
	// the answers, take memory beside it. Default 64 MiB.
	MaxBytes int64
	// IdleTimeout closes a connection without a call. Default 10 minutes.
	IdleTimeout time.Duration
	// ReadTimeout is how long a call may take to arrive once it has begun.
	// Default 30 seconds.
	ReadTimeout time.Duration
	// WriteTimeout is how long answers may take to leave. Default 20 seconds.
	WriteTimeout time.Duration
	// Grace is how long running calls may go on once the server is told to
	// stop. Default 5 seconds.
	Grace time.Duration
	// Requests and Replies bound a message that comes in and one that goes out.
	// Default: 16 MiB and 131,072 elements.
	Requests, Replies Limits
}

// Validate reports values that make no sense. Errors: plain, naming the field.
func (c ServerConfig) Validate() error {
	switch {
	case c.MaxConns < 0:
		return fmt.Errorf("MaxConns is %d; want 1 or more, or 0 for the default", c.MaxConns)
	case c.MaxCalls < 0:
		return fmt.Errorf("MaxCalls is %d; want 1 or more, or 0 for the default", c.MaxCalls)
	case c.MaxBytes < 0:
		return fmt.Errorf("MaxBytes is %d; want 1 or more, or 0 for the default", c.MaxBytes)
	case min(c.IdleTimeout, c.ReadTimeout, c.WriteTimeout, c.Grace) < 0:
		return errors.New("a timeout is negative; want a positive one, or 0 for the default")
	}
	return nil
}

func (c ServerConfig) withDefaults() ServerConfig {
	c.MaxConns = cmp.Or(c.MaxConns, 3000)
	c.MaxCalls = cmp.Or(c.MaxCalls, 4096)
	c.IdleTimeout = cmp.Or(c.IdleTimeout, 10*time.Minute)
	c.ReadTimeout = cmp.Or(c.ReadTimeout, 30*time.Second)
	c.WriteTimeout = cmp.Or(c.WriteTimeout, 20*time.Second)
	c.Grace = cmp.Or(c.Grace, 5*time.Second)
	c.Requests, c.Replies = c.Requests.withDefaults(), c.Replies.withDefaults()
	if c.MaxBytes == 0 {
		c.MaxBytes = 64 << 20
	}
	c.MaxBytes = max(c.MaxBytes, 2*int64(c.Requests.Bytes)) // or the largest, compressed, would never be read
	return c
}
