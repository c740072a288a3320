package policy

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
	"spillway/params"
)

// zero is when the tests of single policies begin.
var zero = time.Unix(0, 0)

// fleet makes a policy with nodes 0 to n−1, of so many slots each.
func fleet[P Policy](fresh func(*params.List) Policy, n, slots int) P {
	p := fresh(&params.List{}).(P)
	for i := range n {
		p.Set(zero, i, Node{Up: true, Slots: slots})
	}
	return p
}

// play sends n attempts one after the other, each of which ends as told, and counts
// them by node.
func play(p Policy, now *time.Time, n int, end func(i int) Observation) map[int]int {
	rng, got := rand.New(rand.NewPCG(1, 2)), map[int]int{}
	for range n {
		i, v := p.Pick(*now, Request{Rand: rng})
		if v != Chosen {
			break
		}
		got[i]++
		p.Observe(*now, Observation{Node: i, Kind: Sent})
		o := end(i)
		o.Node = i
		*now = now.Add(o.Latency)
		p.Observe(*now, o)
	}
	return got
}

func TestRoundRobin_GoesRoundInOrder(t *testing.T) {
	p := fleet[*roundRobin](newRoundRobin, 5, 1)
	p.Set(zero, 2, Node{Up: false})
	rng := rand.New(rand.NewPCG(1, 2))
	var excluded Set
	pick := func() int {
		i, v := p.Pick(zero, Request{Rand: rng, Excluded: &excluded})
		require.Equal(t, Chosen, v)
		p.Observe(zero, Observation{Node: i, Kind: Sent})
		return i
	}
	for last := 0; last != 4; {
		last = pick()
	}
	require.Equal(t, []int{0, 1, 3, 4, 0}, []int{pick(), pick(), pick(), pick(), pick()})
	excluded.Add(1)
	require.Equal(t, []int{3, 4, 0, 3}, []int{pick(), pick(), pick(), pick()})
}

func TestRoundRobin_ServersBeginAtDifferentNodes(t *testing.T) {
	firsts := map[int]bool{}
	for seed := range uint64(50) {
		p := fleet[*roundRobin](newRoundRobin, 10, 1)
		i, _ := p.Pick(zero, Request{Rand: rand.New(rand.NewPCG(seed, 2))})
		firsts[i] = true
	}
	require.Greater(t, len(firsts), 7)
}

// TestWeightedRoundRobin_SharesByWhatEachCanDo has node 0 twice as busy as the others
// with as much done, and node 1 fail every other attempt.
func TestWeightedRoundRobin_SharesByWhatEachCanDo(t *testing.T) {
	p := fleet[*weightedRoundRobin](newWeightedRoundRobin, 4, 10)
	now := zero.Add(time.Hour)
	for i, weight := range []float64{1, 2, 4, 1} {
		p.weigh(&p.nodes[i], weight)
	}
	got := play(p, &now, 8000, func(int) Observation { return Observation{Kind: Cancelled} })
	for i, want := range []float64{1000, 2000, 4000, 1000} {
		require.InDelta(t, want, got[i], 10, "node %d", i)
	}
}

func TestWeightedRoundRobin_TheWeightIsThatOfA58(t *testing.T) {
	p := fleet[*weightedRoundRobin](newWeightedRoundRobin, 2, 4)
	now := zero
	for n := range 40 {
		now = now.Add(100 * time.Millisecond)
		kind := Done
		if n%4 == 3 {
			kind = Rejected
		}
		p.Observe(now, Observation{Node: 0, Kind: Sent})
		p.Observe(now, Observation{Node: 0, Kind: kind, Load: &job.Load{Slots: 4, Running: 1}})
	}
	// 7.5 done a second, half of the slots in use, a third of an error for each done.
	require.InDelta(t, 7.5/(.5+1./3), p.nodes[0].weight, 1.5)
	require.Zero(t, p.nodes[1].weight, "nothing is known of it")
	require.InDelta(t, 1, p.share(&p.nodes[1]), 1e-9, "so it has the mean")
}

func TestWeightedRoundRobin_TurnsThatWereMissedAreLost(t *testing.T) {
	p := fleet[*weightedRoundRobin](newWeightedRoundRobin, 3, 1)
	p.Set(zero, 0, Node{Up: false})
	now := zero
	end := func(int) Observation { return Observation{Kind: Cancelled} }
	play(p, &now, 300, end)
	p.Set(now, 0, Node{Up: true, Slots: 1})
	got := play(p, &now, 30, end)
	require.InDelta(t, 10, got[0], 2, "it is not made up for")

	var excluded Set
	excluded.Add(0)
	rng := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		i, _ := p.Pick(now, Request{Rand: rng, Excluded: &excluded})
		p.Observe(now, Observation{Node: i, Kind: Sent})
	}
	got = play(p, &now, 30, end)
	require.InDelta(t, 10, got[0], 2, "nor are those that others left it out of")
}

func TestJIQ_TakesANodeThatLeftItsToken(t *testing.T) {
	p := fleet[*jiq](newJIQ, 6, 2)
	rng := rand.New(rand.NewPCG(1, 2))
	pick := func() int {
		i, v := p.Pick(zero, Request{Rand: rng})
		require.Equal(t, Chosen, v)
		p.Observe(zero, Observation{Node: i, Kind: Sent})
		return i
	}
	counts := map[int]int{}
	for range 12 {
		counts[pick()]++
	}
	for i := range 6 {
		require.Equal(t, 2, counts[i], "every slot has one before any has two")
	}
	p.Observe(zero, Observation{Node: 3, Kind: Done, Load: &job.Load{Slots: 2, Running: 1}})
	require.Equal(t, 3, pick(), "it left its token")
	p.Observe(zero, Observation{Node: 4, Kind: Done, Load: &job.Load{Slots: 2, Running: 2, Queued: 3}})
	require.Empty(t, p.idle.up, "a node that has the tasks of others is not idle")
	p.Set(zero, 3, Node{Up: false})
	p.Observe(zero, Observation{Node: 3, Kind: Done})
	require.Empty(t, p.idle.up, "nor is one that is down")
}

func TestPeakEWMA_JumpsUpAtOnceAndComesDownSlowly(t *testing.T) {
	p := fleet[*peakEWMA](newPeakEWMA, 2, 1)
	done := func(i int, at, latency time.Duration) {
		p.Observe(zero.Add(at-latency), Observation{Node: i, Kind: Sent})
		p.Observe(zero.Add(at), Observation{Node: i, Kind: Done, Latency: latency})
	}
	done(0, 1*time.Second, 10*time.Millisecond)
	done(0, 2*time.Second, 500*time.Millisecond)
	require.InDelta(t, 500e6, p.nodes[0].mean, 1)
	done(0, 12*time.Second, 10*time.Millisecond)
	tau := max(10, tauTimes*p.mean/1e9)
	require.InDelta(t, 10e6+490e6*math.Exp(-10/tau), p.nodes[0].mean, 10e6)
	before := p.cost(zero.Add(12*time.Second), 0)
	after := p.cost(zero.Add(300*time.Second), 0)
	require.Less(t, after, before/2, "a node that is left alone is tried again")
}

func TestPeakEWMA_TheOldestAttemptCountsAsALatency(t *testing.T) {
	p := fleet[*peakEWMA](newPeakEWMA, 2, 1)
	at := func(s float64) time.Time { return zero.Add(time.Duration(s * float64(time.Second))) }
	p.Observe(at(0), Observation{Node: 0, Kind: Sent})
	p.Observe(at(1), Observation{Node: 0, Kind: Sent})
	require.InDelta(t, 3*4e9, p.cost(at(4), 0), 1, "4 s, and two attempts")
	p.Observe(at(4), Observation{Node: 0, Kind: Cancelled, Latency: 4 * time.Second})
	require.InDelta(t, 2*3e9, p.cost(at(4), 0), 1, "now the other is the oldest")
}

func TestPeakEWMA_ARejectionIsNoLatency(t *testing.T) {
	p := fleet[*peakEWMA](newPeakEWMA, 2, 1)
	p.Observe(zero, Observation{Node: 0, Kind: Sent})
	p.Observe(zero, Observation{Node: 0, Kind: Rejected, Latency: time.Microsecond})
	require.Zero(t, p.nodes[0].mean)
	require.Empty(t, p.nodes[0].out)
}

func TestC3_ScoresByTheFormula(t *testing.T) {
	p := fleet[*c3](newC3, 2, 1)
	p.servers = 3
	p.Observe(zero, Observation{Node: 0, Kind: Sent})
	p.Observe(zero, Observation{
		Node: 0, Kind: Done, Latency: 30 * time.Millisecond, Run: 10 * time.Millisecond,
		Load: &job.Load{Running: 4, Queued: 10, Delayed: 6},
	})
	require.InDelta(t, 2, p.nodes[0].inFlight, 1e-9, "a tenth of what it says")
	for range 2 {
		p.Observe(zero, Observation{Node: 0, Kind: Sent})
	}
	q := 1 + 2*3. + 2
	require.InDelta(t, 30e6-10e6+q*q*q*10e6, p.score(zero, 0), 1)
	require.InDelta(t, 30e6-10e6+10e6, p.score(zero, 1), 1, "of whom nothing is known, the mean of all")
	later := p.score(zero.Add(10*time.Minute), 0)
	require.InDelta(t, 30e6-10e6+7*7*7*10e6, later, 1e5, "what it said long ago counts no more")
}

func TestC3_PicksTheLowestScore(t *testing.T) {
	p := fleet[*c3](newC3, 3, 1)
	now := zero
	took := []time.Duration{40 * time.Millisecond, 10 * time.Millisecond, 40 * time.Millisecond}
	end := func(i int) Observation { return Observation{Kind: Done, Latency: took[i], Run: took[i]} }
	play(p, &now, 10, end)
	got := play(p, &now, 100, end)
	require.Greater(t, got[1], 95)
}
