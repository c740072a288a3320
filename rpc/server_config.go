package rpc

import (
	"errors"
	"fmt"
	"time"
)

// ServerConfig bounds what a server gives to its callers. The zero value takes
// every default.
type ServerConfig struct {
	// MaxConns is how many connections are open at once; further ones are
	// closed at once. Default 8192.
	MaxConns int
	// IdleTimeout closes a connection without a call. Default 10 minutes.
	IdleTimeout time.Duration
	// ReadTimeout is how long a call may take to arrive once it has begun.
	// Default 30 seconds.
	ReadTimeout time.Duration
	// WriteTimeout is how long an answer may take to leave. Default 20 seconds.
	WriteTimeout time.Duration
	// Grace is how long running calls may go on once the server is told to
	// stop. Default 5 seconds.
	Grace time.Duration
}

// Validate reports values that make no sense. Errors: plain, naming the field.
func (c ServerConfig) Validate() error {
	if c.MaxConns < 0 {
		return fmt.Errorf("MaxConns is %d; want 1 or more, or 0 for the default", c.MaxConns)
	}
	if min(c.IdleTimeout, c.ReadTimeout, c.WriteTimeout, c.Grace) < 0 {
		return errors.New("a timeout is negative; want a positive one, or 0 for the default")
	}
	return nil
}

func (c ServerConfig) withDefaults() ServerConfig {
	c.MaxConns = either(c.MaxConns, 8192)
	c.IdleTimeout = either(c.IdleTimeout, 10*time.Minute)
	c.ReadTimeout = either(c.ReadTimeout, 30*time.Second)
	c.WriteTimeout = either(c.WriteTimeout, 20*time.Second)
	c.Grace = either(c.Grace, 5*time.Second)
	return c
}

// either is value, or fallback where it is not set.
func either[T int | time.Duration](value, fallback T) T {
	if value == 0 {
		return fallback
	}
	return value
}
