package main

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"spillway/job"
	"spillway/rpc"
	"spillway/server/account"
	"spillway/server/api"
	"spillway/server/cluster"
	"spillway/server/metrics"
	"spillway/server/music"
	"spillway/server/scheduler"
	"spillway/server/split"
	"spillway/server/store"
	"spillway/server/workload"
	"spillway/systemd"
	"spillway/trace"
	"spillway/trace/otlp"
)

// service is what clients see: the scheduler's jobs and the cluster's nodes.
type service struct {
	*scheduler.Scheduler
	*cluster.Cluster
	balancePolicy string
	tracer        *trace.Tracer
}

// Tracer implements rpc.Traced.
func (s service) Tracer() *trace.Tracer { return s.tracer }

// Policy is the policy of the assignment's call.
func (s service) Policy(isRandom bool) string {
	if isRandom {
		return "random"
	}
	return s.balancePolicy
}

// carrier is a folder that the scheduler can send from.
type carrier struct {
	*split.Carrier
	forget func() // tells the nodes that nothing more is sent
}

// Parcel implements scheduler.Carrier.
func (c carrier) Parcel(name string) scheduler.Parcel { return c.Carrier.Parcel(name) }

// Close implements scheduler.Carrier.
func (c carrier) Close() error {
	c.forget()
	return c.Carrier.Close()
}

// run wires the server and serves until ctx ends. It returns when nothing that
// it started runs any more.
func run(ctx context.Context, cfg config, stderr io.Writer) error {
	lines := api.NewLogRing(0)
	log := slog.New(trace.Handler(lines.Handler(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: cfg.level}))))
	manager := systemd.Find(log)
	hangup, ignore := hangups()
	defer ignore()
	listener, err := rpc.Listen(cfg.listen, rpc.ListenOptions{Insecure: cfg.insecure, TLS: cfg.credentials})
	if err != nil {
		return err
	}
	var fleet *cluster.Cluster
	counts := metrics.New(func() []job.OperationInfo { return fleet.Operations() })
	kept, err := openStore(ctx, &cfg, store.Config{Log: log, Observer: counts})
	if err != nil && ctx.Err() != nil {
		return listener.Close()
	}
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	face, err := listenHTTP(cfg, counts, log, stderr)
	if err != nil {
		return errors.Join(err, listener.Close(), kept.Close())
	}
	defer func() {
		if err := kept.Close(); err != nil {
			log.Warn("store closed with an error", "err", err)
		}
	}()
	spans, err := otlp.Start(otlp.Config{Endpoint: cfg.otlp, Service: "spillway-server", Instance: listener.Addr().String(), Log: log})
	if err != nil {
		return errors.Join(job.E(job.InvalidArgument, "traces", err, tracesHint), listener.Close(), face.close())
	}
	defer spans.Close()
	cfg.scheduler.Tracer = spans.Tracer()
	face.lines = lines
	fleet = cluster.New(cfg.cluster, members(cfg.pool), connect(cfg), log)
	open := func(path string, op job.Operation) (scheduler.Source, error) { return split.Open(cfg.roots, path, op) }
	cfg.scheduler.Joiner = split.Joiner{Roots: cfg.roots}
	cfg.scheduler.Carry = func(base string, id job.ID) (scheduler.Carrier, error) {
		c, err := split.Carry(cfg.roots, base, id)
		return carrier{c, func() { fleet.Forget(context.WithoutCancel(ctx), id) }}, err
	}
	if face.listener != nil { // nobody else asks
		cfg.scheduler.Observer = counts
	}
	jobs := scheduler.New(cfg.scheduler, open, fleet, kept, log)
	log.Info("server ready", "address", listener.Addr(), "nodes", fleet.Len(), "roots", cfg.roots.String(),
		"policy", cfg.scheduler.Policy, "window", cfg.scheduler.Window)
	if fleet.Len() == 0 {
		log.Info("no node is known yet; those with --controller may join")
	}
	living, die := context.WithCancel(context.WithoutCancel(ctx))
	var watchdog sync.WaitGroup
	watchdog.Go(func() { manager.Watch(living, func(ctx context.Context) { _, _ = fleet.Nodes(ctx) }) })
	defer watchdog.Wait()
	defer die()
	all := service{jobs, fleet, cfg.balancePolicy, spans.Tracer()}
	serveHTTP, err := face.api(ctx, all, kept)
	if err != nil {
		return errors.Join(err, face.close(), listener.Close())
	}
	return serve(ctx, listener, all, log, serveHTTP, func(ctx context.Context) error {
		select {
		case <-jobs.Ready():
			manager.Ready(serving)
		case <-ctx.Done():
		}
		rereads(ctx, hangup, manager, func() { reread(cfg.machines, fleet, log) })
		grace := cmp.Or(cfg.scheduler.Grace, scheduler.DefaultGrace)
		manager.Stopping("what runs may finish", grace)
		log.Info("server stops: what runs may finish, a second signal ends it at once", "grace", grace)
		return nil
	})
}

// tracesHint is the mend for traces that cannot be sent.
const tracesHint = "docs/tracing.md tells which flag and variables count"

// serving is what the service manager shows of a server that is well.
const serving = "taking jobs"

// localOwner is the owner of all jobs in a directory that one server has for itself.
const localOwner = "local"

// inMemory is the --db that keeps nothing beyond the server's end.
const inMemory = "memory"

// keeper is a store, and its end.
type keeper interface {
	scheduler.Store
	account.Store
	music.Store
	workload.Store
	homes
	Close() error
}

// openStore opens what keeps the jobs: PostgreSQL where a URL is given, and else
// SQLite.
func openStore(ctx context.Context, cfg *config, c store.Config) (keeper, error) {
	switch cfg.db {
	case "":
		cfg.scheduler.Owner = localOwner
		return store.OpenSQLite(ctx, cfg.state, c)
	case inMemory:
		c.Log.Warn("jobs are kept in memory, and lost when this server ends: --db memory is for measuring")
		return store.NewMemory(), nil
	}
	return store.OpenPostgres(ctx, cfg.db, c)
}

// lastWords is how long clients may ask how their jobs ended when the server stops.
const lastWords = 250 * time.Millisecond

// serve runs the loops, and beside them those of also. When ctx ends, the jobs end first, so that clients
// still hear how, then the connections close.
func serve(ctx context.Context, l net.Listener, s service, log *slog.Logger, also ...func(context.Context) error) error {
	listening, hangUp := context.WithCancel(context.WithoutCancel(ctx))
	probing, forget := context.WithCancel(context.WithoutCancel(ctx))
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer hangUp()
		err := s.Scheduler.Run(ctx)
		select {
		case <-listening.Done(): // nobody can ask any more
		case <-time.After(lastWords):
		}
		return err
	})
	g.Go(func() error {
		defer forget()
		defer hangUp()
		return rpc.ServeService(listening, l, s, log)
	})
	g.Go(func() error { return s.Cluster.Run(probing, s.Scheduler) })
	for _, loop := range also {
		g.Go(func() error { return loop(ctx) })
	}
	err := g.Wait()
	log.Info("server stopped")
	return err
}

// dialBackoff is the longest pause between two tries to reach a node: less than
// between two probes, so that a node that comes up is seen by the next.
const dialBackoff = 500 * time.Millisecond

// connect makes the connection to a node.
func connect(cfg config) cluster.Connect {
	return func(m cluster.Member) cluster.Conn {
		return rpc.NewNodeConn(m.Addr, rpc.NodeConnConfig{BackoffMax: dialBackoff, TLS: cfg.credentials, Node: m.ID})
	}
}
