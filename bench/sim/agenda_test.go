package sim

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
)

// Whichever way events are planned, they come by time, and those of one time in the
// order in which they were planned.
func TestAgenda_GivesWhatIsDueInOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	var a agenda
	var want []event
	now := int64(0)
	check := func() {
		slices.SortStableFunc(want, func(x, y event) int { return cmp.Compare(x.at, y.at) })
		got, ok := a.pop()
		require.Equal(t, len(want) > 0, ok)
		if !ok {
			return
		}
		require.Equal(t, [3]int64{want[0].at, int64(want[0].who), int64(want[0].gen)}, [3]int64{got.at, int64(got.who), int64(got.gen)})
		require.Equal(t, finishes, got.kind())
		now = got.at
		want = want[1:]
	}
	for i := range int32(20_000) {
		at := now + r.Int64N(20)
		switch r.IntN(3) {
		case 0:
			a.plan(at, finishes, i, uint32(i)*7)
		case 1:
			a.follow(at, finishes, i, uint32(i)*7)
		default:
			at = now + 10
			a.follow(at, finishes, i, uint32(i)*7)
		}
		want = append(want, event{at: at, who: i, gen: uint32(i) * 7})
		for range r.IntN(3) {
			check()
		}
	}
	for len(want) > 0 {
		check()
	}
	check()
}

// A node's word counts what runs, waits and is delayed, without the task that is asked
// about.
func TestSim_NodesTellTheirLoad(t *testing.T) {
	s, err := newSim(Config{
		Policy: "random", Nodes: []Node{{Slots: 2, Probability: .5, Delay: time.Minute}}, RTT: -1,
		Tasks: 40, Arrivals: Arrivals{Rate: 1e6}, Sizes: Sizes{Mean: time.Hour},
	}.withDefaults())
	require.NoError(t, err)
	s.begin()
	for range 200 {
		e, ok := s.agenda.pop()
		if !ok || e.at > int64(time.Second) {
			break
		}
		s.now = e.at
		s.play(e)
		s.settle()
	}
	l := s.nodes[0].load().word(2, &job.Load{})
	require.Equal(t, 2, l.Slots)
	require.Equal(t, 2, l.Running)
	require.Equal(t, 40, l.Running+l.Queued+l.Delayed)
	require.Greater(t, l.Delayed, 5)
	require.Greater(t, l.Queued, 5)
}
