package admission

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
)

// limitOf is the second stage of a controller.
func limitOf[C Controller](t *testing.T, word string) C {
	t.Helper()
	c, err := New(word, Config{Seed: 1})
	require.NoError(t, err)
	return c.(*staged).limit.(C)
}

func full(queued int) Arrival {
	return Arrival{MayReject: true, Load: job.Load{Slots: 2, Running: 2, Queued: queued, Mean: time.Second}}
}

func TestQueue_RejectsBeyondItsPlaces(t *testing.T) {
	for word, places := range map[string]int{"queue": 8, "queue:k=0": 0, "queue:k=3": 6} {
		c := limitOf[*queue](t, word)
		for n := range 20 {
			require.Equal(t, n >= places, c.Decide(now, full(n)).Reject, "%s with %d waiting", word, n)
		}
		require.False(t, c.Decide(now, Arrival{MayReject: true, Load: job.Load{Slots: 2, Running: 1, Delayed: 99}}).Reject, "a slot is free")
	}
}

// paper is the pseudocode of "Fail at Scale", with its times.
func paper(now, lastEmpty time.Time, m, n time.Duration) (timeout time.Duration, newest bool) {
	if lastEmpty.Before(now.Add(-n)) {
		return m, true
	}
	return n, false
}

func TestCodel_IsThePapers(t *testing.T) {
	c := limitOf[*codel](t, "codel")
	rng := rand.New(rand.NewPCG(1, 1))
	for range 1000 {
		standing := time.Duration(rng.IntN(200)) * time.Millisecond
		timeout, newest := paper(at(standing), now, 5*time.Millisecond, 100*time.Millisecond)
		require.Equal(t, Discipline{Newest: newest, Timeout: timeout}, c.Discipline(at(standing), standing), "%v", standing)
	}
}

func TestCodel_SlowOperationsAreNoOverload(t *testing.T) {
	c := limitOf[*codel](t, "codel:n=200ms,factor=10")
	require.Equal(t, Discipline{Newest: true, Timeout: 20 * time.Millisecond}, c.Discipline(now, time.Second))
	for i := range 2000 {
		c.Observe(now, Sample{Run: time.Duration(i%21) * 100 * time.Millisecond})
		c.Observe(now, Sample{Run: time.Hour, Code: job.Internal})
	}
	d := c.Discipline(now, 1500*time.Millisecond) // N is 2 s by now
	require.InDelta(t, 2, d.Timeout.Seconds(), .15)
	require.False(t, d.Newest)
	d = c.Discipline(now, 3*time.Second)
	require.InDelta(t, .2, d.Timeout.Seconds(), .015)
	require.True(t, d.Newest)
}

func TestCodel_KeepsWaitsShortInOverloadWhereAQueueDoesNot(t *testing.T) {
	median := func(word string) time.Duration {
		w := newWorld(t, word, GateConfig{Slots: 4, Waiting: 1000}, 0, 1)
		w.rate = 600
		w.run(10 * time.Second)
		require.InDelta(t, 2000, w.done, 50)
		slices.Sort(w.waits)
		return w.waits[len(w.waits)/2]
	}
	require.Less(t, median("codel"), 5*time.Millisecond, "M")
	require.Greater(t, median("probability"), time.Second, "a thousand wait")
}

func TestCodel_IsFirstComeFirstServedBelowOverload(t *testing.T) {
	plain, codel := newWorld(t, "probability", four, .2, 1), newWorld(t, "codel:n=10s", four, .2, 1)
	for _, w := range []*world{plain, codel} {
		w.rate = 190
		w.run(5 * time.Second)
	}
	require.Equal(t, plain.log, codel.log)
}

func TestRed_AverageIsThePapers(t *testing.T) {
	c := limitOf[*red](t, "red:w=0.01")
	rng := rand.New(rand.NewPCG(1, 1))
	avg, when, idle := 0.0, now, time.Time{}
	for range 5000 {
		when = when.Add(time.Duration(rng.IntN(3e9)))
		q := max(0, rng.IntN(8)-2)
		c.Decide(when, full(q))
		switch {
		case q > 0:
			avg, idle = avg+.01*(float64(q)-avg), time.Time{}
		case idle.IsZero():
			avg, idle = avg+.01*(0-avg), when
		default:
			m := max(1, when.Sub(idle).Seconds()/.5) // two slots, a second a task
			avg, idle = math.Pow(1-.01, m)*avg, when
		}
		require.InDelta(t, avg, c.avg, 1e-9)
	}
}

func TestRed_RejectsAsOftenAsTheFormulaSays(t *testing.T) {
	const n = 100_000
	for avg, want := range map[float64]float64{0: 0, .99: 0, 1: 0, 1.5: .025, 2: .05, 2.98: .099, 3: 1, 9: 1} {
		c := limitOf[*red](t, "red:w=0.000001")
		rejected := 0
		for range n {
			c.avg = 2 * avg // of two slots
			if c.Decide(now, full(int(2*avg))).Reject {
				rejected++
			}
		}
		if want == 0 || want == 1 {
			require.InDelta(t, want*n, rejected, 1, "average %v", avg)
			continue
		}
		sd := math.Sqrt(n * want * (1 - want))
		require.InDelta(t, want*n, rejected, 5*sd+n*.0002, "average %v", avg)
	}
}

func TestGradient_StepsAreNetflixs(t *testing.T) {
	for name, row := range map[string]struct{ long, short, want float64 }{
		"as ever":              {1, 1, 20.8},
		"a little slower":      {1, 1.4, 20.8},
		"twice as slow":        {1, 2, .8*20 + .2*(20*.75+4)},
		"very slow":            {1, 100, .8*20 + .2*(20*.5+4)},
		"faster than in times": {1, .2, 20.8},
	} {
		t.Run(name, func(t *testing.T) {
			c := limitOf[*gradient](t, "gradient:long=1048576") // long stays where it is
			c.long, c.windows, c.peak, c.slots = row.long, gradientSamples, 20, 4
			c.update(row.short)
			require.InDelta(t, row.want, c.limit, 1e-3)
		})
	}
}

func TestGradient_LimitStaysWithinItsBounds(t *testing.T) {
	c := limitOf[*gradient](t, "gradient:max=30")
	c.slots, c.peak = 8, 100
	for range 100 {
		c.update(1)
	}
	require.EqualValues(t, 30, c.limit)
	c.turned = true
	for range 100 {
		c.peak = 100
		c.update(50)
	}
	require.EqualValues(t, 8, c.limit, "the node's slots")
}

func TestGradient_LearnsNothingOfALimitThatIsNotUsed(t *testing.T) {
	c := limitOf[*gradient](t, "gradient")
	c.peak = 9
	c.update(1)
	require.EqualValues(t, 20, c.limit)
	c.peak = 10
	c.update(1)
	require.InDelta(t, 20.8, c.limit, 1e-9)
}

func TestGradient_LongAverage(t *testing.T) {
	c := limitOf[*gradient](t, "gradient:long=99")
	for range 9 {
		c.update(2)
	}
	require.InDelta(t, 1.9, c.long, 1e-9, "the mean of one 1 and nine 2")
	c.update(1)
	require.InDelta(t, 1.9-.9*.02, c.long, 1e-9)
	before := c.long
	c.turned = true
	c.update(3)
	require.Equal(t, before, c.long, "a window that turned tasks away is no measure")
	c.turned = false
	c.update(.5)
	require.InDelta(t, (before+(.5-before)*.02)*.95, c.long, 1e-9, "a long that is far too high sinks fast")
}

func TestGradient_LargePicturesAreNoOverload(t *testing.T) {
	c := limitOf[*gradient](t, "gradient:window=1ms,start=40")
	for i := range 1000 {
		when := at(time.Duration(i) * time.Millisecond)
		c.Decide(when, Arrival{MayReject: true, Load: job.Load{Slots: 64, Running: 40}})
		work := time.Second
		if i > 500 {
			work = time.Hour
		}
		c.Observe(when, Sample{Run: work, Work: work})
	}
	require.Greater(t, c.limit, 64.0)
}

func TestNew_TakesParametersAndSaysWhatIsWrong(t *testing.T) {
	for word, want := range map[string]string{
		"queue:k=x":            "k=x is no whole number from 0 to 16384; write queue:k=VALUE; its parameters are k",
		"codel:n=0s":           "n=0s is no time from 1ms to 1h0m0s",
		"red:min=4":            "min=4 is not below max=3",
		"gradient:start=500":   "start=500 is above max=200",
		"gradient:speed=1":     `it has no parameter "speed"`,
		"probability:p=1":      "write probability alone: it has no parameters",
		"none:":                "nothing stands behind the colon",
		"none":                 "",
		"red:w=0.5,min=0,p=.2": "",
	} {
		_, err := New(word, Config{})
		if want == "" {
			require.NoError(t, err, word)
			continue
		}
		require.Equal(t, job.InvalidArgument, job.CodeOf(err), word)
		require.Contains(t, job.Describe(err), want)
	}
}
