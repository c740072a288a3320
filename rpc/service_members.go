package rpc

import (
	"context"
	"time"

	"spillway/gen-go/spillway"
	"spillway/job"
)

var _ Members = (*ServiceConn)(nil)

// Register implements [Members]. An address without a host is that of this
// connection.
func (s *ServiceConn) Register(ctx context.Context, r job.Registration) (every time.Duration, err error) {
	err = s.call(ctx, "register_node", func(ctx context.Context, c *spillway.ServerClient) error {
		answer, err := c.RegisterNode(ctx, registrationToWire(r))
		if err == nil {
			every = millis(answer.EveryMs)
		}
		return err
	})
	return every, err
}

// Drain implements [Members].
func (s *ServiceConn) Drain(ctx context.Context, node job.NodeID, on bool) error {
	return s.call(ctx, "drain_node", func(ctx context.Context, c *spillway.ServerClient) error {
		return c.DrainNode(ctx, string(node), on)
	})
}

// NodeLog implements [Members].
func (s *ServiceConn) NodeLog(ctx context.Context, node job.NodeID, lines int) (text []string, err error) {
	err = s.call(ctx, "node_log", func(ctx context.Context, c *spillway.ServerClient) (err error) {
		text, err = c.NodeLog(ctx, string(node), small(lines))
		return err
	})
	return filled(text), err
}
