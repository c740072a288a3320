package store_test

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
	"spillway/server/store"
)

// BenchmarkSubmit submits jobs of a million names.
func BenchmarkSubmit(b *testing.B) {
	each(b, func(b *testing.B, s keeper) {
		const names = 1_000_000
		n := 0
		var peak atomic.Uint64
		stop := watchHeap(&peak)
		for b.Loop() {
			n++
			submit(b, s, job.ID(fmt.Sprintf("job-%d", n)), names)
		}
		stop()
		b.ReportMetric(float64(peak.Load())/(1<<20), "MiB-heap")
		b.ReportMetric(float64(names)*float64(b.N)/b.Elapsed().Seconds(), "names/s")
	})
}

// watchHeap keeps the largest heap that it sees in peak until stop is called.
func watchHeap(peak *atomic.Uint64) (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			peak.Store(max(peak.Load(), m.HeapInuse))
			select {
			case <-tick.C:
			case <-done:
				return
			}
		}
	}()
	return func() { close(done); <-ended }
}

// BenchmarkFinish tells ends of tasks, from as many goroutines as its name says.
func BenchmarkFinish(b *testing.B) {
	for _, callers := range []int{1, 1024} {
		b.Run(fmt.Sprint(callers), func(b *testing.B) {
			each(b, func(b *testing.B, s keeper) { benchFinish(b, s, callers) })
		})
	}
}

func benchFinish(b *testing.B, s keeper, callers int) {
	const tasks = 1_000_000 // of a job; then comes the next one
	work := make(chan store.Outcome, callers)
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			for o := range work {
				if err := s.Finish(b.Context(), o); err != nil {
					b.Error(err)
				}
			}
		})
	}
	id, n := job.ID(""), int64(0)
	for b.Loop() {
		if n%tasks == 0 {
			id = job.ID(fmt.Sprintf("job-%d", n))
			submit(b, s, id, tasks)
		}
		work <- done(id, 1, n%tasks)
		n++
	}
	close(work)
	all.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tasks/s")
}

// BenchmarkPending reads all tasks of a job, half of which have ended.
func BenchmarkPending(b *testing.B) {
	each(b, func(b *testing.B, s keeper) {
		const tasks = 100_000
		submit(b, s, "a", tasks)
		var all sync.WaitGroup
		for w := range int64(100) {
			all.Go(func() {
				for i := w; i < tasks/2; i += 100 {
					finish(b, s, done("a", 1, i))
				}
			})
		}
		all.Wait()
		for b.Loop() {
			after, seen := int64(-1), 0
			for {
				inputs, err := s.Pending(b.Context(), "a", after, 1000)
				require.NoError(b, err)
				if len(inputs) == 0 {
					break
				}
				seen += len(inputs)
				after = inputs[len(inputs)-1].Index
			}
			require.Equal(b, tasks/2, seen)
		}
	})
}

// each runs a benchmark on each store.
func each(b *testing.B, run func(*testing.B, keeper)) {
	stores := []struct {
		name string
		open func(testing.TB) keeper
	}{
		{"memory", func(testing.TB) keeper { return store.NewMemory() }},
		{"sqlite", func(t testing.TB) keeper { return openSQLite(t, t.TempDir()) }},
		{"postgres", func(t testing.TB) keeper { return openPostgres(t, startPostgres(t).schema(t)) }},
	}
	for _, row := range stores {
		b.Run(row.name, func(b *testing.B) {
			s := row.open(b)
			defer func() { require.NoError(b, s.Close()) }()
			run(b, s)
		})
	}
}
