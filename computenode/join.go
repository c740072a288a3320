package main

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"

	"spillway/job"
)

// A server that does not answer is asked again after firstRetry, and after twice
// as long each time up to maxRetry; half of each wait is drawn.
const (
	firstRetry = 250 * time.Millisecond
	maxRetry   = 5 * time.Second
	// joinTimeout bounds one call, goodbye the last one.
	joinTimeout = 5 * time.Second
	goodbye     = time.Second
)

// registrar is a server that nodes may join.
type registrar interface {
	Register(ctx context.Context, r job.Registration) (every time.Duration, err error)
}

// joiner keeps the node registered with a server that it was told of.
type joiner struct {
	server registrar
	addr   string // of the server
	self   job.Registration
	log    *slog.Logger

	last string // what was logged last: "", the reason of a failure, or joined; the loop's own
}

// joined is what a joiner last logged of a server that has it.
const joined = "joined"

// run registers at once and then as often as the server asks, until ctx ends. A
// server that is away, or refuses, is asked again for ever.
func (j *joiner) run(ctx context.Context) {
	retry := firstRetry
	for {
		every, err := j.register(ctx, j.self, joinTimeout)
		if ctx.Err() != nil {
			return
		}
		j.note(err)
		pause := every
		if err != nil {
			pause = retry/2 + rand.N(retry/2)
			retry = min(2*retry, maxRetry)
		} else {
			retry = firstRetry
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(max(pause, firstRetry/2)):
		}
	}
}

// note logs how it stands with the server, once a change.
func (j *joiner) note(err error) {
	now := joined
	if err != nil {
		now = err.Error()
	}
	if now == j.last {
		return
	}
	j.last = now
	if err == nil {
		j.log.Info("joined the server", "server", j.addr, "as", j.self.Node, "address", j.self.Addr)
		return
	}
	j.log.Warn("could not join the server, trying again", "server", j.addr, "err", err, "mend", job.HintOf(err))
}

// leave tells the server that the node stops.
func (j *joiner) leave(ctx context.Context) {
	bye := j.self
	bye.Leaving = true
	if _, err := j.register(context.WithoutCancel(ctx), bye, goodbye); err != nil {
		j.log.Debug("the server was not told that the node stops", "err", err)
	}
}

func (j *joiner) register(ctx context.Context, r job.Registration, limit time.Duration) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return j.server.Register(ctx, r)
}
