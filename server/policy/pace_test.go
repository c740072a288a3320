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
	ran := policy.Observation{Kind: policy.Done, Latency: time.Second, Run: time.Second, Work: 1}
	d.Observe(start, policy.Observation{Kind: policy.Sent, Work: 1})
	d.Observe(start, ran)
	d.Push(&f, &waiter{Item: "hopeless", Work: 1, Deadline: start.Add(time.Second / 2)})
	d.Push(&f, &waiter{Item: "in time", Work: 1, Deadline: start.Add(time.Minute)})
	w, _, v := d.Next(start)
	require.Equal(t, "hopeless", w.Item)
	require.Equal(t, policy.TooLate, v)
	w, _, v = d.Next(start)
	require.Equal(t, "in time", w.Item)
	require.Equal(t, policy.Chosen, v)
	d.Push(&f, &waiter{Item: "alone", Work: 1, Deadline: start.Add(time.Second / 2)})
	_, _, v = d.Next(start)
	require.Equal(t, policy.Chosen, v, "where no other waits, it may turn out to be in time")
}
