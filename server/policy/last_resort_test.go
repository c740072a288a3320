package policy_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"spillway/server/policy"
)

// TestDispatcher_ThoseThatAreLeftOutShareTheTasksThatHaveNoOther: 2 of 20 nodes break all
// they are sent, and the tasks may go to none of the others.
func TestDispatcher_ThoseThatAreLeftOutShareTheTasksThatHaveNoOther(t *testing.T) {
	for name, throttle := range map[string]float64{"alone": 0, "with a throttle": 2} {
		t.Run(name, func(t *testing.T) {
			s := &scripted{room: 1000}
			d := policy.NewDispatcher[string](policy.Rule{Policy: s, Eject: true, Throttle: throttle}, seeded(1))
			others := &policy.Set{}
			for i := range 20 {
				d.Set(start, i, node(i, true))
				kind := policy.Done
				if i < 2 {
					kind = policy.Broke
				} else {
					others.Add(i)
				}
				for range 60 {
					d.Observe(start, policy.Observation{Node: i, Kind: policy.Sent})
					d.Observe(start, policy.Observation{Node: i, Kind: kind})
				}
			}
			d.Sweep(start)
			var f flow
			first := map[int]int{}
			for range 100 {
				sent := map[int]int{}
				for n := range 4 {
					d.Push(&f, &waiter{Excluded: others})
					_, i, v := d.Next(start)
					require.Equal(t, policy.Chosen, v)
					sent[i]++
					if n == 0 {
						first[i]++
					}
				}
				require.Equal(t, map[int]int{0: 2, 1: 2}, sent, "as many as they have slots")
				last := &waiter{Excluded: others}
				d.Push(&f, last)
				w, _, _ := d.Next(start)
				require.Nil(t, w, "it waits for a slot")
				d.Observe(start, policy.Observation{Node: 1, Kind: policy.Done})
				w, i, v := d.Next(start)
				require.Equal(t, last, w)
				require.Equal(t, policy.Chosen, v)
				require.Equal(t, 1, i)
				for i := range 4 {
					d.Observe(start, policy.Observation{Node: i % 2, Kind: policy.Broke})
				}
			}
			require.InDelta(t, 50, first[0], 20, "by chance, not the first of them")
		})
	}
}

func TestDispatcher_AThrottleHoldsBackOneThatIsLeftOutToo(t *testing.T) {
	s := &scripted{room: 1000}
	d := policy.NewDispatcher[string](policy.Rule{Policy: s, Eject: true, Throttle: 2}, seeded(1))
	others := &policy.Set{}
	for i := range 20 {
		d.Set(start, i, node(i, true))
		for range 60 {
			kind := policy.Done
			if i < 2 {
				kind = policy.Broke
			}
			d.Observe(start, policy.Observation{Node: i, Kind: policy.Sent})
			d.Observe(start, policy.Observation{Node: i, Kind: kind})
		}
		if i >= 2 {
			others.Add(i)
		}
	}
	d.Sweep(start)
	var f flow
	sent := [2]int{}
	for range 1000 {
		d.Push(&f, &waiter{Excluded: others})
		_, i, v := d.Next(start)
		require.Equal(t, policy.Chosen, v)
		sent[i]++
		kind := policy.Done
		if i == 0 {
			kind = policy.Rejected
		}
		d.Observe(start, policy.Observation{Node: i, Kind: kind})
	}
	require.Less(t, sent[0], 300, "half of them without it")
}
