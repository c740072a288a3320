package rpc

import (
	"context"
	"log/slog"
	"net"

	"github.com/apache/thrift/lib/go/thrift"

	"spillway/job"
	"spillway/rpc/mux"
)

// ServerConfig bounds what a server gives to its callers. The zero value takes
// every default, with [requestLimits] and [serviceReplyLimits] for messages.
type ServerConfig mux.ServerConfig

// What is let in. Requests are small, but for the names of the pictures of a video; a
// list of jobs with their failures is not.
var (
	requestLimits      = mux.Limits{Bytes: 1 << 20, Elements: 1 << 15}
	nodeReplyLimits    = mux.Limits{Bytes: 16 << 20, Elements: 1 << 17}
	serviceReplyLimits = mux.Limits{Bytes: 64 << 20, Elements: 1 << 22}
)

// Validate reports values that make no sense. Errors: plain, naming the field.
func (c ServerConfig) Validate() error { return mux.ServerConfig(c).Validate() }

// serve answers with p, whom may lets call, until ctx ends.
func (c ServerConfig) serve(ctx context.Context, l net.Listener, p thrift.TProcessor, may permits, log *slog.Logger) error {
	op := "serve " + l.Addr().String()
	if err := c.Validate(); err != nil {
		return job.E(job.InvalidArgument, op, err, "")
	}
	if c.Requests == (mux.Limits{}) {
		c.Requests = requestLimits
	}
	if c.Replies == (mux.Limits{}) {
		c.Replies = serviceReplyLimits
	}
	if !unguarded(l) {
		p = may.guard(p, log)
	}
	if err := mux.NewServer(mux.ServerConfig(c), p, log).Serve(ctx, all(l)...); err != nil {
		return job.E(job.Unavailable, op, err, "")
	}
	return nil
}

// all is l with those that stand behind it, such as the Unix socket beside a
// TCP port.
func all(l net.Listener) []net.Listener {
	if several, ok := l.(interface{ All() []net.Listener }); ok {
		return several.All()
	}
	return []net.Listener{l}
}
