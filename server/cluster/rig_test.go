package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"spillway/job"
	"spillway/server/policy"
)

// rig is a cluster over fake connections in a bubble of its own.
type rig struct {
	t *testing.T
	*Cluster
	conns []*conn
	logs  *bytes.Buffer
	start func() // begins Run, and waits until each node was asked once
	stop  func() // ends Run, and waits for it

	mu      sync.Mutex
	changes []policy.Node
}

func inBubble(t *testing.T, cfg Config, nodes int, test func(t *testing.T, r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{t: t, logs: &bytes.Buffer{}}
		var members []Member
		for i := range nodes {
			id := job.NodeID(fmt.Sprintf("node_%d", i))
			c := &conn{profile: job.Profile{Node: id, Slots: 4, Operations: []job.OperationInfo{{Name: "edges"}}}}
			r.conns = append(r.conns, c)
			members = append(members, Member{ID: id, Addr: fmt.Sprintf("127.0.0.1:%d", 5000+i)})
		}
		known := r.conns
		connect := func(Member) Conn { // the next of those above, or one more
			if len(known) == 0 {
				c := &conn{profile: job.Profile{Slots: 4, Operations: []job.OperationInfo{{Name: "edges"}}}}
				r.conns = append(r.conns, c)
				return c
			}
			c := known[0]
			known = known[1:]
			return c
		}
		r.Cluster = New(cfg, members, connect, slog.New(slog.NewTextHandler(&locked{w: r.logs}, nil)))
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		started := false
		r.start = func() {
			started = true
			go func() { ended <- r.Run(ctx, r) }()
			synctest.Wait()
		}
		r.stop = sync.OnceFunc(func() {
			if cancel(); started {
				require.NoError(t, <-ended)
			}
		})
		defer r.stop()
		test(t, r)
	})
}

// NodeChanged implements Listener.
func (r *rig) NodeChanged(i int, n policy.Node) {
	r.mu.Lock()
	defer r.mu.Unlock()
	require.Equal(r.t, r.ID(i), n.ID)
	r.changes = append(r.changes, n)
}

// heard is what the listener was told.
func (r *rig) heard() []policy.Node {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]policy.Node(nil), r.changes...)
}

// send starts an attempt that hangs, and gives its end.
func (r *rig) send(i int) chan error {
	r.conns[i].set(r.conns[i].probe, hang)
	end := make(chan error, 1)
	go func() {
		_, err := r.Execute(context.WithValue(r.t.Context(), releaseKey{}, end), i, job.Task{})
		end <- err
	}()
	synctest.Wait()
	return end
}

// release lets the node answer the oldest attempt of send.
func (r *rig) release(i int, end chan error) {
	r.t.Helper()
	r.conns[i].mu.Lock()
	close(r.conns[i].hanging[0])
	r.conns[i].hanging = r.conns[i].hanging[1:]
	r.conns[i].mu.Unlock()
	require.NoError(r.t, <-end)
}

type releaseKey struct{}

func (r *rig) outstanding(i int) int {
	r.t.Helper()
	nodes, err := r.Nodes(r.t.Context())
	require.NoError(r.t, err)
	return nodes[i].Outstanding
}

// conn answers as its test tells.
type conn struct {
	profile job.Profile
	basic   bool
	mute    bool // Profile fails
	load    job.Load

	mu                         sync.Mutex
	probe, execute             func(ctx context.Context) error
	probes, executes, profiles int
	closed                     int
	hanging                    []chan struct{}
	hold                       func(ctx context.Context, t job.Task) error // nil: execute
}

// with runs f under the lock.
func (c *conn) with(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
}

// set says how probes and attempts are answered; nil: well.
func (c *conn) set(probe, execute func(ctx context.Context) error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.probe, c.execute = probe, execute
}

func (c *conn) Probe(ctx context.Context) (job.Load, error) {
	c.mu.Lock()
	c.probes++
	probe, load := c.probe, c.load
	c.mu.Unlock()
	if probe != nil {
		return job.Load{}, probe(ctx)
	}
	return load, nil
}

func (c *conn) Execute(ctx context.Context, t job.Task) (job.Result, error) {
	if c.hold != nil {
		return job.Result{}, c.hold(ctx, t)
	}
	c.mu.Lock()
	c.executes++
	execute := c.execute
	free := make(chan struct{})
	if ctx.Value(releaseKey{}) != nil {
		c.hanging = append(c.hanging, free)
		c.mu.Unlock()
		select {
		case <-free:
			return job.Result{}, nil
		case <-ctx.Done():
			return job.Result{}, job.E(job.Unavailable, "", ctx.Err(), "")
		}
	}
	c.mu.Unlock()
	if execute != nil {
		return job.Result{}, execute(ctx)
	}
	return job.Result{}, nil
}

func (c *conn) Profile(context.Context) (job.Profile, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mute {
		return job.Profile{}, job.E(job.Unavailable, "", errors.New("no profile today"), "")
	}
	c.profiles++
	return c.profile, nil
}

func (c *conn) Log(_ context.Context, lines int) ([]string, error) {
	return []string{"one", "two", "three"}[max(0, 3-lines):], nil
}

func (c *conn) Basic() bool { return c.basic }

func (c *conn) Link() job.Link { return job.Link{} }

func (c *conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed++
	return nil
}

func refuses(context.Context) error {
	return job.E(job.Unavailable, "", job.NotSent(fmt.Errorf("dial 127.0.0.1:1: %w", syscall.ECONNREFUSED)), "")
}

// silent never answers a probe.
func silent(ctx context.Context) error {
	<-ctx.Done()
	return job.AsError(ctx.Err())
}

// hang never answers an attempt.
func hang(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

// locked lets loggers share a buffer.
type locked struct {
	mu sync.Mutex
	w  *bytes.Buffer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}
