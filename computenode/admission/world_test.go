package admission

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
)

// client is a task of a world.
type client struct {
	id        int
	mayReject bool
	run       time.Duration
	entry     *Entry[*client]
	at        time.Time // when its delay is over, or it is done
}

// world is a node with its gate and tasks that come at random, by events.
type world struct {
	t       *testing.T
	gate    *Gate[*client]
	cfg     GateConfig
	rng     *rand.Rand
	now     time.Time
	busy    []*client // delayed, or running
	log     []string
	may     float64       // part of the tasks that may be rejected
	rate    float64       // arrivals a second
	service time.Duration // mean of the operation, spread evenly from 0.5 to 1.5 of it
	limit   time.Duration // deadline of each task; 0: none

	arrived, done, rejected, late int
	waits                         []time.Duration // of those that ran
}

func newWorld(t *testing.T, word string, cfg GateConfig, p float64, seed uint64) *world {
	t.Helper()
	c, err := New(word, Config{Probability: p, Delay: 300 * time.Millisecond, Seed: seed})
	require.NoError(t, err)
	return &world{
		t: t, gate: NewGate[*client](cfg, c), cfg: cfg, rng: rand.New(rand.NewPCG(seed, 7)),
		now: now, may: 1, rate: 100, service: 20 * time.Millisecond,
	}
}

// run lets tasks come for a time.
func (w *world) run(d time.Duration) {
	end := w.now.Add(d)
	for next := w.arrival(); next.Before(end); next = w.arrival() {
		w.until(next)
		w.arrive()
	}
	w.until(end)
}

// rest lets nothing come until all is done.
func (w *world) rest() {
	for range 1000 {
		if w.gate.InFlight() == 0 {
			return
		}
		w.until(w.now.Add(time.Second))
	}
	require.Fail(w.t, "a task never ends")
}

func (w *world) arrival() time.Time {
	return w.now.Add(time.Duration(w.rng.ExpFloat64() / w.rate * float64(time.Second)))
}

// until goes through what happens until a time.
func (w *world) until(end time.Time) {
	for {
		at, first := end, -1
		for i, c := range w.busy {
			if !c.at.After(at) {
				at, first = c.at, i
			}
		}
		if timeout := w.gate.NextTimeout(); !timeout.IsZero() && timeout.Before(at) {
			w.now = timeout
			w.next()
			continue
		}
		w.now = at
		if first < 0 {
			return
		}
		c := w.busy[first]
		w.busy = append(w.busy[:first], w.busy[first+1:]...)
		if c.entry.Running() {
			w.gate.Leave(w.now, c.entry, Outcome{Run: c.run})
			w.done++
			w.say("done", c)
		} else {
			w.gate.Wait(w.now, c.entry)
		}
		w.next()
	}
}

// arrive is one task that comes.
func (w *world) arrive() {
	c := &client{id: w.arrived, mayReject: w.rng.Float64() < w.may, entry: &Entry[*client]{}}
	c.entry.Task = c
	c.run = time.Duration((.5 + w.rng.Float64()) * float64(w.service))
	w.arrived++
	a := Arrival{MayReject: c.mayReject, Operation: "edges"}
	if w.limit > 0 {
		a.Deadline = w.now.Add(w.limit)
	}
	waiting := w.gate.load.Queued + w.gate.load.Delayed
	switch d := w.gate.Arrive(w.now, a, c.entry); {
	case d.TooLate:
		require.NotZero(w.t, w.limit)
		w.late++
	case d.Reject:
		w.reject(c, d)
	case d.Delay > 0:
		w.admitted(c, waiting)
		c.at = w.now.Add(d.Delay)
		w.busy = append(w.busy, c)
	default:
		w.admitted(c, waiting)
		w.gate.Wait(w.now, c.entry)
	}
	w.next()
}

func (w *world) admitted(c *client, waiting int) {
	if c.mayReject && waiting >= w.cfg.Waiting {
		require.Fail(w.t, "the queue is not bounded")
	}
}

// next does what the gate says.
func (w *world) next() {
	for {
		e, d := w.gate.Next(w.now)
		if e == nil {
			break
		}
		switch {
		case d.Reject:
			w.reject(e.Task, d)
			continue
		case d.TooLate:
			w.late++
			continue
		}
		w.waits = append(w.waits, e.Waited())
		w.say("begins", e.Task)
		e.Task.at = w.now.Add(e.Task.run)
		w.busy = append(w.busy, e.Task)
	}
	if l := w.gate.load; l.Running > l.Slots || l.Running < l.Slots && l.Queued > 0 {
		require.Fail(w.t, "too many run, or a slot is free while a task waits", "%+v", l)
	}
}

func (w *world) reject(c *client, d Decision) {
	if !c.mayReject || d.Reason == "" || d.RetryAfter <= 0 {
		require.Fail(w.t, "a rejection of who may not be, or without reason or time", "%+v", d)
	}
	w.rejected++
	w.say("rejected: "+d.Reason, c)
}

func (w *world) say(what string, c *client) {
	w.log = append(w.log, fmt.Sprint(w.now.Sub(now), " ", c.id, " ", what))
}

// idle checks that nothing is left of what came.
func (w *world) idle() {
	l := w.gate.Load()
	l.Mean, l.Latency = 0, 0
	require.Equal(w.t, job.Load{Slots: w.cfg.Slots}, l)
	require.Zero(w.t, w.gate.estimate.queued)
	require.Zero(w.t, w.gate.estimate.running)
	require.Zero(w.t, w.gate.NextTimeout())
	require.Equal(w.t, w.arrived, w.done+w.rejected+w.late, "every task has ended in one way")
}
