package admission

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
)

// Four slots and 20 ms a task do 200 tasks a second.
var four = GateConfig{Slots: 4, Waiting: 50}

// each runs a test for every controller.
func each(t *testing.T, test func(t *testing.T, name string)) {
	for _, name := range Names() {
		t.Run(name, func(t *testing.T) { test(t, name) })
	}
}

func TestConformance_SameSeedSameCourse(t *testing.T) {
	course := func(name string, seed uint64) []string {
		w := newWorld(t, name, four, .2, seed)
		w.rate, w.may = 300, .8
		w.run(2 * time.Second)
		w.rest()
		return w.log
	}
	each(t, func(t *testing.T, name string) {
		first := course(name, 1)
		require.Equal(t, first, course(name, 1))
		require.NotEqual(t, first, course(name, 2))
	})
}

// The worlds check on each step that only tasks are rejected that may be, with reason
// and time, that the queue is bounded, and that no slot is idle while a task waits.
func TestConformance_EveryTaskEndsOnceUnderEveryLoad(t *testing.T) {
	each(t, func(t *testing.T, name string) {
		for _, rate := range []float64{50, 190, 1000} {
			for _, limit := range []time.Duration{0, 60 * time.Millisecond} {
				w := newWorld(t, name, four, .1, 3)
				w.rate, w.limit, w.may = rate, limit, .9
				if rate > 200 {
					w.may = 1 // else those that may not be rejected pile up for ever
				}
				w.run(2 * time.Second)
				w.rest()
				w.idle()
				require.Positive(t, w.done)
				if limit > 0 && rate > 200 {
					require.Positive(t, w.late)
				}
			}
		}
	})
}

func TestConformance_NothingIsRejectedThatMayNotBe(t *testing.T) {
	each(t, func(t *testing.T, name string) {
		w := newWorld(t, name, four, .5, 3)
		w.rate, w.may = 1000, 0
		w.run(time.Second)
		w.rest()
		w.idle()
		require.Equal(t, w.arrived, w.done)
	})
}

func TestConformance_IdleNodeAdmitsWhateverItWentThrough(t *testing.T) {
	each(t, func(t *testing.T, name string) {
		w := newWorld(t, name, four, 0, 3)
		for range 3 {
			w.rate = 2000
			w.run(time.Second)
			w.rest()
			before := w.rejected
			w.arrive()
			require.Equal(t, before, w.rejected)
			w.rest()
		}
	})
}

func TestConformance_OverloadIsTurnedAwayWithoutLossOfWork(t *testing.T) {
	each(t, func(t *testing.T, name string) {
		w := newWorld(t, name, four, 0, 3)
		w.rate = 600
		w.run(5 * time.Second)
		require.InDelta(t, 200*5, w.done, 50, "the slots are busy all the time")
		require.Positive(t, w.rejected)
	})
}

func TestConformance_DrawsComeFirstAndAreSpent(t *testing.T) {
	for _, name := range []string{"queue", "codel", "gradient", "red"} {
		t.Run(name, func(t *testing.T) {
			drawn, limited := controller(t, .5, 42), newGate(t, name, four, .5)
			for i := range 200 {
				a := Arrival{MayReject: i%3 > 0, Deadline: now.Add(time.Duration(i%2) * time.Hour)}
				want, got := drawn.Decide(now, a), limited.Arrive(now, a, &Entry[int]{})
				switch {
				case i%2 == 0:
					require.True(t, got.TooLate, "its deadline was over; the draw was spent")
				case want.Reject:
					require.Equal(t, want.Reason, got.Reason)
				case !got.Reject:
					require.Equal(t, want.Delay, got.Delay)
				}
			}
		})
	}
	none := newGate(t, "none", four, 1)
	require.Zero(t, none.Arrive(now, Arrival{MayReject: true}, &Entry[int]{}), "none injects nothing")
}

func TestConformance_DecideAndObserveDoNotAllocate(t *testing.T) {
	each(t, func(t *testing.T, name string) {
		c, err := New(name, Config{Probability: .3, Delay: time.Second})
		require.NoError(t, err)
		at, a := now, Arrival{MayReject: true, Load: job.Load{Slots: 4, Running: 4}}
		require.Zero(t, testing.AllocsPerRun(1000, func() {
			at = at.Add(50 * time.Millisecond)
			a.Load.Queued = (a.Load.Queued + 1) % 30
			c.Decide(at, a)
			c.Observe(at, Sample{Queued: time.Second, Run: time.Second})
		}))
	})
}

// newGate makes a gate whose tasks are numbers.
func newGate(t *testing.T, word string, cfg GateConfig, p float64) *Gate[int] {
	t.Helper()
	c, err := New(word, Config{Probability: p, Delay: 3 * time.Second, Seed: 42})
	require.NoError(t, err)
	return NewGate[int](cfg, c)
}

func BenchmarkConformance_Decide(b *testing.B) {
	for _, name := range Names() {
		b.Run(name, func(b *testing.B) {
			c, err := New(name, Config{Probability: .3, Delay: time.Second})
			require.NoError(b, err)
			when, a := now, Arrival{MayReject: true, Load: job.Load{Slots: 4, Running: 4, Mean: time.Second}}
			b.ReportAllocs()
			for b.Loop() {
				when = when.Add(time.Millisecond)
				a.Load.Queued = (a.Load.Queued + 1) % 16
				c.Decide(when, a)
			}
		})
	}
}
