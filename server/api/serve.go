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
	// lastWords is how long calls that are being answered may take at most once the
	// server stops.
	lastWords = 5 * time.Second
)

// Limits of a connection that speaks HTTP/2. Of calls that are begun and given up, the
// library runs no more at once than maxStreams, keeps few more waiting, and hangs up.
const (
	maxStreams   = 100
	tableBytes   = 4 << 10   // of remembered headers
	streamWindow = 256 << 10 // bytes of a body that nobody reads yet
	connWindow   = 1 << 20   // of all bodies of a connection
)

// Serve answers on l until ctx ends, and closes l. Calls that are being answered
// have Config.Grace more, and streams end at once. It returns when nothing that it
// started runs any more. Errors: Unavailable (the listener is lost).
func (a *API) Serve(ctx context.Context, l net.Listener) error {
	calls, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	defer a.events.close()
	s := a.server(calls)
	crowd := newCrowd(a.cfg.Conns, a.cfg.Log)
	s.ConnContext, s.ConnState = crowd.admit, crowd.state
	l = doorway{l, crowd}
	served := make(chan error, 1)
	go func() {
		if s.TLSConfig != nil {
			served <- s.ServeTLS(l, "", "")
			return
		}
		served <- s.Serve(l)
	}()
	select {
	case err := <-served:
		return job.E(job.Unavailable, "serve HTTP", err, "")
	case <-ctx.Done():
	}
	close(a.stopping)
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.cfg.Grace)
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

// server is the library's, whose calls end with ctx. What peers do wrong it tells
// those who debug.
func (a *API) server(ctx context.Context) *http.Server {
	s := &http.Server{
		Handler:                      a,
		ReadHeaderTimeout:            headerTime,
		IdleTimeout:                  idleTime,
		MaxHeaderBytes:               headerBytes,
		DisableGeneralOptionsHandler: true, // it would answer around the guard
		ErrorLog:                     slog.NewLogLogger(a.cfg.Log.Handler(), slog.LevelDebug),
		BaseContext:                  func(net.Listener) context.Context { return ctx },
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams:          maxStreams,
			MaxDecoderHeaderTableSize:     tableBytes,
			MaxReceiveBufferPerConnection: connWindow,
			MaxReceiveBufferPerStream:     streamWindow,
			SendPingTimeout:               stalled,
			WriteByteTimeout:              stalled,
		},
	}
	if a.cfg.TLS != nil {
		s.TLSConfig = a.cfg.TLS.Clone()
	}
	return s
}
