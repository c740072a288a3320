package rpc

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"
)

// NodeConnConfig bounds a connection to a node. The zero value takes every
// default.
type NodeConnConfig struct {
	// MaxConns is how many tasks are under way at once, each on a connection of
	// its own; further ones wait. Default 1024.
	MaxConns int
	// IdleTimeout closes a connection that carries nothing. Default 60 seconds.
	IdleTimeout time.Duration
	// DialTimeout bounds making a connection. Default 2 seconds.
	DialTimeout time.Duration
	// After a failed dial, calls fail at once for a time that doubles from
	// BackoffMin to BackoffMax. Defaults 20 ms and 2 seconds.
	BackoffMin, BackoffMax time.Duration
	// Dial makes a connection. Default: TCP to the node's address.
	Dial func(ctx context.Context) (net.Conn, error)
}

// Validate reports values that make no sense. Errors: plain, naming the field.
func (c NodeConnConfig) Validate() error {
	if c.MaxConns < 0 {
		return fmt.Errorf("MaxConns is %d; want 1 or more, or 0 for the default", c.MaxConns)
	}
	if min(c.IdleTimeout, c.DialTimeout, c.BackoffMin, c.BackoffMax) < 0 {
		return errors.New("a timeout is negative; want a positive one, or 0 for the default")
	}
	return nil
}

func (c NodeConnConfig) withDefaults(addr string) NodeConnConfig {
	c.MaxConns = either(c.MaxConns, 1024)
	c.IdleTimeout = either(c.IdleTimeout, time.Minute)
	c.DialTimeout = either(c.DialTimeout, 2*time.Second)
	c.BackoffMin = either(c.BackoffMin, 20*time.Millisecond)
	c.BackoffMax = max(c.BackoffMin, either(c.BackoffMax, 2*time.Second))
	if c.Dial == nil {
		c.Dial = dialTCP(addr)
	}
	return c
}

func dialTCP(addr string) func(context.Context) (net.Conn, error) {
	return func(ctx context.Context) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	}
}

func (c NodeConnConfig) pool() poolConfig {
	return poolConfig{
		dial: c.Dial, dialTimeout: c.DialTimeout, backoffMin: c.BackoffMin, backoffMax: c.BackoffMax,
		limits: nodeReplyLimits,
	}
}
