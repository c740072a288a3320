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

// start is when every test begins.
var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// forEach runs a test with every policy that there is.
func forEach(t *testing.T, test func(t *testing.T, fresh func(nodes int) policy.Policy)) {
	for _, name := range policy.Names() {
		t.Run(name, func(t *testing.T) {
			test(t, func(nodes int) policy.Policy { return known(t, name, nodes) })
		})
	}
}

// known is the policy of a name, with so many nodes that are up.
func known(t testing.TB, name string, nodes int) policy.Policy {
	rule, err := policy.New(name)
	require.NoError(t, err)
	for i := range nodes {
		rule.Set(start, i, node(i, true))
	}
	return rule.Policy
}

// node is node i as a policy first hears of it.
func node(i int, up bool) policy.Node {
	return policy.Node{ID: job.NodeID("node_" + strconv.Itoa(i)), Up: up, Slots: 2}
}

func seeded(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 2)) }

func TestPolicy_PicksNothingWhereThereIsNobody(t *testing.T) {
	forEach(t, func(t *testing.T, fresh func(int) policy.Policy) {
		_, v := fresh(0).Pick(start, policy.Request{Rand: seeded(1)})
		require.Equal(t, policy.Nobody, v, "no node is known")

		p := fresh(3)
		for i := range 3 {
			p.Set(start, i, node(i, false))
		}
		_, v = p.Pick(start, policy.Request{Rand: seeded(1)})
		require.Equal(t, policy.Nobody, v, "every node is down")

		p = fresh(3)
		var all policy.Set
		for i := range 3 {
			all.Add(i)
		}
		_, v = p.Pick(start, policy.Request{Rand: seeded(1), Excluded: &all})
		require.Equal(t, policy.Nobody, v, "every node is excluded")
	})
}

func TestPolicy_FindsTheOneNodeThatIsLeft(t *testing.T) {
	forEach(t, func(t *testing.T, fresh func(int) policy.Policy) {
		const nodes = 200
		p, rng := fresh(nodes), seeded(1)
		for left := range nodes {
			var excluded policy.Set
			for i := range nodes {
				if i != left {
					excluded.Add(i)
				}
			}
			excluded.Add(nodes + 500) // a node that nobody knows
			got, v := p.Pick(start, policy.Request{Rand: rng, Excluded: &excluded})
			require.Equal(t, policy.Chosen, v)
			require.Equal(t, left, got)
		}
	})
}

// TestPolicy_NeverPicksDownOrExcluded plays a random history: nodes come, go and
// flap, attempts end in every way, and rounds leave nodes out.
func TestPolicy_NeverPicksDownOrExcluded(t *testing.T) {
	forEach(t, func(t *testing.T, fresh func(int) policy.Policy) {
		for seed := range uint64(5) {
			playHistory(t, fresh(0), seed)
		}
	})
}

// playHistory checks every pick of one history.
func playHistory(t *testing.T, p policy.Policy, seed uint64) {
	rng, now := seeded(seed), start
	up := map[int]bool{}
	nodes := 1 + rng.IntN(130)
	for range 1500 {
		now = now.Add(time.Duration(rng.IntN(20)) * time.Millisecond)
		if rng.IntN(4) == 0 {
			i := rng.IntN(nodes)
			up[i] = rng.IntN(3) > 0
			p.Set(now, i, node(i, up[i]))
		}
		var excluded policy.Set
		for range rng.IntN(nodes + 1) {
			excluded.Add(rng.IntN(nodes))
		}
		free := 0
		for i, isUp := range up {
			if isUp && !excluded.Has(i) {
				free++
			}
		}
		got, v := p.Pick(now, policy.Request{Rand: rng, Excluded: &excluded, Work: float64(rng.Int64N(1 << 20))})
		require.Equal(t, free > 0, v == policy.Chosen, "seed %d: a free node is found where there is one", seed)
		if v != policy.Chosen {
			continue
		}
		require.True(t, up[got] && !excluded.Has(got), "seed %d: picked node %d", seed, got)
		p.Observe(now, policy.Observation{Node: got, Kind: policy.Sent})
		ends := []policy.Kind{policy.Done, policy.Rejected, policy.Broke, policy.Cancelled, policy.Superseded}
		p.Observe(now, policy.Observation{Node: got, Kind: ends[rng.IntN(5)], Latency: time.Millisecond, Load: &job.Load{Slots: 2}})
	}
}

func TestPolicy_DecidesTheSameUnderTheSameSeed(t *testing.T) {
	forEach(t, func(t *testing.T, fresh func(int) policy.Policy) {
		picks := func(seed uint64) []int {
			p, rng := fresh(50), seeded(seed)
			var got []int
			for n := range 500 {
				p.Set(start, n%50, node(n%50, n%7 > 0))
				i, v := p.Pick(start, policy.Request{Rand: rng})
				require.Equal(t, policy.Chosen, v)
				got = append(got, i)
			}
			return got
		}
		first, again, other := picks(1), picks(1), picks(2)
		require.Equal(t, first, again)
		require.NotEqual(t, first, other)
	})
}

// TestPolicy_IsBusyOnlyWhileAttemptsAreOut plays many attempts at once: a task that hears
// Busy has a node to wait for, which has something to do, and in the end none is busy.
func TestPolicy_IsBusyOnlyWhileAttemptsAreOut(t *testing.T) {
	forEach(t, func(t *testing.T, fresh func(int) policy.Policy) {
		const nodes = 20
		p, rng, now := fresh(nodes), seeded(3), start
		outstanding := make([]int, nodes)
		var out []policy.Observation
		for n := range 6_000 {
			now = now.Add(time.Millisecond)
			excluded := &policy.Set{}
			for range rng.IntN(nodes) {
				excluded.Add(rng.IntN(nodes))
			}
			i, v := p.Pick(now, policy.Request{Rand: rng, Excluded: excluded, Work: 1, Backlog: float64(rng.IntN(100))})
			switch v {
			case policy.Chosen:
				require.False(t, excluded.Has(i))
				o := policy.Observation{Node: i, Kind: policy.Sent, Work: 1}
				p.Observe(now, o)
				outstanding[i]++
				out = append(out, o)
			case policy.Busy:
				require.True(t, waitsFor(outstanding, excluded), "%d: nobody to wait for", n)
			default:
				require.Equal(t, policy.Nobody, v)
				require.Equal(t, nodes, excluded.Len())
			}
			for len(out) > 0 && (rng.IntN(2) == 0 || n > 5_900) {
				at := rng.IntN(len(out))
				o := out[at]
				out = append(out[:at], out[at+1:]...)
				o.Kind, o.Latency = policy.Done+policy.Kind(rng.IntN(5)), time.Duration(1+rng.IntN(50))*time.Millisecond
				outstanding[o.Node]--
				p.Observe(now, o)
			}
		}
		for range 100 {
			_, v := p.Pick(now, policy.Request{Rand: rng})
			require.Equal(t, policy.Chosen, v, "nothing is out any more")
		}
	})
}

// waitsFor tells whether a node that is not left out has an attempt at work.
func waitsFor(outstanding []int, excluded *policy.Set) bool {
	for i, n := range outstanding {
		if n > 0 && !excluded.Has(i) {
			return true
		}
	}
	return false
}

func TestPolicy_ANodeThatComesBackIsUsedAgain(t *testing.T) {
	forEach(t, func(t *testing.T, fresh func(int) policy.Policy) {
		p, rng, now := fresh(4), seeded(1), start
		for range 1000 { // one node flaps, and is told twice each time
			now = now.Add(time.Second)
			p.Set(now, 2, node(2, false))
			p.Set(now, 2, node(2, false))
			now = now.Add(time.Second)
			p.Set(now, 2, node(2, true))
			p.Set(now, 2, node(2, true))
		}
		counts := make([]int, 4)
		for range 4000 {
			i, v := p.Pick(now, policy.Request{Rand: rng})
			require.Equal(t, policy.Chosen, v)
			counts[i]++
			p.Observe(now, policy.Observation{Node: i, Kind: policy.Sent})
			p.Observe(now, policy.Observation{Node: i, Kind: policy.Done, Latency: time.Millisecond})
		}
		for i, n := range counts {
			require.InDelta(t, 1000, n, 200, "node %d", i)
		}
	})
}

func TestPolicy_SparseIndicesAreNoNodes(t *testing.T) {
	forEach(t, func(t *testing.T, fresh func(int) policy.Policy) {
		p, rng := fresh(0), seeded(1)
		p.Set(start, 999, node(999, true))
		for range 100 {
			i, v := p.Pick(start, policy.Request{Rand: rng})
			require.Equal(t, policy.Chosen, v)
			require.Equal(t, 999, i)
		}
	})
}
