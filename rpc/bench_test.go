package rpc

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// BenchmarkNodeConn_Run measures run of a task that does nothing, over loopback.
func BenchmarkNodeConn_Run(b *testing.B) {
	for name, callers := range map[string]int{"callers=1": 1, "callers=64": 64} {
		b.Run(name, func(b *testing.B) {
			addr, _ := startNode(b, ServerConfig{}, fakeNode{}, quietLog())
			n := connect(b, addr, NodeConnConfig{})
			work := make(chan struct{}, callers)
			var wg sync.WaitGroup
			for range callers {
				wg.Go(func() {
					for range work {
						if _, err := n.Execute(context.Background(), aTask); err != nil {
							b.Error(err)
						}
					}
				})
			}
			for b.Loop() {
				work <- struct{}{}
			}
			close(work)
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
			require.False(b, n.Basic())
		})
	}
}
