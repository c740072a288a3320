package policy

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
)

// newPullTest is a pull over nodes of so many slots that never explores.
func newPullTest(nodes, slots int) *pull {
	p := fleet[*pull](newPull, nodes, slots)
	p.explore = 0
	return p
}

// gave tells of an attempt that node i did, from its sending on.
func gave(p Policy, now time.Time, i int, took time.Duration) {
	p.Observe(now.Add(-took), Observation{Node: i, Kind: Sent})
	p.Observe(now, Observation{Node: i, Kind: Done, Latency: took, Run: took})
}

func TestPull_ANodeIsReadyWhileItHasLessThanItsLimit(t *testing.T) {
	p, rng := newPullTest(2, 3), rand.New(rand.NewPCG(1, 2))
	for i := range 2 {
		gave(p, zero, i, time.Millisecond)
	}
	counts := map[int]int{}
	for range 6 {
		i, v := p.Pick(zero, Request{Rand: rng})
		require.Equal(t, Chosen, v)
		counts[i]++
		p.Observe(zero, Observation{Node: i, Kind: Sent})
	}
	require.Equal(t, map[int]int{0: 3, 1: 3}, counts)
	_, v := p.Pick(zero, Request{Rand: rng})
	require.Equal(t, Busy, v)
	var both Set
	both.Add(0)
	both.Add(1)
	_, v = p.Pick(zero, Request{Rand: rng, Excluded: &both})
	require.Equal(t, Nobody, v, "who has been everywhere does not wait")
	p.Observe(zero, Observation{Node: 1, Kind: Cancelled})
	i, v := p.Pick(zero, Request{Rand: rng})
	require.Equal(t, Chosen, v)
	require.Equal(t, 1, i)
}

func TestPull_ASmallFleetIsFeltOutAFewAtATime(t *testing.T) {
	p, rng := newPullTest(4, 8), rand.New(rand.NewPCG(1, 2))
	pick := func(now time.Time) (int, Verdict) { return p.Pick(now, Request{Rand: rng}) }
	var tried []int
	for range 2 {
		i, v := pick(zero)
		require.Equal(t, Chosen, v)
		tried = append(tried, i)
		p.Observe(zero, Observation{Node: i, Kind: Sent})
	}
	require.NotEqual(t, tried[0], tried[1])
	_, v := pick(zero)
	require.Equal(t, Busy, v)
	p.Observe(zero, Observation{Node: tried[0], Kind: Rejected, Latency: time.Millisecond})
	i, v := pick(zero)
	require.Equal(t, Chosen, v)
	require.NotContains(t, tried, i, "one that nothing bad is known of")
	p.Observe(zero, Observation{Node: i, Kind: Sent})
	p.Observe(zero, Observation{Node: tried[1], Kind: Done, Latency: time.Millisecond, Run: time.Millisecond})
	for range 8 {
		i, v = pick(zero)
		require.Equal(t, Chosen, v)
		require.Equal(t, tried[1], i, "the one that has done a task, up to its slots")
		p.Observe(zero, Observation{Node: i, Kind: Sent})
	}
	_, v = pick(zero.Add(time.Hour))
	require.Equal(t, Chosen, v, "what is not turned away at once was taken, and hinders nobody")
}

func TestPull_ALargeFleetStartsAtOnce(t *testing.T) {
	p, rng := newPullTest(100, 3), rand.New(rand.NewPCG(1, 2))
	counts := make([]int, 100)
	for range 300 {
		i, v := p.Pick(zero, Request{Rand: rng})
		require.Equal(t, Chosen, v)
		counts[i]++
		p.Observe(zero, Observation{Node: i, Kind: Sent})
	}
	for i, n := range counts {
		require.Equal(t, 3, n, "node %d", i)
	}
}

// slowAndFast is node 0, which is eight times slower than node 1; that one is full.
func slowAndFast() *pull {
	p := newPullTest(2, 1)
	for n := range 20 {
		now := zero.Add(time.Duration(n) * time.Second)
		gave(p, now, 0, 80*time.Millisecond)
		gave(p, now, 1, 10*time.Millisecond)
	}
	p.Observe(zero.Add(20*time.Second), Observation{Node: 1, Kind: Sent})
	return p
}

func TestPull_ATaskWaitsForAFastNodeRatherThanEndLast(t *testing.T) {
	p, rng := slowAndFast(), rand.New(rand.NewPCG(1, 2))
	now := zero.Add(20 * time.Second)
	_, v := p.Pick(now, Request{Rand: rng, Backlog: 1})
	require.Equal(t, Busy, v, "the slow one needs 80 ms, the others end within 25")
	i, v := p.Pick(now, Request{Rand: rng, Backlog: 100})
	require.Equal(t, Chosen, v, "there is enough to do for both")
	require.Zero(t, i)
	var fast Set
	fast.Add(1)
	i, v = p.Pick(now, Request{Rand: rng, Backlog: 1, Excluded: &fast})
	require.Equal(t, Chosen, v, "it may not go to the fast one")
	require.Zero(t, i)
	_, v = p.Pick(now.Add(time.Second), Request{Rand: rng, Backlog: 1})
	require.Equal(t, Chosen, v, "the fast one has been silent for so long that nobody waits for it")
}

func TestPull_ANodeThatTurnsMostAwayIsAskedOnlyWhereThereIsMuchToDo(t *testing.T) {
	p, rng := newPullTest(2, 1), rand.New(rand.NewPCG(1, 2))
	for range 20 {
		gave(p, zero, 1, 10*time.Millisecond)
		p.Observe(zero, Observation{Node: 0, Kind: Sent})
		p.Observe(zero, Observation{Node: 0, Kind: Rejected, Latency: time.Millisecond})
	}
	i, v := p.Pick(zero, Request{Rand: rng, Backlog: 1000})
	require.Equal(t, Chosen, v)
	require.Equal(t, 1, i)
	p.Observe(zero, Observation{Node: 1, Kind: Sent})
	_, v = p.Pick(zero, Request{Rand: rng, Backlog: 2})
	require.Equal(t, Busy, v)
	i, v = p.Pick(zero, Request{Rand: rng, Backlog: 1000})
	require.Equal(t, Chosen, v, "where there is much to do, it is worth to ask it now and then")
	require.Zero(t, i)
	p.Set(zero, 1, Node{Up: false})
	i, v = p.Pick(zero, Request{Rand: rng, Backlog: 1000})
	require.Equal(t, Chosen, v, "where there is no other it is")
	require.Zero(t, i)
}

func TestPull_WhatIsSentAndEndsIsCountedOutAgain(t *testing.T) {
	p, rng := newPullTest(40, 2), rand.New(rand.NewPCG(1, 2))
	var out []Observation
	for range 5000 {
		if i, v := p.Pick(zero, Request{Rand: rng}); v == Chosen && rng.IntN(2) == 0 {
			o := Observation{Node: i, Kind: Sent, Work: rng.Float64()}
			p.Observe(zero, o)
			out = append(out, o)
		} else if len(out) > 0 {
			at := rng.IntN(len(out))
			o := out[at]
			out = append(out[:at], out[at+1:]...)
			o.Kind, o.Latency = Done+Kind(rng.IntN(5)), time.Millisecond
			p.Observe(zero, o)
		}
		if rng.IntN(20) == 0 {
			p.Set(zero, rng.IntN(40), Node{Up: rng.IntN(3) > 0, Slots: 2})
		}
	}
	for _, o := range out {
		o.Kind = Cancelled
		p.Observe(zero, o)
	}
	require.Zero(t, p.out)
	require.Zero(t, p.trying)
	require.Zero(t, p.outWork)
	for i := range 40 {
		p.Set(zero, i, Node{Up: false})
	}
	require.InDelta(t, 0, p.speed, 1e-12)
	require.Empty(t, p.proven.order)
	require.Empty(t, p.fresh.order)
	require.Empty(t, p.full.order)
}

func TestPull_ARejectionByChanceDoesNotLowerTheLimit(t *testing.T) {
	p := newPullTest(1, 10)
	reject := func(l *job.Load) {
		p.Observe(zero, Observation{Node: 0, Kind: Sent})
		p.Observe(zero, Observation{Node: 0, Kind: Rejected, Load: l})
	}
	reject(&job.Load{Slots: 10, Running: 3})
	require.Equal(t, 10, p.nodes[0].limit.most())
	reject(&job.Load{Slots: 10, Running: 10})
	require.Equal(t, 10, p.nodes[0].limit.most(), "nothing waits for a slot there")
	reject(&job.Load{Slots: 10, Running: 10, Queued: 1})
	require.Equal(t, 8, p.nodes[0].limit.most())
	require.Equal(t, 1, p.Limit(0), "it has done nothing yet")
	reject(nil)
	require.Equal(t, 6, p.nodes[0].limit.most())
}

func TestPull_AnAttemptThatIsOverdueTakesNoRoomWhereTheNodeTellsNothing(t *testing.T) {
	p, rng := newPullTest(1, 0), rand.New(rand.NewPCG(1, 2))
	gave(p, zero, 0, time.Millisecond)
	verdict := func() Verdict {
		_, v := p.Pick(zero, Request{Rand: rng})
		return v
	}
	send := func() { p.Observe(zero, Observation{Node: 0, Kind: Sent}) }
	send()
	require.Equal(t, Busy, verdict())
	p.Late(zero, 0)
	require.Equal(t, Chosen, verdict())
	send()
	require.Equal(t, Busy, verdict())
	p.Observe(zero, Observation{Node: 0, Kind: Superseded, Late: true, Latency: time.Second})
	require.Equal(t, Busy, verdict(), "it is gone, and takes none as before")
	for range 3 {
		p.Late(zero, 0)
		send()
	}
	require.Equal(t, Busy, verdict(), "no more of them than its limit")
}

// A slow node of which nothing is known must not get a second task because its first is
// late: it would be the last to end.
func TestPull_ANodeThatTellsIsBelieved(t *testing.T) {
	p, rng := newPullTest(1, 1), rand.New(rand.NewPCG(1, 2))
	verdict := func() Verdict {
		_, v := p.Pick(zero, Request{Rand: rng})
		return v
	}
	p.Observe(zero, Observation{Node: 0, Kind: Sent})
	p.Late(zero, 0)
	require.Equal(t, Busy, verdict(), "it may well be at work")
	p.Probed(zero, 0, &job.Load{Slots: 1, Running: 1})
	require.Equal(t, Busy, verdict(), "it is at work")
	p.Probed(zero, 0, &job.Load{Slots: 1, Delayed: 1})
	require.Equal(t, Chosen, verdict(), "it is not")
}

// Nodes of which nothing is known begin with small tasks: a large one on a slow node
// would end after all others. Those that are known get the largest.
func TestPull_NodesAreFeltOutWithSmallTasks(t *testing.T) {
	rule, err := New("pull:explore=0")
	require.NoError(t, err)
	d := NewDispatcher[string](rule, rand.New(rand.NewPCG(1, 2)))
	const nodes = 40
	for i := range nodes {
		d.Set(zero, i, Node{ID: job.NodeID(fmt.Sprint(i)), Up: true, Slots: 1})
	}
	var f Flow[string]
	var largest []float64
	for i := range 5 * nodes {
		w := 1e6 * float64(1+i)
		d.Push(&f, &Waiter[string]{Work: w})
		largest = append(largest, w)
	}
	for range nodes {
		w, _, v := d.Next(zero)
		require.Equal(t, Chosen, v)
		require.Less(t, w.Work, largest[len(largest)-1]/2)
	}
	w, _, _ := d.Next(zero)
	require.Nil(t, w)
	d.Observe(zero.Add(time.Second), Observation{Node: 7, Kind: Done, Latency: time.Second, Run: time.Second, Work: 1e6})
	w, i, v := d.Next(zero.Add(time.Second))
	require.Equal(t, Chosen, v)
	require.Equal(t, 7, i)
	require.InDelta(t, largest[len(largest)-1], w.Work, 0)
}
