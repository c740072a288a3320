package tail_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/server/tail"
)

const ms = time.Millisecond

// learned is a hedge that has seen so many latencies, of which each nth is slow.
func learned(cfg tail.HedgeConfig, count, nth int, fast, slow time.Duration) *tail.Hedge {
	h := tail.NewHedge(cfg)
	for n := range count {
		took := fast
		if nth > 0 && n%nth == nth-1 {
			took = slow
		}
		h.Observe(took, took/2, 1)
	}
	return h
}

func TestHedge_CopyIsDueWhenFewTasksTakeLonger(t *testing.T) {
	rows := []struct {
		name string
		h    *tail.Hedge
		work float64
		want time.Duration
	}{
		{"nothing is known", tail.NewHedge(tail.HedgeConfig{Budget: .1}), 1, 50 * ms},
		{"too little is known", learned(tail.HedgeConfig{Budget: .1, Cold: 7 * ms}, 19, 0, ms, 0), 1, 7 * ms},
		{"the little that is known takes longer", learned(tail.HedgeConfig{Budget: .1}, 2, 2, 3000*ms, 4000*ms), 2, 8000 * ms},
		{"an outlier of the little that is known", learned(tail.HedgeConfig{Budget: .1}, 10, 10, 100*ms, 9000*ms), 1, 500 * ms},
		{"one in fifty is slow", learned(tail.HedgeConfig{Budget: .1}, 1000, 50, 100*ms, 3000*ms), 1, 100 * ms},
		{"one in ten is somewhat slow", learned(tail.HedgeConfig{Budget: .1}, 1000, 10, 100*ms, 300*ms), 1, 300 * ms},
		{"one in ten straggles", learned(tail.HedgeConfig{Budget: .1}, 1000, 10, 100*ms, 3000*ms), 1, 500 * ms},
		{"ten times the work", learned(tail.HedgeConfig{Budget: .1}, 1000, 0, 100*ms, 0), 10, 1000 * ms},
		{"less than two round trips", learned(tail.HedgeConfig{Budget: .1}, 1000, 0, 100*ms, 0), .1, 100 * ms},
	}
	for _, row := range rows {
		after, ok := row.h.After(row.work)
		require.True(t, ok, row.name)
		require.InEpsilon(t, row.want, after, .1, row.name)
	}
	_, ok := tail.NewHedge(tail.HedgeConfig{}).After(1)
	require.False(t, ok, "without a budget nothing is copied")
}

func TestHedge_CopiesAreAPartOfTheTasks(t *testing.T) {
	h := learned(tail.HedgeConfig{Budget: .15}, 1000, 0, ms, 0)
	copies := 0
	const tasks = 10_000
	for range tasks {
		h.Begin()
		if h.Take(.5) {
			copies++
		}
	}
	require.InDelta(t, .15*tasks, copies, 15)
	require.False(t, h.Take(0), "the budget is spent")
	h.GiveBack()
	require.False(t, h.Take(.7), "the nodes are busy")
	require.True(t, h.Take(.69))
	all := tail.NewHedge(tail.HedgeConfig{Budget: 1})
	for range 100 {
		require.True(t, all.Take(0), "no part is too much")
	}
}

func TestBudget_RetriesAreHeldToAPartOfWhatSucceeds(t *testing.T) {
	now := time.Unix(0, 0)
	b := tail.NewBudget(tail.BudgetConfig{Most: 5})
	for range 5 {
		_, ok := b.Take(now)
		require.True(t, ok, "a full budget")
	}
	wait, ok := b.Take(now)
	require.False(t, ok)
	require.Equal(t, 100*ms, wait, "ten a second")
	_, ok = b.Take(now.Add(wait))
	require.True(t, ok)
	now = now.Add(wait)
	for range 5 {
		b.Earn()
	}
	_, ok = b.Take(now)
	require.True(t, ok, "five that are done earn one")
	_, ok = b.Take(now)
	require.False(t, ok)
	granted := 0
	for range 1000 {
		b.Earn()
		if _, ok := b.Take(now); ok {
			granted++
		}
	}
	require.InDelta(t, 200, granted, 1)
}

func TestPause_GrowsWithFullJitterToItsBound(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	var p tail.Pause
	least, most := time.Hour, time.Duration(0)
	for n := range 400 {
		d := p.Next(r)
		if n < 3 {
			require.LessOrEqual(t, d, 3*ms)
		}
		if n > 20 {
			least, most = min(least, d), max(most, d)
		}
	}
	require.Less(t, least, 20*ms)
	require.Greater(t, most, 950*ms)
	require.LessOrEqual(t, most, time.Second)
}
