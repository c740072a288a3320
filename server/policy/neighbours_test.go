package policy_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/server/policy"
)

// A job that only a busy node may do does not hold up those that any node may do,
// whatever its priority.
func TestDispatcher_TasksForABusyNodeHoldNobodyUp(t *testing.T) {
	for _, priority := range []int{0, 1} {
		rule, err := policy.New("pull:explore=0")
		require.NoError(t, err)
		d, now := policy.NewDispatcher[string](rule, rand.New(rand.NewPCG(1, 1))), start
		others := &policy.Set{}
		for i := range 10 {
			d.Set(now, i, policy.Node{Up: true, Slots: 1})
			if i > 0 {
				others.Add(i)
			}
		}
		one, free := &policy.Flow[string]{Priority: priority}, &policy.Flow[string]{}
		for range 100 {
			d.Push(one, &policy.Waiter[string]{Item: "one", Excluded: others})
			d.Push(free, &policy.Waiter[string]{Item: "any", Excluded: &policy.Set{}})
		}
		got, out := map[string]int{}, []int{}
		for range 50 { // node 0 never answers; the others do after 10 ms
			for w, n, v := d.Next(now); w != nil; w, n, v = d.Next(now) {
				require.Equal(t, policy.Chosen, v)
				got[w.Item]++
				if n > 0 {
					out = append(out, n)
				}
			}
			now = now.Add(10 * time.Millisecond)
			for _, n := range out {
				d.Observe(now, policy.Observation{Node: n, Kind: policy.Done, Latency: 10 * time.Millisecond, Run: 9 * time.Millisecond})
			}
			out = out[:0]
		}
		require.Equal(t, 100, got["any"], "priority %d", priority)
	}
}
