package admission

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/failsafe-go/failsafe-go/adaptivelimiter"
	"github.com/stretchr/testify/require"

	"spillway/job"
)

// doorman is a limiter of tasks in flight.
type doorman interface {
	admit(now time.Time, l job.Load) (record func(queued, run time.Duration), ok bool)
	limit() float64
}

// ours is the gradient controller.
type ours struct{ c *gradient }

func (o ours) limit() float64 { return o.c.limit }

func (o ours) admit(now time.Time, l job.Load) (func(queued, run time.Duration), bool) {
	if o.c.Decide(now, Arrival{MayReject: true, Load: l}).Reject {
		return nil, false
	}
	return func(queued, run time.Duration) {
		o.c.Observe(time.Now(), Sample{Queued: queued, Run: run, Work: stationService})
	}, true
}

// theirs is failsafe-go's adaptive limiter.
type theirs struct {
	l adaptivelimiter.AdaptiveLimiter[any]
}

func (o theirs) limit() float64 { return float64(o.l.Limit()) }

func (o theirs) admit(time.Time, job.Load) (func(queued, run time.Duration), bool) {
	permit, ok := o.l.TryAcquirePermit()
	if !ok {
		return nil, false
	}
	return func(time.Duration, time.Duration) { permit.Record() }, true
}

const (
	stationSlots   = 8
	stationService = 20 * time.Millisecond // so that it does 400 a second
)

// serve lets tasks come to eight slots at a rate, for a time, and returns the mean of
// the limit in the second half, and how many were turned away. It is to run in a bubble.
func serve(d doorman, rate float64, length time.Duration) (limit float64, turned int) {
	type customer struct {
		came, begins, ends time.Time
		record             func(queued, run time.Duration)
	}
	rng := rand.New(rand.NewPCG(1, 1))
	start := time.Now()
	free := make([]time.Time, stationSlots) // when each slot is free
	var in []customer                       // by their end
	n, sum := 0, 0.0
	for next := start; next.Sub(start) < length; {
		next = next.Add(time.Duration(rng.ExpFloat64() / rate * float64(time.Second)))
		run := time.Duration((.5 + rng.Float64()) * float64(stationService))
		for len(in) > 0 && !in[0].ends.After(next) {
			c := in[0]
			in = in[1:]
			time.Sleep(time.Until(c.ends))
			c.record(c.begins.Sub(c.came), c.ends.Sub(c.begins))
		}
		time.Sleep(time.Until(next))
		if next.Sub(start) > length/2 {
			n, sum = n+1, sum+d.limit()
		}
		l := job.Load{Slots: stationSlots, Running: min(len(in), stationSlots), Queued: max(0, len(in)-stationSlots)}
		record, ok := d.admit(next, l)
		if !ok {
			turned++
			continue
		}
		slot := 0
		for i := range free {
			if free[i].Before(free[slot]) {
				slot = i
			}
		}
		c := customer{came: next, begins: next, record: record}
		if free[slot].After(next) {
			c.begins = free[slot]
		}
		c.ends = c.begins.Add(run)
		free[slot] = c.ends
		i := len(in)
		for in = append(in, c); i > 0 && in[i-1].ends.After(c.ends); i-- {
			in[i-1], in[i] = in[i], in[i-1]
		}
	}
	for _, c := range in {
		time.Sleep(time.Until(c.ends))
		c.record(c.begins.Sub(c.came), c.ends.Sub(c.begins))
	}
	return sum / float64(max(1, n)), turned
}

// The mean of failsafe's own limit is 5 to 30, by length and start, so that the region
// is all that can be compared.
func TestGradient_FindsTheRegionThatFailsafeFindsInOverload(t *testing.T) {
	for _, row := range []struct {
		name string
		warm time.Duration // at half load
		rate float64
	}{
		{"twice, cold", 0, 800},
		{"three times, after half load", time.Minute, 1200},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				find := func(d doorman) float64 {
					serve(d, 200, row.warm)
					limit, _ := serve(d, row.rate, 2*time.Minute)
					return limit
				}
				mine, other := find(newOurs(t)), find(theirs{adaptivelimiter.NewBuilder[any]().Build()})
				t.Logf("ours %.1f, failsafe %.1f", mine, other)
				require.True(t, mine < 2*other && other < 2*mine, "ours %v, failsafe %v", mine, other)
			})
		})
	}
}

func TestGradient_LetsEverythingPassAsFailsafeDoesWhereThereIsRoom(t *testing.T) {
	for _, rate := range []float64{50, 200, 300} {
		synctest.Test(t, func(t *testing.T) {
			for _, d := range []doorman{newOurs(t), theirs{adaptivelimiter.NewBuilder[any]().Build()}} {
				_, turned := serve(d, rate, time.Minute)
				require.Zero(t, turned, "%T at %v/s", d, rate)
			}
		})
	}
}

func TestGradient_DoesNotDriftInAnOverloadThatLasts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limit, _ := serve(newOurs(t), 800, 5*time.Minute)
		require.InDelta(t, 16, limit, 4, "two tasks a slot")
	})
}

func newOurs(t *testing.T) ours {
	c, err := New("gradient", Config{})
	require.NoError(t, err)
	return ours{c.(*staged).limit.(*gradient)}
}
