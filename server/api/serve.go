package api

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"spillway/job"
)

// Limits of a connection. Bodies have the limits of their calls.
const (
	headerTime  = 10 * time.Second // for the head of a request
	idleTime    = 2 * time.Minute  // between two requests
	headerBytes = 32 << 10
	// lastWords is how long calls that are being answered may take once the server stops.
	lastWords = 5 * time.Second
)

// Serve answers on l until ctx ends, and closes l. Calls that are being answered
// have five seconds more, and streams end at once. It returns when nothing that it
// started runs any more. Errors: Unavailable (the listener is lost).
func (a *API) Serve(ctx context.Context, l net.Listener) error {
	calls, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	s := &http.Server{
		Handler:           a,
		ReadHeaderTimeout: headerTime,
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    headerBytes,
		ErrorLog:          slog.NewLogLogger(a.cfg.Log.Handler(), slog.LevelDebug), // what peers do wrong
		BaseContext:       func(net.Listener) context.Context { return calls },
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	select {
	case err := <-served:
		return job.E(job.Unavailable, "serve HTTP", err, "")
	case <-ctx.Done():
	}
	close(a.stopping)
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
	defer cancel()
	if s.Shutdown(grace) != nil {
		end()
		_ = s.Close() // what still runs has had its time
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return job.E(job.Unavailable, "serve HTTP", err, "")
	}
	return nil
}
