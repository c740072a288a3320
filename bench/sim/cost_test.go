package sim_test

import (
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/bench/sim"
	"spillway/server/policy"
)

// BenchmarkSim plays 10,000 nodes and 1,000,000 tasks, as they come at a load of 0.9
// and as a batch. Run it with GOMAXPROCS=1; cpu-ns/task is the processor's time, which
// other programs on the machine lengthen less than the clock's.
func BenchmarkSim(b *testing.B) {
	const nodes, tasks = 10_000, 1_000_000
	shapes := []struct {
		name     string
		arrivals sim.Arrivals
	}{{"open", sim.Arrivals{Load: .9}}, {"batch", sim.Arrivals{}}, {"window", sim.Arrivals{Window: 2 * nodes}}}
	for _, name := range append(policy.Names(), "") {
		for _, shape := range shapes {
			b.Run(name+"/"+shape.name, func(b *testing.B) {
				cfg := sim.Config{
					Policy: name, Central: name == "", Seed: 1, Nodes: make([]sim.Node, nodes), Tasks: tasks, Arrivals: shape.arrivals,
					Sizes: sim.Sizes{Shape: sim.Exponential, Mean: 100 * time.Millisecond},
				}
				before := used(b)
				for b.Loop() {
					_, err := sim.Run(cfg)
					require.NoError(b, err)
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/tasks, "ns/task")
				b.ReportMetric(float64(used(b)-before)/float64(b.N)/tasks, "cpu-ns/task")
			})
		}
	}
}

// used is the processor's time of this process, in ns.
func used(b *testing.B) int64 {
	var u syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return u.Utime.Nano() + u.Stime.Nano()
}
