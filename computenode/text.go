package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"

	"spillway/computenode/textport"
	"spillway/job"
	"spillway/rpc"
)

// listenText opens the listener of the line protocol; nil where there is to be none.
// It has no login, so that TLS opens nothing beyond this machine.
func listenText(cfg config) (net.Listener, error) {
	if cfg.Text == "" {
		return nil, nil
	}
	l, err := rpc.Listen(cfg.Text, rpc.ListenOptions{Insecure: cfg.Insecure})
	if err == nil {
		return l, nil
	}
	hint := "write --text HOST:PORT with a port that is free, as in 127.0.0.1:6001"
	if !cfg.Insecure && job.CodeOf(err) == job.InvalidArgument {
		hint = "listen on this machine, as in --text 127.0.0.1:6001, or add --insecure if the network is trusted"
	}
	e := job.AsError(err)
	return nil, job.E(e.Code, fmt.Sprintf("--text %.80q", cfg.Text), errors.Unwrap(e), hint)
}

// beside is answer, with lines of text answered on l as long as it goes on; nil: none
// are. Answer ends with its context, or when it cannot go on.
func beside(port *textport.Port, l net.Listener, answer func(context.Context) error) func(context.Context) error {
	if l == nil {
		return answer
	}
	return func(ctx context.Context) error {
		ctx, end := context.WithCancel(ctx)
		var lost error
		var wg sync.WaitGroup
		wg.Go(func() {
			lost = port.Serve(ctx, l)
			end()
		})
		err := answer(ctx)
		end()
		wg.Wait()
		return errors.Join(err, lost)
	}
}
