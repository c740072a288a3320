package policy_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
	"spillway/server/policy"
)

// memoryless are the policies to which no node is other than it was; the others learn.
func memoryless(name string) bool {
	return slices.Contains([]string{"random", "balance", "round_robin", "least_outstanding", "p2c", "jiq"}, name)
}

// TestPolicy_IsFairToEqualNodes holds Pearson's chi-square over equal nodes, of which
// some are left out, below its 99.9 % quantile, or Jain's index above 0.95 for a policy
// that learns. Each attempt ends before the next pick, so that the nodes stay equal.
func TestPolicy_IsFairToEqualNodes(t *testing.T) {
	rows := []struct {
		name            string
		nodes, excluded int
		limit           float64 // 99.9 % quantile at (nodes - excluded - 1) degrees of freedom
	}{
		{"all", 10, 0, 27.88},
		{"a few left out", 10, 2, 24.32},
		{"most left out", 40, 36, 16.27},
	}
	for _, name := range policy.Names() {
		for _, row := range rows {
			t.Run(name+"/"+row.name, func(t *testing.T) {
				counts := spread(t, name, row.nodes, row.excluded)
				if memoryless(name) {
					require.Less(t, chiSquare(counts), row.limit, "picks a node: %v", counts)
				} else {
					require.Greater(t, jain(counts), .95, "picks a node: %v", counts)
				}
			})
		}
	}
}

// spread is how often each node is picked that is not left out.
func spread(t *testing.T, name string, nodes, left int) []float64 {
	p := known(t, name, nodes)
	rng, now := seeded(7), start
	var excluded policy.Set
	for i := range left {
		excluded.Add(i)
	}
	counts := make([]float64, nodes)
	for range 6_000 {
		i, v := p.Pick(now, policy.Request{Rand: rng, Excluded: &excluded})
		require.Equal(t, policy.Chosen, v)
		counts[i]++
		p.Observe(now, policy.Observation{Node: i, Kind: policy.Sent})
		now = now.Add(time.Millisecond)
		p.Observe(now, policy.Observation{Node: i, Kind: policy.Done, Latency: time.Millisecond})
		probe(p, now, rng, func(int) *job.Load { return &job.Load{Slots: 2, Latency: time.Millisecond} })
	}
	return counts[left:]
}

// probe has nodes answer what the policy asks them.
func probe(p policy.Policy, now time.Time, rng *rand.Rand, load func(i int) *job.Load) {
	if prober, ok := p.(policy.Prober); ok {
		for _, i := range prober.Probes(now, rng, nil) {
			prober.Probed(now, i, load(i))
		}
	}
}

func chiSquare(counts []float64) float64 {
	sum, chi2 := 0.0, 0.0
	for _, n := range counts {
		sum += n
	}
	expected := sum / float64(len(counts))
	for _, n := range counts {
		chi2 += (n - expected) * (n - expected) / expected
	}
	return chi2
}

// jain is Jain's index of fairness, 1 where all are alike, 1/n where one has all.
func jain(counts []float64) float64 {
	sum, squares := 0.0, 0.0
	for _, n := range counts {
		sum += n
		squares += n * n
	}
	return sum * sum / squares / float64(len(counts))
}

// TestPolicy_NobodyStarvesForWhatItDidLongAgo has one node turn all away for a while,
// another break all, a third be slow; then all are well again.
func TestPolicy_NobodyStarvesForWhatItDidLongAgo(t *testing.T) {
	forEach(t, func(t *testing.T, fresh func(int) policy.Policy) {
		const nodes = 12
		p, rng, now := fresh(nodes), seeded(3), start
		counts := make([]int, nodes)
		for n := range 20_000 {
			sick := n < 4_000
			if n == 15_000 {
				clear(counts)
			}
			i, v := p.Pick(now, policy.Request{Rand: rng})
			require.Equal(t, policy.Chosen, v)
			counts[i]++
			p.Observe(now, policy.Observation{Node: i, Kind: policy.Sent})
			took, kind := 50*time.Millisecond, policy.Done
			switch {
			case sick && i == 3:
				took, kind = time.Millisecond, policy.Rejected
			case sick && i == 5:
				took, kind = time.Millisecond, policy.Broke
			case sick && i == 7:
				took = 5 * time.Second
			}
			now = now.Add(took)
			p.Observe(now, policy.Observation{Node: i, Kind: kind, Latency: took})
			probe(p, now, rng, func(int) *job.Load { return &job.Load{Slots: 2, Latency: took} })
		}
		for i, n := range counts {
			require.Greater(t, n, 5_000/nodes/20, "node %d of %v", i, counts)
		}
	})
}
