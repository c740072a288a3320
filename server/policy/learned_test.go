package policy

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func newTestLearner() *learner { return &learner{halfLife: 30 * time.Second} }

// saw has a learner see an attempt end so many times.
func (l *learner) saw(now time.Time, n int, o Observation) {
	for range n {
		l.observe(now, o)
	}
}

const ms = time.Millisecond

func TestLearner_RejectionsAreNoLatencies(t *testing.T) {
	l := newTestLearner()
	l.saw(zero, 20, Observation{Node: 0, Kind: Done, Latency: 51 * ms, Run: 50 * ms})
	l.saw(zero, 20, Observation{Node: 1, Kind: Rejected, Latency: ms})
	l.saw(zero, 1, Observation{Node: 1, Kind: Done, Latency: 51 * ms, Run: 50 * ms})
	good, bad := l.estimate(zero, 0), l.estimate(zero, 1)
	require.InDelta(t, 50e6, bad.rate, 1e6)
	require.Greater(t, bad.reject, .85)
	require.Less(t, good.reject, .1)
	require.Greater(t, bad.cost(1), 2*good.cost(1), "it is not taken for fast")
}

func TestLearner_RatesAreByWork(t *testing.T) {
	l := newTestLearner()
	for _, w := range []float64{1, 10, 100} {
		l.saw(zero, 5, Observation{Node: 0, Kind: Done, Latency: time.Duration(w) * ms, Run: time.Duration(w) * ms, Work: w})
		l.saw(zero, 5, Observation{Node: 1, Kind: Done, Latency: time.Duration(8*w) * ms, Work: w})
	}
	require.InDelta(t, 1e6, l.estimate(zero, 0).rate, .3e6)
	require.InDelta(t, 8e6, l.estimate(zero, 1).rate, 1e6)
	require.InDelta(t, 1e6*50, l.estimate(zero, 0).lasts(50), .3e6*50)
}

func TestLearner_ADelayIsToldFromSlowWork(t *testing.T) {
	l := newTestLearner()
	for range 10 {
		l.saw(zero, 1, Observation{Node: 0, Kind: Done, Latency: 11 * ms, Run: 10 * ms})
		l.saw(zero, 1, Observation{Node: 0, Kind: Done, Latency: 3010 * ms, Run: 10 * ms})
		l.saw(zero, 2, Observation{Node: 1, Kind: Done, Latency: 11 * ms, Run: 10 * ms})
	}
	half, never := l.estimate(zero, 0), l.estimate(zero, 1)
	require.InDelta(t, 10e6, half.rate, 1e5, "the work itself is as fast")
	require.InDelta(t, 1500e6, half.late, 150e6)
	require.Less(t, never.late, 200e6)
}

func TestLearner_WhatWasSupersededTookAtLeastThatLong(t *testing.T) {
	l := newTestLearner()
	l.saw(zero, 5, Observation{Node: 0, Kind: Done, Latency: 10 * ms})
	l.saw(zero, 5, Observation{Node: 1, Kind: Done, Latency: 10 * ms})
	before := l.estimate(zero, 0).rate
	l.saw(zero, 5, Observation{Node: 0, Kind: Superseded, Latency: 200 * ms})
	e := l.estimate(zero, 0)
	require.InDelta(t, before, e.rate, 1, "no latency")
	require.Greater(t, e.late, 50e6)
	require.Greater(t, e.late, 2*l.estimate(zero, 1).late)
}

func TestLearner_AnUnknownNodeIsAsTheFleet(t *testing.T) {
	healthy, sick := newTestLearner(), newTestLearner()
	healthy.saw(zero, 100, Observation{Node: 0, Kind: Done, Latency: 10 * ms})
	sick.saw(zero, 100, Observation{Node: 0, Kind: Done, Latency: 10 * ms})
	sick.saw(zero, 100, Observation{Node: 1, Kind: Rejected, Latency: ms})
	require.Less(t, healthy.estimate(zero, 2).reject, .02)
	require.InDelta(t, .5, sick.estimate(zero, 2).reject, .01)
	require.InDelta(t, 10e6, healthy.estimate(zero, 2).rate, 1)
}

func TestLearner_Forgets(t *testing.T) {
	l := newTestLearner()
	l.saw(zero, 200, Observation{Node: 0, Kind: Done, Latency: 10 * ms})
	l.saw(zero, 20, Observation{Node: 1, Kind: Rejected, Latency: ms})
	l.saw(zero, 20, Observation{Node: 2, Kind: Done, Latency: 80 * ms, Run: 80 * ms})
	later := zero.Add(5 * time.Minute)
	l.saw(later, 200, Observation{Node: 0, Kind: Done, Latency: 10 * ms})
	require.Greater(t, l.estimate(zero, 1).reject, .9)
	require.Less(t, l.estimate(later, 1).reject, .1, "who turned tasks away long ago is tried again")
	require.Less(t, l.estimate(later, 2).rate, 20e6, "and who was slow")
	require.InDelta(t, 20./1024, l.node(1).rejected, 1e-3, "half after each half-life")
}

func TestLearner_AFirstDelayDoesNotMakeSlowForLong(t *testing.T) {
	l := newTestLearner()
	l.saw(zero, 1, Observation{Node: 0, Kind: Done, Latency: 3010 * ms}) // nobody told what of it was work
	l.saw(zero, 1, Observation{Node: 0, Kind: Done, Latency: 10 * ms})
	require.Less(t, l.estimate(zero, 0).rate, 20e6)
}

func TestLearner_SamplesSpreadAroundTheEstimate(t *testing.T) {
	l := newTestLearner()
	l.saw(zero, 30, Observation{Node: 0, Kind: Done, Latency: 11 * ms, Run: 10 * ms})
	l.saw(zero, 10, Observation{Node: 0, Kind: Rejected, Latency: ms})
	l.saw(zero, 10, Observation{Node: 0, Kind: Done, Latency: 3000 * ms, Run: 10 * ms})
	rng, e := rand.New(rand.NewPCG(1, 2)), l.estimate(zero, 0)
	reject, late, spread := 0.0, 0.0, 0.0
	const n = 10_000
	for range n {
		s := l.sample(zero, 0, rng)
		reject += s.reject / n
		late += s.late / n
		spread += (s.reject - e.reject) * (s.reject - e.reject) / n
	}
	require.InDelta(t, e.reject, reject, .003)
	require.InDelta(t, e.late, late, .03*e.late)
	// The variance of Beta(a, b) is ab/((a+b)²(a+b+1)); 50 attempts, and 2 of the prior.
	require.InDelta(t, e.reject*(1-e.reject)/53, spread, .0005)
}
