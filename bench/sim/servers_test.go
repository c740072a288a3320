package sim_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/bench/sim"
)

// TestSim_ManyServersOfPullShareTheNodes: fifty servers, none of which has sent to most of
// the hundred nodes yet, do not all stay on the few that they know.
func TestSim_ManyServersOfPullShareTheNodes(t *testing.T) {
	run := func(word string) sim.Result {
		r, err := sim.Run(sim.Config{
			Policy: word, Seed: 1, Servers: 50, Nodes: make([]sim.Node, 100), Tasks: 6000, Warmup: 1200,
			Arrivals: sim.Arrivals{Load: .9}, Sizes: sim.Sizes{Shape: sim.Exponential, Mean: 100 * time.Millisecond},
		})
		require.NoError(t, err)
		return r
	}
	pull, blind, asking := run("pull:hedge=0"), run("least_outstanding:hedge=0"), run("prequal:hedge=0")
	require.Greater(t, pull.Utilization, .7)
	require.Greater(t, pull.Jain, .95)
	require.Less(t, pull.Latency.P99, blind.Latency.P99*3/4)
	require.Less(t, pull.Latency.P99, asking.Latency.P99*5/4)
}
