package policy

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
)

// saysBusy tells of an attempt that node i did at once, and that it has as many of others.
func saysBusy(p *pull, now time.Time, i, others int) {
	p.Observe(now, Observation{Node: i, Kind: Sent})
	l := &job.Load{Slots: 1, Running: min(1, others), Queued: max(0, others-1)}
	p.Observe(now, Observation{Node: i, Kind: Done, Latency: time.Millisecond, Run: time.Millisecond, Load: l})
}

func TestPull_ServersThatKnowTheSameBeginAtDifferentNodes(t *testing.T) {
	first := map[int]bool{}
	for seed := range uint64(50) {
		i, v := newPullTest(100, 1).Pick(zero, Request{Rand: rand.New(rand.NewPCG(seed, 2))})
		require.Equal(t, Chosen, v)
		first[i] = true
	}
	require.Greater(t, len(first), 25, "of 50 that draw among 100")
}

func TestPull_ANodeThatOthersKeepBusyIsLeftForOneThatIsIdle(t *testing.T) {
	p, rng := newPullTest(40, 1), rand.New(rand.NewPCG(1, 2))
	for i := range 40 {
		saysBusy(p, zero, i, 4*((39-i)/20)) // the first 20, whose turn it is
	}
	for range 20 {
		i, v := p.Pick(zero, Request{Rand: rng})
		require.Equal(t, Chosen, v)
		require.GreaterOrEqual(t, i, 20)
		p.Observe(zero, Observation{Node: i, Kind: Sent})
	}
}

func TestPull_AnIdleNodeIsFoundByAskingWhereOthersSendToo(t *testing.T) {
	p, rng := newPullTest(40, 1), rand.New(rand.NewPCG(1, 2))
	for n := range 80 {
		saysBusy(p, zero, n%40, 3)
	}
	asked := p.Probes(zero, rng, nil)
	require.NotEmpty(t, asked)
	for _, i := range asked {
		p.Probed(zero, i, &job.Load{Slots: 1, Running: 1, Queued: 2})
	}
	idle := asked[len(asked)-1]
	p.Probed(zero, idle, &job.Load{Slots: 1})
	pick := func(now time.Time) int {
		i, v := p.Pick(now, Request{Rand: rng})
		require.Equal(t, Chosen, v)
		return i
	}
	require.Equal(t, idle, pick(zero))
	later := zero.Add(2 * wordFor)
	p.Probes(later, rng, nil)
	require.NotEqual(t, idle, pick(later), "what it said is old, and it was served last")
}

func TestPull_AloneItAsksNobodyAround(t *testing.T) {
	p, rng := newPullTest(40, 2), rand.New(rand.NewPCG(1, 2))
	for n := range 400 {
		now := zero.Add(time.Duration(n) * time.Millisecond)
		i, v := p.Pick(now, Request{Rand: rng})
		require.Equal(t, Chosen, v)
		p.Observe(now, Observation{Node: i, Kind: Sent})
		require.Empty(t, p.Probes(now, rng, nil))
		p.Observe(now, Observation{
			Node: i, Kind: Done, Latency: time.Millisecond, Run: time.Millisecond, Load: &job.Load{Slots: 2},
		})
	}
	require.Zero(t, p.others(zero, 0))
}

func TestPull_WaitingBehindOthersIsNoDelay(t *testing.T) {
	late := func(others int) float64 {
		p := newPullTest(40, 1)
		for i := range 40 {
			saysBusy(p, zero, i, others)
		}
		l := &job.Load{Slots: 1, Running: min(1, others), Queued: max(0, others-1)}
		for _, k := range []Kind{Done, Superseded} {
			p.Observe(zero, Observation{Node: 0, Kind: Sent})
			o := Observation{Node: 0, Kind: k, Latency: 30 * time.Millisecond}
			if k == Done {
				o.Run, o.Load = time.Millisecond, l
			}
			p.Observe(zero, o)
		}
		return p.learner.node(0).late
	}
	require.Positive(t, late(0), "nothing else explains it")
	require.Zero(t, late(40))
}
