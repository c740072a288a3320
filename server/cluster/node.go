package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"spillway/job"
	"spillway/server/policy"
)

// node is one member and what is known of it.
type node struct {
	index int
	id    job.NodeID
	addr  string
	conn  Conn
	log   *slog.Logger

	// failed wakes the watcher when an attempt found nobody at home.
	failed chan error

	mu          sync.Mutex // guards what follows
	up          bool
	since       time.Time
	err         string
	load        job.Load
	profile     job.Profile
	heard       time.Time // last answer to an attempt, or when the first was sent
	newest      time.Time // when the latest of the done attempts was sent
	outstanding map[*attempt]struct{}
	closed      error // why no attempt may be sent; nil: one may
}

func newNode(i int, m Member, log *slog.Logger) *node {
	return &node{
		index: i, id: m.ID, addr: m.Addr, conn: m.Conn, log: log.With("node", m.ID),
		failed: make(chan error, 1), since: time.Now(), err: "not reached yet",
		outstanding: map[*attempt]struct{}{},
	}
}

// watch probes the node until ctx ends.
func (n *node) watch(ctx context.Context, cfg Config, l Listener) {
	tick := time.NewTicker(cfg.ProbeEvery)
	defer tick.Stop()
	misses := 0
	for {
		err := n.probe(ctx, cfg.ProbeEvery)
		switch {
		case ctx.Err() != nil:
			n.mu.Lock()
			n.close("the server stops")
			n.mu.Unlock()
			return
		case err == nil:
			misses = 0
			n.alive(l)
		default:
			misses++
			if misses >= cfg.Misses || refused(err) {
				n.dead(l, err)
			}
		}
		n.quiet(cfg.AttemptTimeout)
		n.wait(ctx, tick.C, l)
	}
}

// wait marks the node inaccessible as soon as an attempt finds nobody at home,
// and returns when the next probe is due.
func (n *node) wait(ctx context.Context, due <-chan time.Time, l Listener) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-due:
			return
		case err := <-n.failed:
			n.dead(l, err)
		}
	}
}

// probe asks the node for what it may tell within limit.
func (n *node) probe(ctx context.Context, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err := n.ask(ctx)
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return job.E(job.DeadlineExceeded, "", fmt.Errorf("it answers no probe within %v", limit), "")
	}
	return err
}

// ask asks for the load and, where it is not known yet, the profile.
func (n *node) ask(ctx context.Context) error {
	load, err := n.conn.Probe(ctx)
	if err != nil {
		return err
	}
	n.mu.Lock()
	known := n.up
	n.load = load
	n.mu.Unlock()
	if known || n.conn.Basic() {
		return nil
	}
	profile, err := n.conn.Profile(ctx)
	if err != nil {
		return err
	}
	if profile.Node != "" && profile.Node != n.id {
		n.log.Warn("node goes by another name", "address", n.addr, "calls_itself", profile.Node)
	}
	n.mu.Lock()
	n.profile = profile
	n.mu.Unlock()
	return nil
}

// alive marks the node as one that answers.
func (n *node) alive(l Listener) {
	n.mu.Lock()
	if n.up {
		n.mu.Unlock()
		return
	}
	n.up, n.since, n.err = true, time.Now(), ""
	select {
	case stale := <-n.failed: // of an attempt that left before the node came back
		n.log.Debug("stale failure dropped", "err", stale)
	default:
	}
	n.closed = nil
	slots := n.profile.Slots
	n.mu.Unlock()
	n.log.Info("node answers", "address", n.addr, "basic", n.conn.Basic())
	l.NodeChanged(n.index, policy.Node{ID: n.id, Up: true, Slots: slots})
}

// dead marks the node inaccessible and gives up every attempt on it.
func (n *node) dead(l Listener, err error) {
	n.mu.Lock()
	was := n.up
	n.up, n.err = false, job.AsError(err).Err.Error() // without the address, which stands beside it
	if was {
		n.since = time.Now()
		n.close("the node is inaccessible: " + err.Error())
	}
	n.mu.Unlock()
	if !was {
		return
	}
	n.log.Warn("node is inaccessible, its tasks go elsewhere", "address", n.addr, "err", err)
	l.NodeChanged(n.index, policy.Node{ID: n.id})
}

// describe is what is known of the node.
func (n *node) describe() job.Node {
	n.mu.Lock()
	defer n.mu.Unlock()
	d := job.Node{
		ID: n.id, Addr: n.addr, Load: n.load, Outstanding: len(n.outstanding), Basic: n.conn.Basic(), Link: n.conn.Link(),
		Operations: n.profile.Operations, Since: n.since, Err: n.err, State: job.Inaccessible,
	}
	if n.up {
		d.State = job.Idle
		if len(n.outstanding) > 0 || n.load.Running > 0 {
			d.State = job.Processing
		}
	}
	return d
}
