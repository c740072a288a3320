package policy_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDispatcher_FlowsTakeTurns(t *testing.T) {
	d, _ := newLine(1, 100)
	var a, b, late flow
	for _, item := range []string{"a1", "a2", "a3", "a4"} {
		d.Push(&a, &waiter{Item: item})
	}
	for _, item := range []string{"b1", "b2"} {
		d.Push(&b, &waiter{Item: item})
	}
	require.ElementsMatch(t, []string{"a1", "b1"}, []string{next(d), next(d)})
	d.Push(&late, &waiter{Item: "late"})
	got := []string{next(d), next(d), next(d)}
	require.ElementsMatch(t, []string{"a2", "b2", "late"}, got, "who comes late has its turn, and no more")
	require.Equal(t, []string{"a3", "a4"}, served(d))
}

func next(d *line) string {
	w, _, _ := d.Next(start)
	return w.Item
}

func TestDispatcher_AFlowThatWaitedNotHasSavedUpNothing(t *testing.T) {
	d, _ := newLine(1, 100)
	var busy, idle flow
	d.Push(&idle, &waiter{Item: "i0"})
	require.Equal(t, "i0", next(d))
	for range 20 {
		d.Push(&busy, &waiter{Item: "b"})
		require.Equal(t, "b", next(d))
	}
	for range 4 {
		d.Push(&busy, &waiter{Item: "b"})
		d.Push(&idle, &waiter{Item: "i"})
	}
	got := map[string]int{}
	for range 4 {
		got[next(d)]++
	}
	require.InDelta(t, 2, got["i"], 1, "in turn from now on, give or take one")
}

func TestDispatcher_HigherPrioritiesGoFirst(t *testing.T) {
	d, _ := newLine(1, 100)
	low, high := flow{}, flow{Priority: 5}
	for range 2 {
		d.Push(&low, &waiter{Item: "low"})
		d.Push(&high, &waiter{Item: "high"})
	}
	require.Equal(t, []string{"high", "high", "low", "low"}, served(d))
}

func TestDispatcher_TheMostWorkGoesFirstAndAmongEqualsTheOldest(t *testing.T) {
	d, _ := newLine(1, 100)
	var f flow
	d.Push(&f, &waiter{Item: "middle 1", Work: 5})
	d.Push(&f, &waiter{Item: "small", Work: 1})
	d.Push(&f, &waiter{Item: "large", Work: 9})
	d.Push(&f, &waiter{Item: "middle 2", Work: 5})
	require.Equal(t, []string{"large", "middle 1", "middle 2", "small"}, served(d))
}

// Jobs of one task each are served as they came.
func TestDispatcher_FlowsThatComeAtTheSameTimeAreServedInTheirOrder(t *testing.T) {
	d, _ := newLine(1, 100)
	var want []string
	for i := range 50 {
		want = append(want, fmt.Sprint("job ", i))
		d.Push(&flow{}, &waiter{Item: want[i], Work: float64(i % 7)})
	}
	require.Equal(t, want, served(d))
}

func TestDispatcher_CopiesGoLastAndTheMostWorkFirst(t *testing.T) {
	d, _ := newLine(1, 100)
	low, high := flow{}, flow{Priority: 9}
	d.Push(&high, &waiter{Item: "copy", Work: 5, Copy: true})
	require.False(t, d.Waiting(), "a copy is no task")
	d.Push(&high, &waiter{Item: "large copy", Work: 50, Copy: true})
	d.Push(&low, &waiter{Item: "task"})
	require.True(t, d.Waiting())
	require.Equal(t, []string{"task", "large copy", "copy"}, served(d))
}
