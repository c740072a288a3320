package policy_test

import (
	"math/rand/v2"
	"strconv"
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

// benched is a policy with a history among so many nodes: each has done a few tasks at a
// speed of its own, and a third have one at work.
func benched(b *testing.B, name string, nodes int) (policy.Policy, *rand.Rand) {
	p, rng := known(b, name, nodes), seeded(1)
	for n := range 4 * nodes {
		i := n % nodes
		p.Observe(start, policy.Observation{Node: i, Kind: policy.Sent, Work: 1})
		if n < 3*nodes || i%3 > 0 {
			took := time.Duration(float64(10+i%20) * 1e6 * (1 + .3*rng.Float64()))
			p.Observe(start, policy.Observation{
				Node: i, Kind: policy.Done, Latency: took, Run: took, Work: 1, Load: &job.Load{Slots: 2},
			})
		}
	}
	probe(p, start, rng, func(i int) *job.Load { return &job.Load{Slots: 2, Running: i % 3, Latency: time.Millisecond} })
	if prober, ok := p.(policy.Prober); ok {
		for i := range 16 {
			prober.Probed(start, i*7, &job.Load{Slots: 2, Running: i % 5, Latency: time.Duration(i)})
		}
	}
	return p, rng
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
				p, rng := benched(b, name, nodes)
				var excluded policy.Set
				for i := range out.count {
					excluded.Add(i)
				}
				b.ReportAllocs()
				for b.Loop() {
					p.Pick(start, policy.Request{Rand: rng, Excluded: &excluded, Work: 1, Backlog: 1e6})
				}
			})
		}
	}
}

// BenchmarkPickBehindIdleNodes measures one decision among 10,000 nodes, where those that
// are left out have nothing to do, and the others do: a few nodes with a tag that many want.
func BenchmarkPickBehindIdleNodes(b *testing.B) {
	const nodes = 10_000
	for _, name := range policy.Names() {
		for _, left := range []int{20, 500, 5000} {
			b.Run(name+"/left="+strconv.Itoa(left), func(b *testing.B) {
				p, rng := benched(b, name, nodes)
				var excluded policy.Set
				for i := range nodes {
					if i%(nodes/left) > 0 {
						excluded.Add(i)
						continue
					}
					p.Observe(start, policy.Observation{Node: i, Kind: policy.Sent, Work: 1})
					p.Observe(start, policy.Observation{Node: i, Kind: policy.Sent, Work: 1})
				}
				for b.Loop() {
					p.Pick(start, policy.Request{Rand: rng, Excluded: &excluded, Work: 1, Backlog: 1e6})
				}
			})
		}
	}
}

// BenchmarkAttempt measures all that one attempt costs a policy among 10,000 nodes: the
// pick, and what it is told of the sending and the end.
func BenchmarkAttempt(b *testing.B) {
	for _, name := range policy.Names() {
		b.Run(name, func(b *testing.B) {
			p, rng := benched(b, name, 10_000)
			now, load := start, &job.Load{Slots: 2}
			b.ReportAllocs()
			for b.Loop() {
				now = now.Add(time.Microsecond)
				i, _ := p.Pick(now, policy.Request{Rand: rng, Work: 1, Backlog: 1e6})
				p.Observe(now, policy.Observation{Node: i, Kind: policy.Sent, Work: 1})
				took := time.Duration(10+i%20) * time.Millisecond
				p.Observe(now, policy.Observation{Node: i, Kind: policy.Done, Latency: took, Run: took, Work: 1, Load: load})
			}
		})
	}
}

// TestDispatcher_ChoosesWithoutAllocating holds for all that stands around a policy, too.
func TestDispatcher_ChoosesWithoutAllocating(t *testing.T) {
	rule, err := policy.New("p2c:throttle=2")
	require.NoError(t, err)
	d := policy.NewDispatcher[string](rule, seeded(1))
	for i := range 1000 {
		d.Set(start, i, node(i, true))
	}
	var f policy.Flow[string]
	var most policy.Set
	for i := range 999 {
		most.Add(i)
	}
	w := &policy.Waiter[string]{Excluded: &most}
	allocations := testing.AllocsPerRun(1000, func() {
		d.Push(&f, w)
		_, i, _ := d.Next(start)
		d.Observe(start, policy.Observation{Node: i, Kind: policy.Rejected})
	})
	require.Zero(t, allocations)
}
