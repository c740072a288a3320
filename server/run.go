package main

import (
	"context"
	"io"
	"log/slog"
	"net"
	"time"

	"golang.org/x/sync/errgroup"

	"spillway/job"
	"spillway/rpc"
	"spillway/server/cluster"
	"spillway/server/scheduler"
	"spillway/server/split"
)

// service is what clients see: the scheduler's jobs and the cluster's nodes.
type service struct {
	*scheduler.Scheduler
	*cluster.Cluster
	balancePolicy string
}

// Policy is the policy of the assignment's call.
func (s service) Policy(isRandom bool) string {
	if isRandom {
		return "random"
	}
	return s.balancePolicy
}

// run wires the server and serves until ctx ends. It returns when nothing that
// it started runs any more.
func run(ctx context.Context, cfg config, stderr io.Writer) error {
	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: cfg.level}))
	listener, err := rpc.Listen(cfg.listen, rpc.ListenOptions{Insecure: cfg.insecure, TLS: cfg.credentials})
	if err != nil {
		return err
	}
	fleet := cluster.New(cfg.cluster, members(cfg), log)
	open := func(path string) (scheduler.Source, error) { return split.Open(cfg.roots, path) }
	jobs := scheduler.New(cfg.scheduler, open, fleet, log)
	log.Info("server ready", "address", listener.Addr(), "nodes", fleet.Len(), "roots", cfg.roots.String(),
		"policy", cfg.scheduler.Policy, "window", cfg.scheduler.Window)
	return serve(ctx, listener, service{jobs, fleet, cfg.balancePolicy}, log)
}

// lastWords is how long clients may ask how their jobs ended when the server stops.
const lastWords = 250 * time.Millisecond

// serve runs the three loops. When ctx ends, the jobs end first, so that clients
// still hear how, then the connections close.
func serve(ctx context.Context, l net.Listener, s service, log *slog.Logger) error {
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
	err := g.Wait()
	log.Info("server stopped")
	return err
}

// dialBackoff is the longest pause between two tries to reach a node: less than
// between two probes, so that a node that comes up is seen by the next.
const dialBackoff = 500 * time.Millisecond

// members are the nodes of machine.txt, each with its connections.
func members(cfg config) []cluster.Member {
	var all []cluster.Member
	for _, m := range cfg.pool.Nodes() {
		all = append(all, cluster.Member{
			ID: job.NodeID(m.Name), Addr: m.Addr, Conn: rpc.NewNodeConn(m.Addr, rpc.NodeConnConfig{BackoffMax: dialBackoff, TLS: cfg.credentials}),
		})
	}
	return all
}
