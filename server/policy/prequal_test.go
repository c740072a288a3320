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

// newPrequalTest is a prequal over so many nodes, with parameters, that never explores.
func newPrequalTest(t *testing.T, nodes int, list string) *prequal {
	words := params.Parse(list)
	p := newPrequal(words).(*prequal)
	require.NoError(t, words.Finish())
	p.explore = 0
	for i := range nodes {
		p.Set(zero, i, Node{Up: true, Slots: 4})
	}
	return p
}

// says has node i answer a probe.
func (p *prequal) says(now time.Time, i, rif int, latency time.Duration) {
	p.Probed(now, i, &job.Load{Slots: 4, Running: rif, Latency: latency})
}

func (p *prequal) picks(t *testing.T, now time.Time) int {
	i, v := p.Pick(now, Request{Rand: rand.New(rand.NewPCG(1, 2))})
	require.Equal(t, Chosen, v)
	return i
}

// kept are the nodes that the pool has answers of.
func (p *prequal) kept() []int {
	var nodes []int
	for _, a := range p.pool {
		nodes = append(nodes, a.node)
	}
	return nodes
}

func TestPrequal_AmongColdNodesTheLowestLatency(t *testing.T) {
	p := newPrequalTest(t, 100, "q=0.7")
	p.says(zero, 1, 2, 30*time.Millisecond)
	p.says(zero, 2, 3, 10*time.Millisecond)
	p.says(zero, 3, 0, 20*time.Millisecond)
	p.says(zero, 4, 9, time.Millisecond) // the fastest, but hot
	require.Equal(t, 2, p.picks(t, zero), "its RIF counts for nothing as long as it is cold")
}

func TestPrequal_AmongHotNodesTheLowestRIF(t *testing.T) {
	p := newPrequalTest(t, 100, "q=0.1")
	for range 50 {
		p.rifs.add(1)
	}
	p.says(zero, 1, 9, 10*time.Millisecond)
	p.says(zero, 2, 5, 30*time.Millisecond)
	p.says(zero, 3, 7, 20*time.Millisecond)
	require.Equal(t, 2, p.picks(t, zero))
}

func TestPrequal_ANodeThatFailsMuchIsHot(t *testing.T) {
	p := newPrequalTest(t, 100, "")
	for range 10 {
		p.Observe(zero, Observation{Node: 1, Kind: Rejected})
	}
	p.says(zero, 1, 0, time.Millisecond)
	p.says(zero, 2, 0, time.Second)
	require.Equal(t, 2, p.picks(t, zero))
	later := zero.Add(5 * time.Minute)
	p.says(later, 1, 0, time.Millisecond)
	p.says(later, 2, 0, time.Second)
	require.Equal(t, 1, p.picks(t, later), "it is forgiven")
}

func TestPrequal_OwnAttemptsRaiseTheRIFOnEveryCopy(t *testing.T) {
	p := newPrequalTest(t, 100, "remove=0")
	p.says(zero, 1, 1, 20*time.Millisecond)
	p.says(zero, 1, 3, 40*time.Millisecond)
	p.says(zero, 2, 1, 20*time.Millisecond)
	p.pool[0].uses, p.pool[1].uses = 9, 9
	p.Observe(zero, Observation{Node: 1, Kind: Sent})
	require.InDelta(t, 2, p.pool[0].rif, 0)
	require.InDelta(t, 30e6, p.pool[0].latency, 1, "20 ms · (2+1)/(1+1)")
	require.InDelta(t, 4, p.pool[1].rif, 0)
	require.InDelta(t, 50e6, p.pool[1].latency, 1)
	require.InDelta(t, 1, p.pool[2].rif, 0, "not on those of others")
}

func TestPrequal_AnswersGetTooOld(t *testing.T) {
	p := newPrequalTest(t, 2, "age=1s")
	p.says(zero, 1, 0, time.Millisecond)
	seen := map[int]bool{}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		i, _ := p.Pick(zero.Add(time.Second), Request{Rand: rng})
		require.Equal(t, 1, i)
		i, _ = p.Pick(zero.Add(time.Second+1), Request{Rand: rng})
		seen[i] = true
	}
	require.Len(t, seen, 2, "without answers it draws")
}

func TestPrequal_AnAnswerIsReusedByTheFormula(t *testing.T) {
	for _, row := range []struct {
		nodes int
		list  string
		want  float64
	}{
		{160, "pool=16,probes=3,remove=1", 1},     // 2 / (0.9·3 − 1) = 1.18
		{160, "pool=16,probes=2,remove=1.6", 10},  // 2 / (0.9·2 − 1.6)
		{32, "pool=16,probes=3,remove=1", 4},      // 2 / (0.5·3 − 1)
		{10, "pool=16,probes=3", math.Inf(1)},     // the pool holds every node
		{1600, "pool=16,probes=100,remove=0", 1},  // never less
		{160, "pool=16,probes=1", math.Inf(1)},    // more leaves than comes
		{16000, "pool=16,probes=3,remove=2.5", 4}, // 2 / (0.999·3 − 2.5) = 4.02
	} {
		p := newPrequalTest(t, row.nodes, row.list)
		require.InDelta(t, row.want, p.reuse(), 0, "%d nodes, %s", row.nodes, row.list)
	}
	p := newPrequalTest(t, 32, "remove=0,probes=1")
	p.says(zero, 1, 0, 1)
	require.InDelta(t, 4, p.pool[0].uses, 0)
	for range 3 {
		p.Observe(zero, Observation{Node: 1, Kind: Sent})
		require.Len(t, p.pool, 1)
	}
	p.Observe(zero, Observation{Node: 1, Kind: Sent})
	require.Empty(t, p.pool)
}

func TestPrequal_RemovesTheOldestAndTheWorstInTurn(t *testing.T) {
	p := newPrequalTest(t, 100, "q=1")
	at := func(ms int) time.Time { return zero.Add(time.Duration(ms) * time.Millisecond) }
	p.says(at(0), 1, 0, 10*time.Millisecond)
	p.says(at(1), 2, 0, 30*time.Millisecond)
	p.says(at(2), 3, 0, 90*time.Millisecond)
	p.says(at(3), 4, 0, 50*time.Millisecond)
	p.Observe(at(4), Observation{Node: 99, Kind: Sent})
	require.ElementsMatch(t, []int{2, 3, 4}, p.kept(), "1 was the oldest")
	p.Observe(at(4), Observation{Node: 99, Kind: Sent})
	require.ElementsMatch(t, []int{2, 4}, p.kept(), "3 was the slowest")
}

func TestPrequal_AFullPoolForgetsTheOldest(t *testing.T) {
	p := newPrequalTest(t, 100, "pool=3")
	for i := range 5 {
		p.says(zero.Add(time.Duration(i)), i, 0, time.Millisecond)
	}
	require.ElementsMatch(t, []int{2, 3, 4}, p.kept())
}

func TestPrequal_ANodeThatLeavesTakesItsAnswersAlong(t *testing.T) {
	p := newPrequalTest(t, 3, "")
	p.says(zero, 1, 0, time.Millisecond)
	p.says(zero, 2, 0, time.Second)
	p.Set(zero, 1, Node{Up: false})
	require.Equal(t, []int{2}, p.kept())
	p.says(zero, 1, 0, time.Millisecond)
	p.Probed(zero, 0, nil)
	p.Probed(zero, 0, &job.Load{Draining: true})
	require.Equal(t, []int{2}, p.kept(), "an answer that comes late, or is none, or from who takes nothing new")
}

func TestPrequal_AsksSoManyNodesAPick(t *testing.T) {
	p := newPrequalTest(t, 100, "probes=2.5")
	rng, asked, now := rand.New(rand.NewPCG(1, 2)), map[int]int{}, zero
	total := 0
	for range 1000 {
		p.Pick(now, Request{Rand: rng})
		for _, i := range p.Probes(now, rng, nil) {
			asked[i]++
			total++
		}
	}
	require.InDelta(t, 2500, total, 60, "but for those drawn twice at once")
	require.Len(t, asked, 100)
	require.Empty(t, p.Probes(now, rng, nil))
	now = now.Add(time.Second)
	require.Len(t, p.Probes(now, rng, nil), 1, "while nothing is picked, once in a while")
}

func TestPrequal_ABurstOfPicksAsksNoMoreThanThePoolHolds(t *testing.T) {
	p := newPrequalTest(t, 1000, "")
	rng := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		p.Pick(zero, Request{Rand: rng})
	}
	require.LessOrEqual(t, len(p.Probes(zero, rng, nil)), 16)
	require.Empty(t, p.Probes(zero, rng, nil))
	empty := newPrequalTest(t, 0, "")
	empty.Pick(zero, Request{Rand: rng})
	require.Empty(t, empty.Probes(zero, rng, nil))
}

func TestRIFQuantile_IsThatOfTheLast(t *testing.T) {
	var q rifQuantile
	for range 500 {
		q.add(60)
	}
	for rif := range 128 {
		q.add(rif % 10)
	}
	require.InDelta(t, 0, q.quantile(0), 0)
	require.InDelta(t, 4, q.quantile(.5), 0)
	require.InDelta(t, 9, q.quantile(1), 0)
	q.add(1000)
	require.True(t, math.IsInf(q.quantile(1), 1), "what is more than is counted")
}
