package sim_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/bench/sim"
	"spillway/server/policy"
)

// BenchmarkSim plays 10,000 nodes and 1,000,000 tasks, as they come at a load of 0.9
// and as a batch.
func BenchmarkSim(b *testing.B) {
	const nodes, tasks = 10_000, 1_000_000
	shapes := []struct {
		name     string
		arrivals sim.Arrivals
	}{{"open", sim.Arrivals{Load: .9}}, {"batch", sim.Arrivals{}}}
	for _, name := range policy.Names() {
		for _, shape := range shapes {
			b.Run(name+"/"+shape.name, func(b *testing.B) {
				cfg := sim.Config{
					Policy: name, Seed: 1, Nodes: make([]sim.Node, nodes), Tasks: tasks, Arrivals: shape.arrivals,
					Sizes: sim.Sizes{Shape: sim.Exponential, Mean: 100 * time.Millisecond},
				}
				for b.Loop() {
					_, err := sim.Run(cfg)
					require.NoError(b, err)
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/tasks, "ns/task")
			})
		}
	}
}
