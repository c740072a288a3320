package cluster

import (
	"errors"
	"log/slog"
	"slices"
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

	failed chan error    // wakes the watcher when an attempt found nobody at home
	over   chan struct{} // wakes it when the node may be done
	ended  chan struct{} // closed when the node has left
	hangUp func()        // closes the connection, once

	telling sync.Mutex // guards told; held before mu
	told    policy.Node

	mu          sync.Mutex // guards what follows
	listener    Listener   // nil: nobody listens yet
	up          bool
	since       time.Time
	err         string
	load        job.Load
	profile     job.Profile
	heard       time.Time // last answer to an attempt, or when the first was sent
	newest      time.Time // when the latest of the done attempts was sent
	outstanding map[*attempt]struct{}
	closed      error // why no attempt may be sent; nil: one may, unless the node drains

	registered bool      // joined by itself
	renewed    time.Time // when it last registered
	drained    bool      // somebody asked
	leaving    bool      // will be forgotten: it said so, or machine.txt has it no more
	gone       bool      // has left; nothing changes any more
}

func newNode(i int, m Member, conn Conn, log *slog.Logger) *node {
	n := &node{
		index: i, id: m.ID, addr: m.Addr, conn: conn, log: log.With("node", m.ID),
		failed: make(chan error, 1), over: make(chan struct{}, 1), ended: make(chan struct{}),
		since: time.Now(), err: "not reached yet", outstanding: map[*attempt]struct{}{},
		told: policy.Node{ID: m.ID},
	}
	n.hangUp = sync.OnceFunc(func() {
		if err := conn.Close(); err != nil {
			n.log.Debug("connection closed with an error", "err", err)
		}
	})
	return n
}

// alive marks the node as one that answers.
func (n *node) alive() {
	n.mu.Lock()
	if n.up || n.gone {
		n.mu.Unlock()
		n.tell() // it may have begun to drain
		return
	}
	n.up, n.since, n.err = true, time.Now(), ""
	select {
	case stale := <-n.failed: // of an attempt that left before the node came back
		n.log.Debug("stale failure dropped", "err", stale)
	default:
	}
	n.closed = nil
	n.mu.Unlock()
	n.log.Info("node answers", "address", n.addr, "basic", n.conn.Basic())
	n.tell()
}

// dead marks the node inaccessible and gives up every attempt on it.
func (n *node) dead(err error) {
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
	n.tell()
}

// tell lets the listener know what has changed since it was last told.
func (n *node) tell() {
	n.telling.Lock()
	defer n.telling.Unlock()
	n.mu.Lock()
	listener, now := n.listener, policy.Node{ID: n.id, Gone: n.gone, Tags: n.profile.Tags}
	if n.up && !n.draining() && !n.gone {
		now.Up, now.Slots = true, n.profile.Slots
	}
	n.mu.Unlock()
	if listener == nil || sameNode(now, n.told) {
		return
	}
	n.told = now
	listener.NodeChanged(n.index, now)
}

func sameNode(a, b policy.Node) bool {
	return a.ID == b.ID && a.Up == b.Up && a.Slots == b.Slots && a.Gone == b.Gone && slices.Equal(a.Tags, b.Tags)
}

// draining tells that the node gets nothing new; mu is held.
func (n *node) draining() bool { return n.drained || n.leaving || n.load.Draining }

// change applies f, unless the node has left, and tells what that changes.
func (n *node) change(f func()) {
	n.mu.Lock()
	if !n.gone {
		f()
	}
	n.mu.Unlock()
	n.tell()
	n.look()
}

// look lets the watcher see whether the node is done.
func (n *node) look() {
	select {
	case n.over <- struct{}{}:
	default:
	}
}

// isGone reports whether the node has left.
func (n *node) isGone() bool {
	select {
	case <-n.ended:
		return true
	default:
		return false
	}
}

// leave ends the node for good, whoever says so first.
func (n *node) leave(why string) {
	n.mu.Lock()
	if n.gone {
		n.mu.Unlock()
		return
	}
	n.gone, n.up = true, false
	n.profile = job.Profile{} // what stays is little
	n.close(why)
	close(n.ended)
	n.mu.Unlock()
	n.log.Info("node has left", "address", n.addr, "why", why)
	n.tell()
	n.hangUp()
}

// done says why the node is to be forgotten now, "" where it is not. One that
// leaves finishes what it has, unless it no longer answers.
func (n *node) done(limit time.Duration) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case n.gone || n.up && (n.registered || !n.leaving):
		return ""
	case n.leaving && n.registered:
		return "it stopped"
	case n.leaving && len(n.outstanding) == 0:
		return "machine.txt does not name it any more"
	case n.registered && time.Since(n.renewed) >= limit:
		return "it has not been heard of for " + limit.String()
	}
	return ""
}

// close gives up every attempt, and takes none until the node answers again; mu
// is held.
func (n *node) close(why string) {
	n.closed = errors.New(why)
	for a := range n.outstanding {
		a.cancel(lostError{job.E(job.Unavailable, string(n.id), job.Lost(n.closed), "")})
	}
}

// describe is what is known of the node.
func (n *node) describe() job.Node {
	n.mu.Lock()
	defer n.mu.Unlock()
	d := job.Node{
		ID: n.id, Addr: n.addr, Load: n.load, Outstanding: len(n.outstanding), Basic: n.conn.Basic(), Link: n.conn.Link(),
		Operations: n.profile.Operations, Since: n.since, Err: n.err, State: job.Inaccessible,
		Tags: slices.Clone(n.profile.Tags), Machine: n.profile.Machine, Registered: n.registered,
	}
	switch {
	case !n.up:
	case n.draining():
		d.State = job.Draining
	case len(n.outstanding) > 0 || n.load.Running > 0:
		d.State = job.Processing
	default:
		d.State = job.Idle
	}
	return d
}
