package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"spillway/job"
	"spillway/machine"
	"spillway/server/cluster"
	"spillway/systemd"
)

// members are the nodes of machine.txt.
func members(pool machine.Pool) []cluster.Member {
	var all []cluster.Member
	for _, m := range pool.Nodes() {
		all = append(all, cluster.Member{ID: job.NodeID(m.Name), Addr: m.Addr})
	}
	return all
}

// hangups gives each SIGHUP from now on, which would end the program otherwise.
func hangups() (hangup <-chan os.Signal, ignore func()) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGHUP)
	return signals, func() { signal.Stop(signals) }
}

// rereads calls reread at each hangup until ctx ends, and lets the service manager
// know.
func rereads(ctx context.Context, hangup <-chan os.Signal, manager *systemd.Manager, reread func()) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangup:
		}
		manager.Reloading()
		reread()
		manager.Ready(serving)
	}
}

// reread reads machine.txt again. A file that is broken changes nothing.
func reread(path string, fleet *cluster.Cluster, log *slog.Logger) {
	if path == "" {
		log.Warn("no machine.txt to read again: the server was started with an empty --machines")
		return
	}
	pool, err := machine.Read(path)
	if err != nil {
		log.Error("machine.txt is not taken over, the nodes stay as they are", "err", err, "mend", job.HintOf(err))
		return
	}
	fleet.Set(members(pool))
	log.Info("machine.txt read again", "path", path, "nodes", len(pool.Nodes()))
}
