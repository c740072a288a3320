package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"

	"golang.org/x/sync/errgroup"

	"spillway/job"
	"spillway/rpc"
	"spillway/server/account"
	"spillway/server/api"
	"spillway/server/files"
	"spillway/server/metrics"
	"spillway/server/music"
	"spillway/server/workload"
)

const (
	// defaultHTTP is where the HTTP API listens, if the port is free.
	defaultHTTP = "127.0.0.1:8080"
	// noHTTP is the --http that turns it off.
	noHTTP = "off"
)

// The account that --demo adds.
const demoUser, demoPassword = "username", "password"

// web is the HTTP API as it is wired.
type web struct {
	cfg      config
	listener net.Listener // nil: there is no API
	metrics  *metrics.Metrics
	lines    *api.LogRing
	log      *slog.Logger
	stderr   io.Writer
}

// listenHTTP listens where --http says. The default address being another program's is
// no error, since nobody asked for it.
// Errors: InvalidArgument, FailedPrecondition (the port is taken), PermissionDenied.
func listenHTTP(cfg config, counts *metrics.Metrics, log *slog.Logger, stderr io.Writer) (web, error) {
	w := web{cfg: cfg, log: log, stderr: stderr, metrics: counts}
	if cfg.http == noHTTP || cfg.http == "" {
		return w, nil
	}
	l, err := rpc.Listen(cfg.http, rpc.ListenOptions{Insecure: cfg.insecure || cfg.credentials != nil})
	if err != nil {
		if !cfg.httpChosen && job.CodeOf(err) == job.FailedPrecondition {
			log.Warn("no HTTP API: its port is another program's; choose one with --http HOST:PORT, or --http off", "address", cfg.http)
			return w, nil
		}
		e := job.AsError(err)
		return w, job.E(e.Code, "--http: "+e.Op, e.Err, "choose another HOST:PORT with --http, or --http off; beyond loopback it wants --tls-cert, --tls-key and --tls-ca, or --insecure where the network is trusted")
	}
	w.listener = l
	return w, nil
}

// close stops listening.
func (w web) close() error {
	if w.listener == nil {
		return nil
	}
	return w.listener.Close()
}

// api wires the API, and makes its first accounts. What it returns serves until its
// context ends.
func (w web) api(ctx context.Context, s service, kept keeper) (func(context.Context) error, error) {
	if w.listener == nil {
		return func(context.Context) error { return nil }, nil
	}
	accounts := account.New(account.Config{}, kept)
	ready := func() bool {
		select {
		case <-s.Ready():
			return true
		default:
			return false
		}
	}
	// First, since it is what refuses a directory that another server has.
	folders, err := files.Open(files.Config{Dir: filepath.Join(w.cfg.files, "folders"), Quota: w.cfg.filesQuota << 30, Locate: w.cfg.roots.Path, Log: w.log})
	if err != nil {
		return nil, err
	}
	streams, err := w.streams(ctx, s, kept)
	if err != nil {
		return nil, errors.Join(err, folders.Close())
	}
	audit, err := api.OpenAuditFile(w.cfg.state, w.log)
	if err != nil {
		return nil, errors.Join(err, folders.Close())
	}
	// Last, so that no password is shown by a server that then does not start.
	if err := w.firstAccounts(ctx, accounts); err != nil {
		return nil, errors.Join(err, audit.Close(), folders.Close())
	}
	var face *api.API
	sources := metrics.Sources{
		Nodes: s.Nodes, Users: accounts.Users, Standing: s.Standing, Calls: func() int { return face.InFlight() }, Listeners: func() int { return face.Listeners() },
	}
	if db, ok := kept.(interface{ Unkept() int }); ok {
		sources.Unkept = db.Unkept
	}
	face = api.New(api.Config{
		Service: s, Nodes: s, Accounts: accounts, Log: w.log, Ready: ready, Policy: w.cfg.scheduler.Policy,
		Reach: func(n job.Node) api.NodeSpace {
			return rpc.NewNodeConn(n.Addr, rpc.NodeConnConfig{TLS: w.cfg.credentials, Node: n.ID})
		},
		Music: streams.music, Workloads: streams.workloads, Files: folders, Metrics: w.metrics.Handler(sources), Observer: w.metrics, Lines: w.lines, Tracer: s.tracer,
		Grace: w.cfg.scheduler.Grace, TLS: w.cfg.credentials.Web(), Audit: slog.New(slog.NewJSONHandler(audit, nil)),
	})
	at := w.listener.Addr()
	w.log.Info("HTTP API ready", "address", at, "docs", w.scheme()+"://"+at.String()+"/docs")
	return func(ctx context.Context) error {
		defer audit.Close()
		g, ctx := errgroup.WithContext(ctx)
		g.Go(func() error { return face.Serve(ctx, w.listener) })
		for _, run := range streams.loops {
			g.Go(func() error { return run(ctx) })
		}
		g.Go(func() error { return folders.Run(ctx) })
		return errors.Join(g.Wait(), folders.Close())
	}, nil
}

// streams are the loops of what has files in --files and lists in the database.
type streams struct {
	music     api.Music
	workloads api.Workloads
	loops     []func(context.Context) error
}

// streams makes them, or none where another server has them; it says so then. --files is
// this server's alone by now.
func (w web) streams(ctx context.Context, s service, kept keeper) (streams, error) {
	shared := w.cfg.db != "" && w.cfg.db != inMemory
	if err := bindFiles(ctx, kept, w.cfg.files, shared); errors.Is(err, errElsewhere) {
		w.log.Warn("NO WORKLOADS AND NO MUSIC on this server", "err", errElsewhere, "files", w.cfg.files, "hint", job.HintOf(err))
		return streams{}, nil
	} else if err != nil {
		return streams{}, err
	}
	songs, err := music.New(music.Config{Dir: filepath.Join(w.cfg.files, musicDir)}, s, kept, w.log)
	if err != nil {
		return streams{}, err
	}
	flows, err := workload.New(workload.Config{Dir: filepath.Join(w.cfg.files, workloadsDir), Quota: w.cfg.filesQuota << 30, NodesWith: s.NodesWith}, s, kept, w.log)
	if err != nil {
		return streams{}, err
	}
	return streams{music: songs, workloads: flows, loops: []func(context.Context) error{songs.Run, flows.Run}}, nil
}

func (w web) scheme() string {
	if w.cfg.credentials != nil {
		return "https"
	}
	return "http"
}

// firstAccounts makes an admin where there is nobody, and the account of --demo. What
// it says is for the person who started the server, and not for its log.
func (w web) firstAccounts(ctx context.Context, accounts *account.Accounts) error {
	name, password, err := accounts.First(ctx)
	if err != nil {
		return err
	}
	if name != "" {
		fmt.Fprintf(w.stderr, "The HTTP API has its first account, and this is shown once:\n\n    user %s   password %s\n\n"+
			"server user --help tells how to make others.\n", name, password)
	}
	if !w.cfg.demo {
		return nil
	}
	if err := accounts.Add(ctx, demoUser, demoPassword, job.Admin); err != nil && job.CodeOf(err) != job.AlreadyExists {
		return err
	}
	fmt.Fprintf(w.stderr, "\n*** --demo: ANYBODY who reaches %s may do EVERYTHING as user %q with password %q. ***\n"+
		"*** Remove it with: server user remove %s ***\n\n", w.listener.Addr(), demoUser, demoPassword, demoUser)
	return nil
}
