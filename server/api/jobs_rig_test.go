package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/confine"
	"spillway/job"
	"spillway/server/policy"
	"spillway/server/scheduler"
	"spillway/server/split"
	"spillway/server/store"
)

// pool is two nodes that do every task at once, but those of inputs that begin with "bad",
// which are damaged, and "slow", which take until they are told to stop.
type pool struct {
	mu      sync.Mutex
	drained map[job.NodeID]bool
}

func (*pool) Len() int                                     { return 2 }
func (*pool) ID(i int) job.NodeID                          { return job.NodeID(fmt.Sprintf("node_%d", i)) }
func (*pool) Trouble() string                              { return "no node answers" }
func (*pool) Probe(context.Context, int) (job.Load, error) { return job.Load{Slots: 4}, nil }
func (*pool) NodeLog(context.Context, job.NodeID, int) ([]string, error) {
	return []string{"one", "two"}, nil
}

func (*pool) Operations() []job.OperationInfo {
	return []job.OperationInfo{{Name: "edges", Summary: "Canny"}, {Name: "blur", Summary: "Gauss", Params: []job.ParamInfo{
		{Name: "kernel", Kind: job.IntParam, Default: "5", Min: 1, Max: 99, Odd: true, Summary: "pixels"},
	}}}
}

func (p *pool) Execute(ctx context.Context, i int, t job.Task) (job.Result, error) {
	switch {
	case strings.HasPrefix(t.Name, "bad"):
		return job.Result{}, job.E(job.DataLoss, "read "+t.Name, errors.New("it is cut off"), "copy it again")
	case strings.HasPrefix(t.Name, "slow"):
		<-ctx.Done()
		return job.Result{}, ctx.Err()
	}
	return job.Result{Node: p.ID(i), Run: time.Millisecond}, nil
}

func (p *pool) Nodes(context.Context) (all []job.Node, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.Len() {
		n := job.Node{ID: p.ID(i), Addr: "10.0.0.1:5001", State: job.Idle, Operations: p.Operations(), Load: job.Load{Slots: 4}}
		if p.drained[n.ID] {
			n.State = job.Draining
		}
		all = append(all, n)
	}
	return append(all, job.Node{ID: "node_2", State: job.Inaccessible, Err: "connection refused"}), nil
}

func (p *pool) Drain(_ context.Context, node job.NodeID, on bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.drained[node] = on
	return nil
}

// works is the configuration of an API over a scheduler that works on a pool, with a
// store in memory and folders under a root that it returns.
func works(t *testing.T) (Config, string) {
	t.Helper()
	root := t.TempDir()
	roots, err := confine.NewRoots(root)
	require.NoError(t, err)
	p := &pool{drained: map[job.NodeID]bool{}}
	open := func(path string, op job.Operation) (scheduler.Source, error) { return split.Open(roots, path, op) }
	s := scheduler.New(scheduler.Config{Policy: "balance", Owner: "test"}, open, p, store.NewMemory(), slog.New(slog.DiscardHandler))
	for i := range p.Len() {
		s.NodeChanged(i, policy.Node{ID: p.ID(i), Up: true})
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-ended)
	})
	<-s.Ready()
	cfg := config()
	cfg.Service, cfg.Nodes, cfg.Policy = s, p, "balance"
	return cfg, root
}

// inputs makes a folder of inputs of these names under root.
func inputs(t *testing.T, root, folder string, names ...string) {
	t.Helper()
	dir := filepath.Join(root, folder, job.InputDir)
	require.NoError(t, os.MkdirAll(dir, 0o700))
	for _, name := range names {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), nil, 0o600))
	}
}

// ended waits for the end of a job.
func ended(t *testing.T, s job.Service, id job.ID) job.Job {
	t.Helper()
	events, err := s.Watch(t.Context(), id, job.NoSteps)
	require.NoError(t, err)
	var last job.Job
	for e := range events {
		last = e.Job
	}
	require.True(t, last.State.Final())
	return last
}

// answered reads an answer of that status.
func answered[T any](t *testing.T, status int, w *httptest.ResponseRecorder) (v T) {
	t.Helper()
	require.Equal(t, status, w.Code, w.Body.String())
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &v), w.Body.String())
	return v
}
