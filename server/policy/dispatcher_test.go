package policy_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
	"spillway/server/policy"
)

// scripted is a policy that picks the first node that is up, not excluded, and has room.
type scripted struct {
	nodes    []policy.Node
	out      []int
	room     int // attempts at each node at once
	requests []policy.Request
}

func (s *scripted) Traits() policy.Traits { return policy.Traits{MayReject: true} }

func (s *scripted) Set(_ time.Time, i int, n policy.Node) {
	for len(s.nodes) <= i {
		s.nodes = append(s.nodes, policy.Node{})
		s.out = append(s.out, 0)
	}
	s.nodes[i] = n
}

func (s *scripted) Pick(_ time.Time, r policy.Request) (int, policy.Verdict) {
	s.requests = append(s.requests, r)
	v := policy.Nobody
	for i, n := range s.nodes {
		switch {
		case !n.Up || r.Excluded.Has(i):
		case s.out[i] < s.room:
			return i, policy.Chosen
		default:
			v = policy.Busy
		}
	}
	return 0, v
}

func (s *scripted) Observe(_ time.Time, o policy.Observation) {
	if o.Kind == policy.Sent {
		s.out[o.Node]++
	} else {
		s.out[o.Node]--
	}
}

type (
	line   = policy.Dispatcher[string]
	waiter = policy.Waiter[string]
	flow   = policy.Flow[string]
)

// newLine is a dispatcher over so many nodes with so much room each.
func newLine(nodes, room int) (*line, *scripted) {
	s := &scripted{room: room}
	d := policy.NewDispatcher[string](policy.Rule{Policy: s}, seeded(1))
	for i := range nodes {
		d.Set(start, i, node(i, true))
	}
	return d, s
}

// served are the items in the order in which they get a node.
func served(d *line) []string {
	var items []string
	for {
		w, _, v := d.Next(start)
		if w == nil {
			return items
		}
		if v != policy.Chosen {
			items = append(items, "not "+w.Item)
			continue
		}
		items = append(items, w.Item)
	}
}

func excluding(nodes ...int) *policy.Set {
	var s policy.Set
	for _, i := range nodes {
		s.Add(i)
	}
	return &s
}

func TestDispatcher_WhereAllIsBusyTasksWaitForAnEnd(t *testing.T) {
	d, _ := newLine(1, 1)
	var f flow
	d.Push(&f, &waiter{Item: "first"})
	d.Push(&f, &waiter{Item: "second"})
	require.Equal(t, []string{"first"}, served(d))
	require.True(t, d.Waiting())
	d.Observe(start, policy.Observation{Node: 0, Kind: policy.Done})
	require.Equal(t, []string{"second"}, served(d))
	require.False(t, d.Waiting())
}

func TestDispatcher_WhoFindsItsNodesBusyIsPassedOver(t *testing.T) {
	d, _ := newLine(2, 1)
	var f flow
	d.Push(&f, &waiter{Item: "holds 0", Work: 9})
	require.Equal(t, []string{"holds 0"}, served(d))
	d.Push(&f, &waiter{Item: "wants 0", Work: 8, Excluded: excluding(1)})
	d.Push(&f, &waiter{Item: "wants any", Work: 7})
	d.Push(&f, &waiter{Item: "wants any later", Work: 6})
	require.Equal(t, []string{"wants any"}, served(d), "it does not wait behind one that it does not hinder")
	d.Observe(start, policy.Observation{Node: 0, Kind: policy.Done})
	require.Equal(t, []string{"wants 0"}, served(d), "who was passed over has kept its place")
}

func TestDispatcher_PassesOverNoMoreThanSome(t *testing.T) {
	d, s := newLine(2, 1)
	var f flow
	d.Push(&f, &waiter{Item: "holds 0", Work: 9})
	served(d)
	for range 1000 {
		d.Push(&f, &waiter{Item: "wants 0", Work: 8, Excluded: excluding(1)})
	}
	s.requests = nil
	require.Empty(t, served(d))
	require.Less(t, len(s.requests), 50)
	d.Observe(start, policy.Observation{Node: 0, Kind: policy.Done})
	require.Equal(t, []string{"wants 0"}, served(d))
}

func TestDispatcher_WhoHasNobodyLeftHearsIt(t *testing.T) {
	d, _ := newLine(2, 1)
	var f flow
	w := &waiter{Item: "task", Excluded: excluding(0, 1)}
	d.Push(&f, w)
	got, _, v := d.Next(start)
	require.Same(t, w, got)
	require.Equal(t, policy.Nobody, v)
	require.False(t, w.Waits())
	require.Zero(t, d.Utilization(start), "nothing was sent")
}

func TestDispatcher_WhoseDeadlineIsOverHearsIt(t *testing.T) {
	d, _ := newLine(1, 1)
	var f flow
	d.Push(&f, &waiter{Item: "in time", Work: 2, Deadline: start.Add(1)})
	d.Push(&f, &waiter{Item: "late", Work: 1, Deadline: start})
	require.Equal(t, "in time", next(d))
	w, _, v := d.Next(start)
	require.Equal(t, "late", w.Item, "though every node is busy")
	require.Equal(t, policy.TooLate, v)
}

func TestDispatcher_WhoIsWithdrawnGetsNoNode(t *testing.T) {
	d, _ := newLine(1, 100)
	var f, other flow
	kept, gone := &waiter{Item: "kept"}, &waiter{Item: "gone"}
	d.Push(&f, gone)
	d.Push(&f, kept)
	d.Push(&other, &waiter{Item: "other"})
	d.Withdraw(gone)
	d.Withdraw(gone)
	require.False(t, gone.Waits())
	require.ElementsMatch(t, []string{"kept", "other"}, served(d))
	d.Withdraw(kept)
}

func TestDispatcher_WhoIsPushedAgainWaitsOnce(t *testing.T) {
	d, _ := newLine(1, 100)
	var f, other flow
	w := &waiter{Item: "w"}
	d.Push(&f, w)
	w.Copy = true
	d.Push(&f, w)
	require.False(t, d.Waiting())
	w.Copy = false
	d.Push(&other, w)
	require.Equal(t, []string{"w"}, served(d))
	require.False(t, d.Asked())
}

func TestDispatcher_TellsThePolicyWhatWaits(t *testing.T) {
	d, s := newLine(1, 1)
	var a, b flow
	d.Push(&a, &waiter{Item: "large", Work: 10})
	d.Push(&a, &waiter{Item: "unknown"})
	d.Push(&b, &waiter{Item: "small", Work: 4})
	d.Push(&b, &waiter{Item: "copy", Work: 100, Copy: true})
	next(d)
	require.InDelta(t, 15, s.requests[0].Backlog, 1e-9, "an unknown work is 1, and a copy is no task")
	d.Observe(start, policy.Observation{Node: 0, Kind: policy.Done})
	next(d)
	require.Less(t, s.requests[1].Backlog, 15.)
}

func TestDispatcher_UtilizationIsThePartOfTheSlotsTaken(t *testing.T) {
	d, _ := newLine(2, 100)
	var f flow
	require.Zero(t, d.Utilization(start))
	for range 3 {
		d.Push(&f, &waiter{})
		d.Next(start)
	}
	require.InDelta(t, .5, d.Utilization(start), 1e-9, "all three are at a node of two slots, another has two")
	d.Set(start, 1, node(1, false))
	require.InDelta(t, 1, d.Utilization(start), 1e-9)
	for range 3 {
		d.Observe(start, policy.Observation{Node: 0, Kind: policy.Done})
	}
	require.Zero(t, d.Utilization(start))
}

func TestDispatcher_AnAttemptThatIsOverdueTakesNoSlot(t *testing.T) {
	d, _ := newLine(1, 100)
	var f flow
	for range 2 {
		d.Push(&f, &waiter{})
		d.Next(start)
	}
	d.Late(start, 0)
	require.InDelta(t, .5, d.Utilization(start), 1e-9, "of two slots, one")
	d.Observe(start, policy.Observation{Node: 0, Kind: policy.Superseded, Late: true})
	require.InDelta(t, .5, d.Utilization(start), 1e-9)
	d.Observe(start, policy.Observation{Node: 0, Kind: policy.Done})
	require.Zero(t, d.Utilization(start))
}

func TestDispatcher_ANodeThatBreaksMuchIsLeftOutForAWhile(t *testing.T) {
	s := &scripted{room: 1000}
	d := policy.NewDispatcher[string](policy.Rule{Policy: s, Eject: true}, seeded(1))
	for i := range 10 {
		d.Set(start, i, node(i, true))
		kind := policy.Done
		if i == 0 {
			kind = policy.Broke
		}
		for range 60 {
			d.Observe(start, policy.Observation{Node: i, Kind: policy.Sent})
			d.Observe(start, policy.Observation{Node: i, Kind: kind})
		}
	}
	now := start.Add(policy.SweepEvery)
	d.Sweep(now)
	require.False(t, s.nodes[0].Up)
	d.Set(now, 0, node(0, true))
	require.False(t, s.nodes[0].Up, "what it says of itself does not take it back")
	d.Sweep(now.Add(40 * time.Second))
	require.True(t, s.nodes[0].Up)
}

func TestDispatcher_AThrottledNodeIsAskedLess(t *testing.T) {
	s := &scripted{room: 1000}
	d := policy.NewDispatcher[string](policy.Rule{Policy: s, Throttle: 2}, seeded(1))
	d.Set(start, 0, node(0, true))
	d.Set(start, 1, node(1, true))
	var f flow
	sent := [2]int{}
	for range 1000 {
		d.Push(&f, &waiter{})
		_, i, v := d.Next(start)
		require.Equal(t, policy.Chosen, v)
		sent[i]++
		kind := policy.Done
		if i == 0 {
			kind = policy.Rejected // the policy alone would go on asking it
		}
		d.Observe(start, policy.Observation{Node: i, Kind: kind})
	}
	require.Less(t, sent[0], 50)
	d.Push(&f, &waiter{Excluded: excluding(1)})
	_, i, v := d.Next(start)
	require.Equal(t, policy.Chosen, v, "where it is the only one, it is asked all the same")
	require.Zero(t, i)
}

// Servers that share nodes see one another's attempts in what the nodes tell.
func TestDispatcher_UtilizationCountsOthersWhileTheirWordIsFresh(t *testing.T) {
	d, _ := newLine(2, 2)
	send := func(now time.Time, l *job.Load) {
		d.Observe(now, policy.Observation{Node: 0, Kind: policy.Sent, Work: 1})
		d.Observe(now, policy.Observation{Node: 0, Kind: policy.Done, Work: 1, Load: l})
	}
	send(start, &job.Load{Slots: 2, Running: 2, Queued: 5})
	require.InDelta(t, .5, d.Utilization(start), 1e-9, "one of two nodes is full")
	send(start, &job.Load{Slots: 2, Running: 1})
	require.InDelta(t, .25, d.Utilization(start), 1e-9)
	for range 4 {
		d.Observe(start.Add(time.Minute), policy.Observation{Node: 1, Kind: policy.Sent, Work: 1})
		d.Observe(start.Add(time.Minute), policy.Observation{Node: 1, Kind: policy.Done, Work: 1})
	}
	require.Zero(t, d.Utilization(start.Add(time.Minute)), "what was said long ago")
}
