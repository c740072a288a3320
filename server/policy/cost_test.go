package policy_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
	"spillway/server/policy"
)

func TestPolicy_DecidesWithoutAllocating(t *testing.T) {
	forEach(t, func(t *testing.T, fresh func(int) policy.Policy) {
		p, rng := fresh(1000), seeded(1)
		var few, most policy.Set
		few.Add(1)
		for i := range 999 {
			most.Add(i)
		}
		load := &job.Load{Slots: 2}
		for _, excluded := range []*policy.Set{nil, &few, &most} {
			allocations := testing.AllocsPerRun(1000, func() {
				i, _ := p.Pick(start, policy.Request{Rand: rng, Excluded: excluded, Work: 1000})
				p.Observe(start, policy.Observation{Node: i, Kind: policy.Sent})
				p.Observe(start, policy.Observation{Node: i, Kind: policy.Done, Latency: time.Millisecond, Load: load})
			})
			require.Zero(t, allocations)
		}
	})
}

// BenchmarkPick measures one decision among 10,000 nodes, of which so many are
// left out of the round.
func BenchmarkPick(b *testing.B) {
	const nodes = 10_000
	for _, name := range policy.Names() {
		for _, out := range []struct {
			name  string
			count int
		}{{"none", 0}, {"few", 10}, {"half", nodes / 2}, {"most", nodes - 1}} {
			b.Run(name+"/excluded="+out.name, func(b *testing.B) {
				p, err := policy.New(name)
				require.NoError(b, err)
				var excluded policy.Set
				for i := range nodes {
					p.Set(start, i, node(i, true))
					if i < out.count {
						excluded.Add(i)
					}
				}
				rng := seeded(1)
				b.ReportAllocs()
				for b.Loop() {
					p.Pick(start, policy.Request{Rand: rng, Excluded: &excluded})
				}
			})
		}
	}
}
