package isolate

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"
)

// doer is what both runners are.
type doer interface {
	Do(context.Context, order) (string, error)
}

// BenchmarkPool_AgainstInline reports the tasks a second of the pool as a ratio
// to those of the same work in this process, both with one task a core: the
// median of interleaved rounds of tasks of some 10 ms.
func BenchmarkPool_AgainstInline(b *testing.B) {
	pool := newPool(b, Config{}, nil)
	size := pool.cfg.Size
	inline := NewInline(size, handle)
	round(pool, size) // children start
	var ratios []float64
	for b.Loop() {
		inPool := round(pool, size)
		inProcess := round(inline, size)
		ratios = append(ratios, inProcess.Seconds()/inPool.Seconds())
	}
	slices.Sort(ratios)
	b.ReportMetric(ratios[len(ratios)/2], "median-ratio")
}

// round is the time of 40 tasks, with twice as many callers as children.
func round(d doer, size int) time.Duration {
	tasks := make(chan int, 40)
	for i := range 40 {
		tasks <- i
	}
	close(tasks)
	start := time.Now()
	var wg sync.WaitGroup
	for range 2 * size {
		wg.Go(func() {
			for range tasks {
				if _, err := d.Do(context.Background(), order{Do: "spin", Num: 10}); err != nil {
					panic(err)
				}
			}
		})
	}
	wg.Wait()
	return time.Since(start)
}

// BenchmarkPool_RoundTrip is the time of a task that does nothing.
func BenchmarkPool_RoundTrip(b *testing.B) {
	p := newPool(b, Config{Size: 1}, nil)
	for b.Loop() {
		if _, err := p.Do(context.Background(), order{Do: "echo"}); err != nil {
			b.Fatal(err)
		}
	}
}
