package admission

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
)

// fixed answers every arrival alike; it is a Queuer with a discipline of its own.
type fixed struct {
	decision   Decision
	discipline Discipline
	asked      int
	standing   time.Duration
	samples    []Sample
}

func (f *fixed) Decide(time.Time, Arrival) Decision { f.asked++; return f.decision }
func (f *fixed) Observe(_ time.Time, s Sample)      { f.samples = append(f.samples, s) }
func (f *fixed) Discipline(_ time.Time, standing time.Duration) Discipline {
	f.standing = standing
	return f.discipline
}

// at is a time after the beginning.
func at(d time.Duration) time.Time { return now.Add(d) }

// one is a node with one slot.
var one = GateConfig{Slots: 1, Waiting: 100}

// enter admits a task that wants a slot at once.
func enter(t *testing.T, g *Gate[int], when time.Time, id int, a Arrival) *Entry[int] {
	t.Helper()
	e := &Entry[int]{Task: id}
	require.Zero(t, g.Arrive(when, a, e))
	g.Wait(when, e)
	return e
}

// taught is a gate that knows what an operation takes, and has nothing to do.
func taught(t *testing.T, c Controller, cfg GateConfig, took time.Duration) *Gate[int] {
	t.Helper()
	g := NewGate[int](cfg, c)
	e := enter(t, g, now, 0, Arrival{Operation: "edges"})
	next(t, g, now, 0)
	g.Leave(at(took), e, Outcome{Run: took})
	return g
}

// next expects a task to get a slot.
func next(t *testing.T, g *Gate[int], when time.Time, id int) *Entry[int] {
	t.Helper()
	e, d := g.Next(when)
	require.NotNil(t, e)
	require.Zero(t, d)
	require.Equal(t, id, e.Task)
	return e
}

func nothing(t *testing.T, g *Gate[int], when time.Time) {
	t.Helper()
	e, _ := g.Next(when)
	require.Nil(t, e)
}

func TestGate_StagesSpeakInTheirOrder(t *testing.T) {
	reject := func(reason string) Decision { return Decision{Reject: true, Reason: reason} }
	soon, never := at(time.Second), time.Time{}
	tests := []struct {
		name        string
		draw, limit Decision
		a           Arrival
		drains      bool
		waiting     int // the bound
		want        string
	}{
		{"all is well", Decision{}, Decision{}, Arrival{MayReject: true, Deadline: soon}, false, 9, ""},
		{"draining before all else", reject("draw"), reject("limit"), Arrival{Deadline: now}, true, 0, "it drains, and takes nothing new"},
		{"a past deadline before the draw", reject("draw"), reject("limit"), Arrival{MayReject: true, Deadline: now}, false, 0, "the deadline was over when the task arrived"},
		{"the draw before the deadline", reject("draw"), reject("limit"), Arrival{MayReject: true, Deadline: at(1)}, false, 0, "draw"},
		{"the deadline before the limit", Decision{Delay: time.Second}, reject("limit"), Arrival{MayReject: true, Deadline: soon}, false, 0, "the deadline ends within the injected delay of 1s"},
		{"the limit before the bound", Decision{}, reject("limit"), Arrival{MayReject: true, Deadline: never}, false, 0, "limit"},
		{"the bound", Decision{}, Decision{}, Arrival{MayReject: true}, false, 0, "0 tasks wait already"},
		{"none of them for who may not be rejected", reject("draw"), reject("limit"), Arrival{Deadline: soon}, false, 0, ""},
		{"but its deadline", reject("draw"), reject("limit"), Arrival{Deadline: now}, false, 0, "the deadline was over when the task arrived"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			draws, limit := &fixed{decision: tt.draw}, &fixed{decision: tt.limit}
			g := NewGate[int](GateConfig{Slots: 1, Waiting: tt.waiting}, &staged{draws: draws, limit: limit})
			if tt.drains {
				g.Drain()
			}
			d := g.Arrive(now, tt.a, &Entry[int]{})
			require.Equal(t, tt.want, d.Reason)
			require.Equal(t, 1, draws.asked, "the draw is spent")
			require.Equal(t, tt.want == "", g.InFlight() == 1)
			if d.Reject {
				require.Positive(t, d.RetryAfter)
			}
		})
	}
}

func TestGate_DeadlineThatCannotBeMetByTheEstimateIsTooLate(t *testing.T) {
	g := taught(t, none{}, GateConfig{Slots: 2, Waiting: 10}, time.Second)
	arrive := func(op string, left time.Duration, mayReject bool) Decision {
		return g.Arrive(now, Arrival{Operation: op, Deadline: at(left), MayReject: mayReject}, &Entry[int]{})
	}
	e := &Entry[int]{}
	require.Zero(t, g.Arrive(now, Arrival{Operation: "edges", Deadline: at(time.Millisecond)}, e), "an idle node tries")
	g.Wait(now, e)
	next(t, g, now, 0)
	require.Equal(t, "it would take about 1s, and the deadline ends before", arrive("edges", 999*time.Millisecond, false).Reason)
	require.Zero(t, arrive("blur", time.Millisecond, false), "nobody knows how long this takes")
	require.Equal(t, 2, g.InFlight())
	require.Zero(t, arrive("edges", time.Hour, true))
	// One runs, of which half is left, and two wait, at two slots: 1.25 s; and 1 s to run.
	require.Zero(t, arrive("edges", 2250*time.Millisecond, true))
	require.True(t, arrive("edges", 2250*time.Millisecond, true).TooLate, "the one before counts")
}

func TestGate_TaskThatWouldBeLateByNowGetsNoSlot(t *testing.T) {
	g := taught(t, none{}, one, time.Second)
	busy := enter(t, g, now, 1, Arrival{Operation: "edges"})
	next(t, g, now, 1)
	enter(t, g, now, 2, Arrival{Operation: "edges", Deadline: at(2500 * time.Millisecond)})
	enter(t, g, now, 3, Arrival{Operation: "edges"})
	g.Leave(at(1600*time.Millisecond), busy, Outcome{Code: job.Internal})
	e, d := g.Next(at(1600 * time.Millisecond))
	require.Equal(t, 2, e.Task)
	require.Equal(t, Decision{TooLate: true, Reason: "it waited until its deadline could not be met any more"}, d)
	next(t, g, at(1600*time.Millisecond), 3)
	require.Equal(t, 1, g.InFlight())
}

func TestGate_DeadlinesKeepTheWorkOfAnOverloadUseful(t *testing.T) {
	w := newWorld(t, "none", four, 0, 5)
	w.rate, w.limit = 800, 100*time.Millisecond
	w.run(10 * time.Second)
	useful := 0
	for _, wait := range w.waits {
		if wait+w.service <= w.limit {
			useful++
		}
	}
	require.GreaterOrEqual(t, float64(useful), .95*200*10, "of what four slots can do")
	require.Zero(t, w.rejected)
}

func TestGate_RetryAfterIsWhenThoseThatWaitHaveASlot(t *testing.T) {
	g := taught(t, &staged{draws: none{}, limit: &queue{places: 1}}, GateConfig{Slots: 2, Waiting: 10}, time.Second)
	for id := range 4 {
		enter(t, g, now, id, Arrival{Operation: "edges"})
		_, _ = g.Next(now)
	}
	d := g.Arrive(now, Arrival{MayReject: true}, &Entry[int]{})
	require.Equal(t, Decision{Reject: true, Reason: "its queue is full", RetryAfter: 1500 * time.Millisecond}, d)
}

func TestGate_FirstComeFirstServedWithoutADiscipline(t *testing.T) {
	g := NewGate[int](one, none{})
	for id := range 3 {
		enter(t, g, now, id, Arrival{MayReject: true})
	}
	require.Zero(t, g.NextTimeout())
	for id := range 3 {
		e := next(t, g, at(time.Duration(id)*time.Hour), id)
		require.Equal(t, time.Duration(id)*time.Hour, e.Waited())
		nothing(t, g, at(time.Duration(id)*time.Hour))
		g.Leave(at(time.Duration(id)*time.Hour), e, Outcome{})
	}
}

func TestGate_NewestFirstWhereTheDisciplineSaysSo(t *testing.T) {
	c := &fixed{discipline: Discipline{Newest: true}}
	g := NewGate[int](one, c)
	for id := range 3 {
		enter(t, g, at(time.Duration(id)), id, Arrival{})
	}
	for id := 2; id >= 0; id-- {
		e := next(t, g, at(10), id)
		require.Equal(t, time.Duration(10), c.standing, "somebody has waited since the first came")
		g.Leave(at(10), e, Outcome{})
	}
}

func TestGate_DropsWhatWaitedForTooLongIfItMayBeRejected(t *testing.T) {
	c := &fixed{}
	g := NewGate[int](one, c)
	busy := enter(t, g, now, 0, Arrival{})
	next(t, g, now, 0)
	for id, timeout := range []time.Duration{30, 10, 20, 10} {
		c.discipline.Timeout = timeout
		enter(t, g, now, id+1, Arrival{MayReject: id != 3})
	}
	require.Equal(t, at(10), g.NextTimeout())
	nothing(t, g, at(9))
	e, d := g.Next(at(20))
	require.Equal(t, 2, e.Task)
	require.Equal(t, Decision{Reject: true, Reason: "it waited too long for a slot", RetryAfter: minRetry}, d)
	require.Equal(t, Sample{Queued: 20, Code: job.ResourceExhausted}, c.samples[0])
	e, _ = g.Next(at(20))
	require.Equal(t, 3, e.Task)
	nothing(t, g, at(20))
	require.Equal(t, at(30), g.NextTimeout())
	g.Leave(at(25), busy, Outcome{Run: 25})
	require.Equal(t, 1, next(t, g, at(25), 1).Task)
	require.Zero(t, g.NextTimeout(), "the last one stays for as long as it must")
	require.Equal(t, 1, g.Load().Queued)
}

func TestGate_TaskMayLeaveWhereverItIs(t *testing.T) {
	c := &fixed{decision: Decision{Delay: time.Second}, discipline: Discipline{Timeout: time.Hour}}
	g := NewGate[int](one, c)
	var all []*Entry[int]
	for id := range 5 {
		e := &Entry[int]{Task: id}
		require.Equal(t, time.Second, g.Arrive(now, Arrival{MayReject: true}, e).Delay)
		all = append(all, e)
	}
	g.Awake(at(1), all[1]) // has yet to fetch its input
	for _, e := range all[2:] {
		g.Wait(at(1), e)
	}
	next(t, g, at(1), 2)
	require.Equal(t, job.Load{Slots: 1, Running: 1, Queued: 3, Delayed: 1}, g.Load())
	for _, i := range []int{3, 0, 4, 2, 1, 3} { // the last has left already
		g.Leave(at(5), all[i], Outcome{Code: job.CancelledCode})
	}
	require.Equal(t, job.Load{Slots: 1}, g.Load())
	require.Zero(t, g.NextTimeout())
	require.Len(t, c.samples, 5)
	nothing(t, g, at(9))
}

func TestLine_HeapTellsTheFirstToExpireWhateverLeaves(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	var l line[int]
	var in []*Entry[int]
	for i := range 1000 {
		if len(in) == 0 || rng.IntN(100) < 52 {
			e := &Entry[int]{Task: i, heap: -1}
			if rng.IntN(4) > 0 {
				e.expires = at(time.Duration(1 + rng.IntN(1000)))
			}
			l.push(now, e)
			in = append(in, e)
		} else {
			j := rng.IntN(len(in))
			l.remove(in[j])
			in = append(in[:j], in[j+1:]...)
		}
		var first time.Time
		n := 0
		for e, want := l.first, 0; e != nil; e, want = e.after, want+1 {
			require.Same(t, in[want], e, "the order of their coming")
			if n++; !e.expires.IsZero() && (first.IsZero() || e.expires.Before(first)) {
				first = e.expires
			}
		}
		require.Equal(t, l.size, n)
		if first.IsZero() {
			require.Empty(t, l.heap)
		} else {
			require.Equal(t, first, l.heap[0].expires)
			require.Nil(t, l.expired(first.Add(-1)))
			require.NotNil(t, l.expired(first))
		}
	}
}

func BenchmarkGate_TaskThroughIt(b *testing.B) {
	c, err := New("codel", Config{})
	require.NoError(b, err)
	g := NewGate[int](GateConfig{Slots: 4, Waiting: 100}, c)
	entries := make([]Entry[int], 16)
	when := now
	a := Arrival{MayReject: true, Operation: "edges"}
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		e := &entries[i%len(entries)]
		i++
		when = when.Add(time.Millisecond)
		g.Leave(when, e, Outcome{Run: time.Millisecond})
		g.Arrive(when, a, e)
		g.Wait(when, e)
		for more := true; more; {
			n, _ := g.Next(when)
			more = n != nil
		}
	}
}
