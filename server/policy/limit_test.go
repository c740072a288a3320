package policy

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// limitTest keeps a node of so many slots at its limit: what is beyond them waits there.
type limitTest struct {
	limit
	slots int
	run   time.Duration
	rtt   time.Duration
	tells bool // of the time of the operation
	now   time.Time
}

// play has so many attempts end one after the other.
func (l *limitTest) play(ends int) {
	for range ends {
		n := l.most()
		// By Little's law the latency is attempts / throughput, and not below run + rtt.
		throughput := min(float64(n)/float64(l.run+l.rtt), float64(l.slots)/float64(l.run))
		l.now = l.now.Add(time.Duration(1 / throughput))
		o := Observation{Kind: Done, Latency: time.Duration(float64(n) / throughput)}
		if l.tells {
			o.Run = l.run
		}
		l.done(l.now, o, true)
	}
}

func TestLimit_BeginsAtTheSlotsOrOne(t *testing.T) {
	var l limit
	l.set(0)
	require.Equal(t, 1, l.most())
	l.set(6)
	require.Equal(t, 6, l.most())
}

func TestLimit_GrowsWhileTheThroughputRises(t *testing.T) {
	l := limitTest{slots: 6, run: 20 * time.Millisecond, rtt: time.Millisecond, now: zero}
	l.set(0)
	l.play(5000)
	require.InDelta(t, 6, l.most(), 1, "about the slots that nobody told of")
	most := 0
	for range 5000 {
		l.play(1)
		most = max(most, l.most())
	}
	require.LessOrEqual(t, most, 8, "never far above need")
}

func TestLimit_StaysAtTheSlotsWhereTheyAreKeptBusy(t *testing.T) {
	l := limitTest{slots: 4, run: 50 * time.Millisecond, rtt: time.Millisecond, tells: true, now: zero}
	l.set(4)
	for range 2000 {
		l.play(1)
		require.Equal(t, 4, l.most())
	}
}

func TestLimit_OneMoreFillsTheGapOfALongWay(t *testing.T) {
	l := limitTest{slots: 4, run: 5 * time.Millisecond, rtt: 5 * time.Millisecond, tells: true, now: zero}
	l.set(4)
	l.play(1000)
	require.Greater(t, l.most(), 5, "half of the time is on the way")
	require.LessOrEqual(t, l.most(), 9)
}

func TestLimit_DoesNotGrowWhereItIsNotReached(t *testing.T) {
	var l limit
	l.set(0)
	for n := range 1000 {
		l.done(zero.Add(time.Duration(n)*time.Millisecond), Observation{Kind: Done, Latency: time.Millisecond}, false)
		require.Equal(t, 1, l.most())
	}
}

func TestLimit_FallsByAFifthOnceForTheAttemptsThatWereOut(t *testing.T) {
	var l limit
	l.set(20)
	for range 8 { // eight of those that were out
		l.refused(8, 1)
	}
	require.Equal(t, 16, l.most())
	l.refused(8, 1)
	require.Equal(t, 16, l.most())
	l.refused(8, 1)
	require.Equal(t, 12, l.most())
	for range 100 {
		l.refused(0, 1)
	}
	require.Equal(t, 1, l.most(), "never below one")
}

func TestLimit_WinsTheSlotsBack(t *testing.T) {
	l := limitTest{slots: 10, run: 10 * time.Millisecond, rtt: time.Millisecond, tells: true, now: zero}
	l.set(10)
	for range 30 {
		l.refused(0, 1)
	}
	require.Equal(t, 1, l.most())
	l.play(500)
	require.Equal(t, 10, l.most())
}
