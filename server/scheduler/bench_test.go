package scheduler

import (
	"context"
	"log/slog"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
	"spillway/server/metrics"
	"spillway/server/policy"
	"spillway/server/store"
)

// BenchmarkScheduler_EmptyTasks is what one task costs the server, of a job whose nodes
// have nothing to do: with copies and without, waiting at the server and not.
func BenchmarkScheduler_EmptyTasks(b *testing.B) {
	for _, word := range []string{"balance", "p2c:hedge=0", "p2c", "pull"} {
		b.Run(word, func(b *testing.B) { emptyTasks(b, Config{Seed: 1, Policy: word}, b.N) })
	}
}

// BenchmarkScheduler_Observed is how many times as much processor time empty tasks take
// that metrics count, as the median of many pairs in turns.
func BenchmarkScheduler_Observed(b *testing.B) {
	const tasks = 2000
	counted := metrics.New(func() []job.OperationInfo { return nil })
	var ratios []float64
	for b.Loop() {
		var spent [2]time.Duration
		for turn := range spent {
			which := (turn + len(ratios)) % 2 // who goes first changes
			cfg := Config{Seed: 1, Policy: "pull"}
			if which == 1 {
				cfg.Observer = counted
			}
			before := processorTime(b)
			emptyTasks(b, cfg, tasks)
			spent[which] = processorTime(b) - before
		}
		ratios = append(ratios, float64(spent[1])/float64(spent[0]))
	}
	slices.Sort(ratios)
	b.ReportMetric(ratios[len(ratios)/2], "ratio")
	b.ReportMetric(0, "ns/op")
}

// processorTime is what this process has used so far.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// emptyTasks runs a job of n tasks over two nodes that have nothing to do.
func emptyTasks(b *testing.B, cfg Config, n int) {
	b.Helper()
	far := func(context.Context, job.Task) (job.Result, error) {
		<-time.After(200 * time.Microsecond)
		return job.Result{Run: time.Microsecond, Load: job.Load{Slots: 2}}, nil
	}
	r := &rig{fleet: &fleet{nodes: []node{far, far}}, folders: map[string]func() *folder{}, store: store.NewMemory()}
	s := New(cfg, r.open, r.fleet, r.store, slog.New(slog.DiscardHandler))
	for i := range r.fleet.nodes {
		s.NodeChanged(i, policy.Node{ID: r.fleet.ID(i), Up: true, Slots: 2})
	}
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan error)
	go func() { ended <- s.Run(ctx) }()
	r.folder("/data", n)
	id, err := s.Submit(ctx, job.Spec{Source: "/data"})
	require.NoError(b, err)
	events, err := s.Watch(ctx, id, job.NoSteps)
	require.NoError(b, err)
	var last job.Job
	for e := range events {
		last = e.Job
	}
	require.Equal(b, job.Succeeded, last.State)
	cancel()
	require.NoError(b, <-ended)
}
