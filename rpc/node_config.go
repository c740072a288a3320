package rpc

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"spillway/job"
	"spillway/rpc/mux"
)

// NodeConnConfig bounds a connection to a node. The zero value takes every
// default.
type NodeConnConfig struct {
	// MaxTasks is how many tasks are under way at once; further ones wait. Default
	// 4032, and no more than 128 on a node that does not announce that it answers
	// many calls at once: there each has a connection of its own.
	MaxTasks int
	// IdleTimeout closes a connection that carries nothing. Default 60 seconds.
	IdleTimeout time.Duration
	// DialTimeout bounds making a connection. Default 2 seconds.
	DialTimeout time.Duration
	// After a failed dial, calls fail at once for a time that doubles from
	// BackoffMin to BackoffMax. Defaults 20 ms and 2 seconds.
	BackoffMin, BackoffMax time.Duration
	// Dialect is what a node speaks that is not of this program. Default: find out.
	Dialect mux.Dialect
	// TLS is what this program shows and checks. Default: none.
	TLS *Credentials
	// Node is the name that the node's certificate must have, where there is TLS.
	// Default: any.
	Node job.NodeID
	// Dial makes a connection. Default: to the node's address, over a Unix socket
	// where it is on this machine, else over TCP.
	Dial func(ctx context.Context) (net.Conn, error)

	role Role // of a peer that is no node
}

// Validate reports values that make no sense. Errors: plain, naming the field.
func (c NodeConnConfig) Validate() error {
	if c.MaxTasks < 0 {
		return fmt.Errorf("MaxTasks is %d; want 1 or more, or 0 for the default", c.MaxTasks)
	}
	if min(c.IdleTimeout, c.DialTimeout, c.BackoffMin, c.BackoffMax) < 0 {
		return errors.New("a timeout is negative; want a positive one, or 0 for the default")
	}
	return nil
}

// spareCalls are for those who ask a busy node whether it is there.
const spareCalls = 64

func (c NodeConnConfig) withDefaults() NodeConnConfig {
	if c.MaxTasks == 0 {
		c.MaxTasks = 4096 - spareCalls // with those, what a server takes on one connection
	}
	return c
}

// peer is who must answer.
func (c NodeConnConfig) peer() Role {
	if c.role != "" || c.Node == "" {
		return c.role
	}
	return NodeRole(c.Node)
}

func (c NodeConnConfig) pool(addr string) mux.PoolConfig {
	if c.Dial == nil {
		c.Dial = dialer(addr, c.TLS.expecting(c.peer()))
	}
	return mux.PoolConfig{
		Dial: c.Dial, DialTimeout: c.DialTimeout, BackoffMin: c.BackoffMin, BackoffMax: c.BackoffMax,
		IdleTimeout: c.IdleTimeout, MaxInFlight: c.MaxTasks + spareCalls, SoloConns: soloTasks + spareCalls, Dialect: c.Dialect,
	}
}
