package scheduler

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
	"spillway/server/policy"
	"spillway/server/store"
)

// growing is a fleet that nodes join while jobs run.
type growing struct {
	mu    sync.Mutex
	nodes []node
}

func (g *growing) add(n node) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.nodes = append(g.nodes, n)
	return len(g.nodes) - 1
}

func (g *growing) Len() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.nodes)
}

func (g *growing) ID(i int) job.NodeID             { return job.NodeID(fmt.Sprintf("node_%d", i)) }
func (g *growing) Operations() []job.OperationInfo { return nil }
func (g *growing) Trouble() string                 { return "no node answers" }

func (g *growing) Probe(context.Context, int) (job.Load, error) { return job.Load{}, nil }

func (g *growing) Execute(ctx context.Context, i int, t job.Task) (job.Result, error) {
	g.mu.Lock()
	n := g.nodes[i]
	g.mu.Unlock()
	return n(ctx, t)
}

func TestScheduler_NodesComeAndGoWhileAJobRuns(t *testing.T) {
	for _, name := range policy.Names() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := &growing{}
				s := New(Config{Seed: 1}, func(path string, _ job.Operation) (Source, error) {
					return &folder{base: path, n: 3000, breaksAt: -1}, nil
				},
					g, store.NewMemory(), slog.New(slog.DiscardHandler))
				ctx, cancel := context.WithCancel(t.Context())
				ended := make(chan error)
				go func() { ended <- s.Run(ctx) }()
				id, err := s.Submit(t.Context(), job.Spec{Source: "/data", Policy: name})
				require.NoError(t, err)
				time.Sleep(time.Second) // there is no node yet

				kinds := []node{takes(time.Second), fails(job.Unavailable), rejects, fails(job.Unimplemented), refuses}
				for n := range 200 {
					i := g.add(kinds[n%len(kinds)])
					if n%7 == 3 {
						continue // it is never reached, and the next index comes first
					}
					s.NodeChanged(i, policy.Node{ID: g.ID(i), Up: true})
					if n >= 20 {
						s.NodeChanged(i-20, policy.Node{ID: g.ID(i - 20), Gone: true})
					}
					time.Sleep(100 * time.Millisecond)
				}
				events, err := s.Watch(t.Context(), id, job.NoSteps)
				require.NoError(t, err)
				var last job.Job
				for e := range events {
					last = e.Job
				}
				require.Equal(t, job.Succeeded, last.State, "%+v", last.Failures)
				require.EqualValues(t, 3000, last.Done)
				cancel()
				require.NoError(t, <-ended)
			})
		})
	}
}
