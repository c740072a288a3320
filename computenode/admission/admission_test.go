package admission

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
)

var now = time.Unix(1_700_000_000, 0)

// word is a decision in one letter: Rejected, Delayed, Admitted.
func word(d Decision) string {
	switch {
	case d.Reject:
		return "R"
	case d.Delay > 0:
		return "D"
	}
	return "A"
}

// decisions are those of n arrivals.
func decisions(c Controller, n int, mayReject func(int) bool) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(word(c.Decide(now, Arrival{MayReject: mayReject(i)})))
	}
	return b.String()
}

func always(int) bool { return true }
func never(int) bool  { return false }

func controller(t *testing.T, p float64, seed uint64) Controller {
	c, err := New(DefaultName, Config{Probability: p, Delay: DefaultDelay, Seed: seed})
	require.NoError(t, err)
	return c
}

func TestProbability_SequenceOfASeedNeverChanges(t *testing.T) {
	require.Equal(t, "DRARRRRRRRRAAAARRDRRDRRARDRRRRRDADRAAADD", decisions(controller(t, 0.5, 42), 40, always))
	require.Equal(t, "DAADADDDDDAAAAAAADDADDAADDAADDDDADDAAADD", decisions(controller(t, 0.5, 42), 40, never))
	require.NotEqual(t, decisions(controller(t, 0.5, 42), 40, never), decisions(controller(t, 0.5, 43), 40, never))
}

func TestProbability_NthArrivalMeetsTheSameDrawsWhateverCameBefore(t *testing.T) {
	reject, delay := decisions(controller(t, 0.4, 7), 1000, always), decisions(controller(t, 0.4, 7), 1000, never)
	mixed := decisions(controller(t, 0.4, 7), 1000, func(i int) bool { return i%3 == 0 })
	for i := range mixed {
		want := delay[i]
		if i%3 == 0 {
			want = reject[i]
		}
		require.Equal(t, want, mixed[i], "arrival %d", i)
	}
}

func TestProbability_FrequenciesAreTheAssignments(t *testing.T) {
	const n = 200_000
	for _, p := range []float64{0, 0.1, 0.2, 0.5, 0.9, 1} {
		got := decisions(controller(t, p, 1), n, always)
		near(t, p, got, "R", n)
		near(t, p*(1-p), got, "D", n)
		got = decisions(controller(t, p, 2), n, never)
		near(t, 0, got, "R", n)
		near(t, p, got, "D", n)
	}
}

// near checks a frequency to five standard deviations; 0 and 1 are exact.
func near(t *testing.T, want float64, got, letter string, n float64) {
	t.Helper()
	freq := float64(strings.Count(got, letter)) / n
	require.LessOrEqual(t, math.Abs(freq-want), 5*math.Sqrt(want*(1-want)/n), "%s: %v, want %v", letter, freq, want)
}

func TestProbability_DecisionsSayWhat(t *testing.T) {
	c := controller(t, 1, 1)
	d := c.Decide(now, Arrival{MayReject: true})
	require.Equal(t, Decision{Reject: true, Reason: "injected load (p = 1)"}, d)
	d = c.Decide(now, Arrival{})
	require.Equal(t, Decision{Delay: 3 * time.Second}, d)
}

func TestNone_AdmitsAtOnce(t *testing.T) {
	c, err := New("none", Config{Probability: 1, Delay: time.Hour})
	require.NoError(t, err)
	c.Observe(now, Sample{})
	require.Equal(t, strings.Repeat("A", 100), decisions(c, 100, always))
}

func TestNew_RefusesWhatItDoesNotKnow(t *testing.T) {
	tests := []struct {
		name, controller string
		cfg              Config
		want             string
	}{
		{"name", "magic", Config{}, `admission "magic": no such controller; use one of codel, gradient, none, probability, queue, red`},
		{"probability", "probability", Config{Probability: math.NaN()}, `load probability "NaN": it is not between 0 and 1`},
		{"delay", "probability", Config{Delay: -time.Second}, "injected delay: -1s is in the past"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := New(tt.controller, tt.cfg)
			require.Equal(t, job.InvalidArgument, job.CodeOf(err))
			require.Contains(t, job.Describe(err), tt.want)
		})
	}
}

func TestParseProbability(t *testing.T) {
	for in, want := range map[string]float64{"0": 0, "-0": 0, "1": 1, ".5": .5, "0.2": .2, "1e-3": .001} {
		p, err := ParseProbability(in)
		require.NoError(t, err, in)
		require.Equal(t, want, p)
		require.False(t, math.Signbit(p))
	}
	for in, want := range map[string]string{
		"-1": "not between", "1.5": "not between", "Inf": "not between", "-0.5": "not between", "1e999": "not a number",
		"NaN": "not a number", "abc": "not a number", "0,5": "not a number", " 0.5": "not a number", "": "it is empty",
	} {
		_, err := ParseProbability(in)
		require.Equal(t, job.InvalidArgument, job.CodeOf(err), in)
		line := job.Describe(err)
		require.Contains(t, line, want)
		require.Contains(t, line, "give a number from 0 (never delay or reject) to 1 (always)")
	}
}

func FuzzParseProbability(f *testing.F) {
	for _, s := range []string{"0.5", "-1", "1.5", "NaN", "abc", "", "0x1p-2", "1_0", "\x00", "１"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParseProbability(s)
		if err != nil {
			require.Equal(t, job.InvalidArgument, job.CodeOf(err))
			require.NotContains(t, job.Describe(err), "\n")
			return
		}
		require.True(t, p >= 0 && p <= 1)
		_, err = New(DefaultName, Config{Probability: p})
		require.NoError(t, err)
	})
}
