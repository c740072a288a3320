package policy

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/failsafe-go/failsafe-go/adaptivethrottler"
	"github.com/stretchr/testify/require"
)

func ended(t *throttle, now time.Time, accepted, rejected int) {
	for range accepted {
		t.observe(now, Observation{Kind: Done})
	}
	for range rejected {
		t.observe(now, Observation{Kind: Rejected})
	}
}

// TestThrottle_HoldsBackAsFailsafeDoes holds the chance against another implementation of
// the same formula, which calls 1/K the success rate that it wants.
func TestThrottle_HoldsBackAsFailsafeDoes(t *testing.T) {
	for _, k := range []float64{1.25, 2, 4} {
		for _, row := range []struct{ accepted, rejected int }{{0, 0}, {0, 1}, {1, 0}, {50, 50}, {10, 90}, {1, 200}, {90, 10}, {0, 500}} {
			oracle := adaptivethrottler.NewBuilder[any]().
				WithFailureRateThreshold(1-1/k, 0, time.Hour).WithMaxRejectionRate(1).Build()
			for range row.accepted {
				oracle.RecordSuccess()
			}
			for range row.rejected {
				oracle.RecordFailure()
			}
			oracle.TryAcquirePermit()
			own := newThrottle(k)
			ended(own, time.Unix(100, 0), row.accepted, row.rejected)
			require.InDelta(t, oracle.RejectionRate(), own.chance(time.Unix(100, 0), 0), 1e-9, "K %v, %+v", k, row)
		}
	}
}

func TestThrottle_HoldsBackByTheFormula(t *testing.T) {
	for _, row := range []struct {
		accepted, rejected int
		want               float64
	}{
		{50, 50, 0}, {10, 90, 80. / 101}, {0, 9, .9}, {100, 0, 0},
	} {
		own := newThrottle(2)
		ended(own, time.Unix(100, 0), row.accepted, row.rejected)
		require.InDelta(t, row.want, own.chance(time.Unix(100, 0), 0), 1e-9, "%+v", row)
	}
}

func TestThrottle_CountsWhatItHeldBack(t *testing.T) {
	own, now, rng := newThrottle(2), time.Unix(100, 0), rand.New(rand.NewPCG(1, 2))
	ended(own, now, 10, 30)
	before, held := own.chance(now, 0), 0
	for range 100 {
		if own.holds(now, 0, rng) {
			held++
		}
	}
	require.Positive(t, held)
	require.InDelta(t, (40+float64(held)-20)/(41+float64(held)), own.chance(now, 0), 1e-9)
	require.Greater(t, own.chance(now, 0), before)
}

func TestThrottle_WhatIsAtWorkIsNotTurnedAway(t *testing.T) {
	own, now := newThrottle(2), time.Unix(100, 0)
	for range 100 {
		own.observe(now, Observation{Kind: Sent})
	}
	require.Zero(t, own.chance(now, 0))
	for _, k := range []Kind{Done, Broke, Cancelled, Superseded} {
		own.observe(now, Observation{Kind: k})
	}
	require.Zero(t, own.chance(now, 0), "none of these is a rejection")
}

func TestThrottle_ForgetsAfterTwoMinutes(t *testing.T) {
	own, now := newThrottle(2), time.Unix(100, 0)
	ended(own, now, 0, 100)
	require.InDelta(t, .99, own.chance(now.Add(110*time.Second), 0), .01)
	require.Zero(t, own.chance(now.Add(130*time.Second), 0))
	require.Zero(t, own.chance(now.Add(1000*time.Hour), 0))
}
