package test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/bench/report"
	"spillway/bench/sim"
	"spillway/computenode/admission"
	"spillway/computenode/operation"
	"spillway/computenode/worker"
	"spillway/confine"
	"spillway/job"
	"spillway/server/policy"
	"spillway/server/scheduler"
	"spillway/server/store"
)

// trace is tasks that come to a few nodes, to be played in the simulator, and by the
// real scheduler and workers in virtual time.
type trace struct {
	policy string
	seed   uint64
	loads  []float64 // load probability of each node
	delay  time.Duration
	at     []time.Duration // when each task comes
	sizes  []time.Duration
}

// newTrace draws tasks of 2 to 30 ms that come so fast that they ask for most of what
// the nodes can do. No two events fall on one moment, whose order is nobody's promise.
func newTrace(policy string, seed uint64, tasks int, loads ...float64) trace {
	const load, mean = .6, 16 * time.Millisecond
	rng := rand.New(rand.NewPCG(seed, 0))
	tr := trace{policy: policy, seed: seed, loads: loads, delay: 150 * time.Millisecond}
	at := time.Duration(0)
	for range tasks {
		at += 1 + time.Duration(rng.ExpFloat64()*float64(mean)/(load*float64(len(loads))))
		tr.at = append(tr.at, at)
		tr.sizes = append(tr.sizes, 2*time.Millisecond+time.Duration(rng.Int64N(int64(28*time.Millisecond))))
	}
	return tr
}

// span is when and where a task was worked on to its end.
type span struct {
	Node       int
	Start, End time.Duration
}

// simulated plays the trace in the simulator. The spans are by task.
func (tr trace) simulated(t *testing.T) map[int]span {
	cfg := sim.Config{
		Policy: tr.policy, Seed: tr.seed, RTT: -1, Tasks: len(tr.at), Unknown: true, Trace: 10 * len(tr.at),
		Arrivals: sim.Arrivals{At: tr.at}, Sizes: sim.Sizes{Values: tr.sizes},
	}
	for _, p := range tr.loads {
		cfg.Nodes = append(cfg.Nodes, sim.Node{Probability: p, Delay: tr.delay})
	}
	r, err := sim.Run(cfg)
	require.NoError(t, err)
	require.Equal(t, len(tr.at), r.Done)
	spans := map[int]span{}
	for _, s := range r.Trace {
		if first, known := spans[s.Task]; s.Done && (!known || s.End < first.End) {
			spans[s.Task] = span{s.Node, s.Start, s.End}
		}
	}
	return spans
}

// played plays the trace with the real scheduler and workers, a job a task.
func (tr trace) played(t *testing.T) map[int]span {
	notes := &notes{spans: map[int]span{}}
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		notes.begun = time.Now()
		s := scheduler.New(scheduler.Config{Seed: tr.seed, Jobs: len(tr.at), Keep: time.Second}, ofPath, tr.fleet(t, notes), store.NewMemory(), quiet())
		for i := range tr.loads {
			s.NodeChanged(i, policy.Node{ID: (&fleet{}).ID(i), Up: true, Slots: 1})
		}
		ended := make(chan error)
		go func() { ended <- s.Run(ctx) }()
		var jobs sync.WaitGroup
		for i, at := range tr.at {
			time.Sleep(time.Until(notes.begun.Add(at)))
			jobs.Go(func() {
				j := runOne(ctx, t, s, job.Spec{Source: strconv.Itoa(i), Policy: tr.policy, Operation: job.Operation{Name: "none"}})
				require.Equal(t, job.Succeeded, j.State)
			})
		}
		jobs.Wait()
		stop()
		require.NoError(t, <-ended)
	})
	return notes.spans
}

// fleet is workers of one slot that take as long over a task as the trace says.
func (tr trace) fleet(t *testing.T, notes *notes) *fleet {
	roots, err := confine.NewRoots(t.TempDir())
	require.NoError(t, err)
	f := &fleet{}
	for i, p := range tr.loads {
		gate, err := admission.New("probability", admission.Config{Probability: p, Delay: tr.delay, Seed: tr.seed*100 + uint64(i)})
		require.NoError(t, err)
		w, err := worker.New(worker.Config{Node: f.ID(i), Slots: 1}, roots, gate, &timed{tr.sizes, i, notes}, quiet())
		require.NoError(t, err)
		f.workers = append(f.workers, w)
	}
	return f
}

// ofPath opens a source of one name, which is its path.
func ofPath(path string, _ job.Operation) (scheduler.Source, error) {
	return single{names(1), path}, nil
}

type single struct {
	names
	path string
}

func (s single) Inputs(_ context.Context, yield func(string) bool) error {
	yield(filepath.Base(s.path) + ".png")
	return nil
}

// notes are what the nodes did.
type notes struct {
	begun time.Time
	mu    sync.Mutex
	spans map[int]span
}

func (n *notes) done(task int, s span) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if first, known := n.spans[task]; !known || s.End < first.End {
		n.spans[task] = s
	}
}

// timed takes as long over task i.png as sizes[i] says.
type timed struct {
	sizes []time.Duration
	node  int
	notes *notes
}

func (d *timed) Do(ctx context.Context, r operation.Request) (operation.Reply, error) {
	task, err := strconv.Atoi(strings.TrimSuffix(r.Name, ".png"))
	if err != nil {
		return operation.Reply{}, err
	}
	start := time.Since(d.notes.begun)
	select {
	case <-time.After(d.sizes[task]):
	case <-ctx.Done():
		return operation.Reply{}, job.E(job.CancelledCode, "", ctx.Err(), "")
	}
	d.notes.done(task, span{d.node, start, time.Since(d.notes.begun)})
	return operation.Reply{Run: d.sizes[task]}, nil
}

// Where a policy draws nothing but the node that it begins with, each task is on the same
// node from the same nanosecond to the same nanosecond.
func TestReplay_SimulatorDoesWhatSchedulerAndWorkersDo(t *testing.T) {
	tr := newTrace("round_robin:hedge=0", 7, 300, 0, 0, 0, 0)
	require.Equal(t, renamed(tr.simulated(t)), renamed(tr.played(t)))
}

// renamed numbers the nodes, which are alike, in the order of the first task of each.
func renamed(spans map[int]span) map[int]span {
	numbers, all := map[int]int{}, map[int]span{}
	for _, task := range slices.Sorted(maps.Keys(spans)) {
		s := spans[task]
		if _, known := numbers[s.Node]; !known {
			numbers[s.Node] = len(numbers)
		}
		s.Node = numbers[s.Node]
		all[task] = s
	}
	return all
}

// Where it draws, or nodes do, times agree on average.
func TestReplay_SimulatorAgreesOnAverage(t *testing.T) {
	const seeds, tasks = 10, 160
	for _, word := range []string{"balance", "least_outstanding", "p2c", "cost", policy.Default} {
		for _, loads := range [][]float64{{0, 0, 0, 0}, {.1, .3, .2, .5}} {
			t.Run(fmt.Sprintf("%s at %v", word, loads), func(t *testing.T) {
				var ours, theirs []float64
				for seed := range uint64(seeds) {
					tr := newTrace(word, seed+1, tasks, loads...)
					ours = append(ours, tr.latency(tr.played(t)))
					theirs = append(theirs, tr.latency(tr.simulated(t)))
				}
				ours, theirs = inner(ours), inner(theirs)
				low, high := report.Interval(ours, 1)
				otherLow, otherHigh := report.Interval(theirs, 1)
				t.Logf("%.2f ms (%.2f to %.2f), simulated %.2f ms (%.2f to %.2f)", report.Mean(ours), low, high, report.Mean(theirs), otherLow, otherHigh)
				slack := .03*report.Mean(ours) + (high-low+otherHigh-otherLow)/2*1.3
				require.InDelta(t, report.Mean(ours), report.Mean(theirs), slack)
			})
		}
	}
}

// inner are the values without the two least and the two largest: a queue that has grown
// by bad luck, which is rare, says nothing of the simulator.
func inner(values []float64) []float64 {
	return slices.Sorted(slices.Values(values))[2 : len(values)-2]
}

// latency is the mean time of the tasks in ms, from when they came.
func (tr trace) latency(spans map[int]span) float64 {
	var all []float64
	for _, i := range slices.Sorted(maps.Keys(spans)) { // so that the sum is always the same
		all = append(all, (spans[i].End-tr.at[i]).Seconds()*1e3)
	}
	return report.Mean(all)
}
