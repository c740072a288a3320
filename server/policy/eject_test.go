package policy

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// ejectTest is nodes that are up, and what they did in a sweep.
type ejectTest struct {
	*ejector
	now time.Time
}

func newEjectTest(nodes int) *ejectTest {
	e := &ejectTest{newEjector(), time.Unix(0, 0)}
	for i := range nodes {
		e.set(i, Node{Up: true, Slots: 2})
	}
	return e
}

// did has a node do and break so many attempts.
func (e *ejectTest) did(i, ok, failed int) {
	for range ok {
		e.observe(Observation{Node: i, Kind: Done})
	}
	for range failed {
		e.observe(Observation{Node: i, Kind: Broke})
	}
}

// next is the next sweep.
func (e *ejectTest) next() []int {
	e.now = e.now.Add(SweepEvery)
	return e.sweep(e.now)
}

func TestEjector_LeavesOutWhoseSuccessIsFarBelowTheMean(t *testing.T) {
	e := newEjectTest(10)
	for i := range 9 {
		e.did(i, 100, 0)
	}
	e.did(9, 70, 30)
	require.Equal(t, []int{9}, e.next())
	require.True(t, e.out(9))
	require.False(t, e.out(0))
}

func TestEjector_JudgesOnlyByEnough(t *testing.T) {
	for name, played := range map[string]func(e *ejectTest){
		"fewer than five nodes to compare": func(e *ejectTest) {
			for i := range 3 {
				e.did(i, 200, 0)
			}
			e.did(3, 0, 200)
		},
		"fewer than 50 attempts": func(e *ejectTest) {
			for i := range 9 {
				e.did(i, 200, 0)
			}
			e.did(9, 0, 49)
		},
		"fewer than 100, and not nearly all of them broke": func(e *ejectTest) {
			for i := range 9 {
				e.did(i, 200, 0)
			}
			e.did(9, 20, 79)
		},
		"rejections and what nobody wanted any more": func(e *ejectTest) {
			for i := range 9 {
				e.did(i, 200, 0)
			}
			for range 300 {
				for _, k := range []Kind{Sent, Rejected, Cancelled, Superseded} {
					e.observe(Observation{Node: 9, Kind: k})
				}
			}
		},
		"all are alike": func(e *ejectTest) {
			for i := range 10 {
				e.did(i, 50, 50)
			}
		},
	} {
		e := newEjectTest(10)
		played(e)
		require.Empty(t, e.next(), name)
	}
}

func TestEjector_LeavesOutWhoBreaksNearlyAll(t *testing.T) {
	e := newEjectTest(10)
	for i := range 9 {
		e.did(i, 60, 0)
	}
	e.did(9, 5, 55)
	require.Equal(t, []int{9}, e.next())
}

func TestEjector_EachTimeIsLongerAndGoodTimesAreForgiven(t *testing.T) {
	e := newEjectTest(10)
	fail := func() {
		for i := range 9 {
			e.did(i, 60, 0)
		}
		e.did(9, 0, 60)
	}
	sweepsOut := func() int {
		for sweeps := 1; ; sweeps++ {
			if e.next(); !e.out(9) {
				return sweeps
			}
		}
	}
	for times := 1; times <= 12; times++ {
		fail()
		require.Equal(t, []int{9}, e.next())
		require.Equal(t, min(30, 3*times), sweepsOut(), "30 s for each time, at most 300 s")
	}
	for range 11 {
		e.next()
	}
	fail()
	e.next()
	require.Equal(t, 6, sweepsOut(), "each good sweep takes one of the times back")
}

func TestEjector_NeverMoreThanATenthButAlwaysOneAndNeverTheLast(t *testing.T) {
	for _, row := range []struct{ nodes, bad, out int }{
		{40, 20, 4}, {15, 7, 2}, {10, 4, 1}, {6, 3, 1},
	} {
		e := newEjectTest(row.nodes)
		for i := range row.nodes {
			if i < row.bad {
				e.did(i, 0, 90)
			} else {
				e.did(i, 90, 0)
			}
		}
		require.Len(t, e.next(), row.out, "%d of %d nodes break all", row.bad, row.nodes)
	}
	e := newEjectTest(6)
	for i := range 5 {
		e.set(i, Node{})
	}
	for i := range 6 {
		e.did(i, 0, 90)
	}
	require.Empty(t, e.next(), "the last that is up stays")
}
