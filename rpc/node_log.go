package rpc

import (
	"context"
	"errors"

	"spillway/gen-go/spillway"
	"spillway/job"
)

func (h *nodeHandler) Log(_ context.Context, lines int32) ([]string, error) {
	return convert(h.node.Log(int(lines)), clean), nil
}

// Log asks for the last lines of the node's log, oldest first. Errors: as for
// Probe, and Unimplemented for a basic node.
func (n *NodeConn) Log(ctx context.Context, lines int) ([]string, error) {
	ctx, cancel := withDefaultTimeout(ctx, probeTimeout)
	defer cancel()
	var text []string
	err := n.call(ctx, func(c *spillway.ComputeNodeClient) (err error) {
		text, err = c.Log(ctx, small(lines))
		return err
	})
	switch {
	case err == nil:
		return filled(text), nil
	case unknownMethod(err):
		return nil, job.E(job.Unimplemented, "log", errors.New("the node keeps no log that it tells"), "look at its own output")
	}
	return nil, n.translate(ctx, "log", err)
}
