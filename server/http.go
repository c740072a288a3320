package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"

	"spillway/job"
	"spillway/rpc"
	"spillway/server/account"
	"spillway/server/api"
)

const (
	// defaultHTTP is where the HTTP API listens, if the port is free.
	defaultHTTP = "127.0.0.1:8080"
	// noHTTP is the --http that turns it off.
	noHTTP = "off"
)

// The account that --demo adds.
const demoUser, demoPassword = "username", "password"

// listenHTTP listens where --http says; nil where it is off. The default address being
// another program's is no error, since nobody asked for it.
// Errors: InvalidArgument, FailedPrecondition (the port is taken), PermissionDenied.
func listenHTTP(cfg *config, log *slog.Logger) (net.Listener, error) {
	if cfg.http == noHTTP || cfg.http == "" {
		return nil, nil
	}
	l, err := rpc.Listen(cfg.http, rpc.ListenOptions{Insecure: cfg.insecure || cfg.credentials != nil})
	if err != nil {
		if !cfg.httpChosen && job.CodeOf(err) == job.FailedPrecondition {
			log.Warn("no HTTP API: its port is another program's; choose one with --http HOST:PORT, or --http off", "address", cfg.http)
			return nil, nil
		}
		e := job.AsError(err)
		return nil, job.E(e.Code, "--http: "+e.Op, e.Err, "choose another address with --http, or --http off")
	}
	if web := cfg.credentials.Web(); web != nil {
		return tls.NewListener(l, web), nil
	}
	return l, nil
}

// makeAPI wires the HTTP API, and makes its first accounts. What it returns serves until
// its context ends.
func makeAPI(ctx context.Context, cfg config, l net.Listener, s service, kept account.Store, log *slog.Logger, stderr io.Writer) (func(context.Context) error, error) {
	if l == nil {
		return func(context.Context) error { return nil }, nil
	}
	accounts := account.New(account.Config{}, kept)
	if err := firstAccounts(ctx, cfg, accounts, stderr); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	ready := func() bool {
		select {
		case <-s.Scheduler.Ready():
			return true
		default:
			return false
		}
	}
	face := api.New(api.Config{Service: s, Nodes: s, Accounts: accounts, Log: log, Ready: ready})
	log.Info("HTTP API ready", "address", l.Addr(), "docs", scheme(cfg)+"://"+l.Addr().String()+"/docs")
	return func(ctx context.Context) error { return face.Serve(ctx, l) }, nil
}

func scheme(cfg config) string {
	if cfg.credentials != nil {
		return "https"
	}
	return "http"
}

// firstAccounts makes an admin where there is nobody, and the account of --demo. What
// it says is for the person who started the server, and not for its log.
func firstAccounts(ctx context.Context, cfg config, accounts *account.Accounts, stderr io.Writer) error {
	name, password, err := accounts.First(ctx)
	if err != nil {
		return err
	}
	if name != "" {
		fmt.Fprintf(stderr, "The HTTP API has its first account, and this is shown once:\n\n    user %s   password %s\n\n"+
			"server user --help tells how to make others.\n", name, password)
	}
	if !cfg.demo {
		return nil
	}
	if err := accounts.Add(ctx, demoUser, demoPassword, job.Admin); err != nil && job.CodeOf(err) != job.AlreadyExists {
		return err
	}
	fmt.Fprintf(stderr, "\n*** --demo: ANYBODY who reaches %s may do EVERYTHING as user %q with password %q. ***\n"+
		"*** Remove it with: server user remove %s ***\n\n", cfg.http, demoUser, demoPassword, demoUser)
	return nil
}
