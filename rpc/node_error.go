package rpc

import (
	"context"
	"errors"
	"fmt"

	"github.com/apache/thrift/lib/go/thrift"

	"spillway/gen-go/spillway"
	"spillway/job"
	"spillway/rpc/mux"
)

// translate makes a job.Error of what went wrong in a call to the node; nil
// stays nil.
func (n *NodeConn) translate(ctx context.Context, op string, err error) error {
	if rejected, ok := errors.AsType[*spillway.Rejected](err); ok {
		return rejectedFromWire(rejected)
	}
	return callFailure(ctx, "node "+n.addr, op, err)
}

// callFailure makes a job.Error of what went wrong in a call to peer, which the
// text names with what happened; nil stays nil.
func callFailure(ctx context.Context, peer, op string, err error) error {
	if err == nil {
		return nil
	}
	if failure, ok := errors.AsType[*spillway.Failure](err); ok {
		return failureFromWire(failure)
	}
	if x, ok := errors.AsType[thrift.TApplicationException](err); ok {
		code := job.Internal
		switch x.TypeId() {
		case thrift.MISSING_RESULT:
			code = job.Unavailable
		case thrift.UNKNOWN_METHOD:
			code = job.Unimplemented
		}
		return job.E(code, peer, errors.New(clean(x.Error())), "")
	}
	broken, isBroken := errors.AsType[*mux.CallError](err)
	switch {
	case isBroken && broken.Unsent:
		err = job.NotSent(err)
	case isBroken:
		err = job.Lost(err)
	default:
		err = fmt.Errorf("%s: %w", op, err)
	}
	hint := job.HintOf(err)
	if errors.Is(err, mux.ErrTLSPeer) {
		hint = hintBoth
	}
	return job.E(endedCode(ctx), peer, err, hint)
}

// endedCode is Unavailable, unless it was the caller who gave up.
func endedCode(ctx context.Context) job.Code {
	if ctx.Err() != nil {
		return job.CodeOf(ctx.Err())
	}
	return job.Unavailable
}
