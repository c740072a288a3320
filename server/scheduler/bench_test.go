package scheduler

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
	"spillway/server/policy"
	"spillway/server/store"
)

// BenchmarkScheduler_EmptyTasks is what one task costs the server, of a job whose nodes
// have nothing to do: with copies and without, waiting at the server and not.
func BenchmarkScheduler_EmptyTasks(b *testing.B) {
	for _, word := range []string{"balance", "p2c:hedge=0", "p2c", "pull"} {
		b.Run(word, func(b *testing.B) {
			far := func(context.Context, job.Task) (job.Result, error) {
				<-time.After(200 * time.Microsecond)
				return job.Result{Run: time.Microsecond, Load: job.Load{Slots: 2}}, nil
			}
			r := &rig{fleet: &fleet{nodes: []node{far, far}}, folders: map[string]func() *folder{}, store: store.NewMemory()}
			s := New(Config{Seed: 1, Policy: word}, r.open, r.fleet, r.store, slog.New(slog.DiscardHandler))
			for i := range r.fleet.nodes {
				s.NodeChanged(i, policy.Node{ID: r.fleet.ID(i), Up: true, Slots: 2})
			}
			ctx, cancel := context.WithCancel(b.Context())
			ended := make(chan error)
			go func() { ended <- s.Run(ctx) }()
			r.folder("/data", b.N)
			b.ResetTimer()
			id, err := s.Submit(ctx, job.Spec{Source: "/data"})
			require.NoError(b, err)
			events, err := s.Watch(ctx, id, job.NoSteps)
			require.NoError(b, err)
			var last job.Job
			for e := range events {
				last = e.Job
			}
			b.StopTimer()
			require.Equal(b, job.Succeeded, last.State)
			cancel()
			require.NoError(b, <-ended)
		})
	}
}
