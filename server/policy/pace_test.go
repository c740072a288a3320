package policy_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/server/policy"
)

// In overload a queue that is served in order serves tasks just before their deadline, and
// is in time for none of them.
func TestDispatcher_TasksThatCannotBeInTimeMakeRoomForOthers(t *testing.T) {
	d, _ := newLine(1, 100)
	var f flow
	var slow policy.Pace
	for range 10 {
		slow.Observe(start, time.Second, time.Second, 1)
	}
	d.Push(&f, &waiter{Item: "hopeless", Work: 1, Deadline: start.Add(time.Second / 2), Pace: &slow})
	d.Push(&f, &waiter{Item: "of another kind", Work: 1, Deadline: start.Add(time.Second / 2), Pace: &policy.Pace{}})
	d.Push(&f, &waiter{Item: "in time", Work: 1, Deadline: start.Add(time.Minute), Pace: &slow})
	w, _, v := d.Next(start)
	require.Equal(t, "hopeless", w.Item)
	require.Equal(t, policy.TooLate, v)
	w, _, v = d.Next(start)
	require.Equal(t, "of another kind", w.Item)
	require.Equal(t, policy.Chosen, v, "what others take says nothing of it")
	w, _, v = d.Next(start)
	require.Equal(t, "in time", w.Item)
	require.Equal(t, policy.Chosen, v)
	d.Push(&f, &waiter{Item: "alone", Work: 1, Deadline: start.Add(time.Second / 2), Pace: &slow})
	_, _, v = d.Next(start)
	require.Equal(t, policy.Chosen, v, "where no other waits, it may turn out to be in time")
	d.Push(&f, &waiter{Item: "later", Work: 1, Deadline: start.Add(time.Hour + time.Second/2), Pace: &slow})
	d.Push(&f, &waiter{Item: "another", Work: 1})
	_, _, v = d.Next(start.Add(time.Hour))
	require.Equal(t, policy.Chosen, v, "what was so an hour ago may have changed")
}
