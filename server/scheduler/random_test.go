package scheduler

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
	"spillway/server/policy"
)

// Tasks whose index is divisible by these break every node, or are refused by
// every node for good.
const (
	poisonEvery = 11
	absentEvery = 7
)

// wild is a fleet of nodes that answer at random. Node 0 is healthy: it flaps
// and rejects, and does what it takes.
type wild struct {
	mu      sync.Mutex
	rand    *rand.Rand
	healthy bool // whether there is a healthy node at all
	weights [][]int
	down    []bool
	done    map[string]int // by name of the task
}

// outcomes of an attempt on a wild node, drawn by weight.
var outcomes = []node{
	good, rejects, refuses, takes(20 * time.Millisecond), fails(job.Unavailable), fails(job.DeadlineExceeded),
	fails("rubbish"), hangsFor(3 * time.Second), fails(job.Unimplemented), fails(job.Internal),
}

func newWild(seed uint64, nodes int, healthy bool) *wild {
	w := &wild{rand: rand.New(rand.NewPCG(seed, 1)), healthy: healthy, down: make([]bool, nodes), done: map[string]int{}}
	for i := range nodes {
		weights := make([]int, len(outcomes))
		for o := range outcomes {
			weights[o] = w.rand.IntN(4) * w.rand.IntN(2)
		}
		switch {
		case healthy && i == 0:
			weights = []int{2, w.rand.IntN(5), 0, 2, 0, 0, 0, 0, 0, 0}
		case healthy && i > 2:
			weights[9] = 0 // three nodes that break it are a verdict
		}
		weights[1]++
		w.weights = append(w.weights, weights)
	}
	return w
}

func (w *wild) node(i int) node {
	return func(ctx context.Context, t job.Task) (job.Result, error) {
		act := w.draw(i, t)
		res, err := act(ctx, t)
		if err == nil {
			w.mu.Lock()
			w.done[t.Name]++
			w.mu.Unlock()
		}
		return res, err
	}
}

func (w *wild) draw(i int, t job.Task) node {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.down[i]:
		return refuses
	case t.Index%poisonEvery == 0:
		return fails(job.Internal)
	case t.Index%absentEvery == 0:
		return fails(job.NotFound)
	}
	total := 0
	for _, weight := range w.weights[i] {
		total += weight
	}
	at := w.rand.IntN(total)
	for o, weight := range w.weights[i] {
		if at -= weight; at < 0 {
			return outcomes[o]
		}
	}
	panic("unreachable")
}

// flap turns nodes off and on until ctx ends. Every second time the scheduler
// is told.
func (w *wild) flap(ctx context.Context, r *rig) {
	for n := 0; ctx.Err() == nil; n++ {
		w.mu.Lock()
		i, pause := w.rand.IntN(len(w.down)), time.Duration(w.rand.IntN(400))*time.Millisecond
		w.down[i] = !w.down[i]
		up := !w.down[i]
		w.mu.Unlock()
		if n%2 == 0 || up {
			r.set(i, up)
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// ledger checks that a policy hears of each attempt's start and of one end.
type ledger struct {
	policy.Policy
	t   *testing.T
	out map[int]int
}

func (l *ledger) Observe(now time.Time, o policy.Observation) {
	if o.Kind == policy.Sent {
		l.out[o.Node]++
	} else {
		l.out[o.Node]--
		require.GreaterOrEqual(l.t, l.out[o.Node], 0, "an end without a start")
	}
	l.Policy.Observe(now, o)
}

// keepLedger puts a ledger before a policy, and returns its open attempts.
func (r *rig) keepLedger(name string) map[int]int {
	rule, err := policy.New(name)
	require.NoError(r.t, err)
	l := &ledger{Policy: rule.Policy, t: r.t, out: map[int]int{}}
	rule.Policy = l
	r.Scheduler.mu.Lock()
	defer r.Scheduler.mu.Unlock()
	r.dispatchers[name] = r.newDispatcher(rule)
	return l.out
}

func TestScheduler_WhateverNodesDoEveryTaskIsAccountedForOnce(t *testing.T) {
	for seed := range uint64(150) {
		random := rand.New(rand.NewPCG(seed, 0))
		nodes, tasks, healthy := 1+random.IntN(8), 1+random.IntN(60), seed%3 != 0
		spec := job.Spec{ID: "j", Policy: policy.Names()[random.IntN(len(policy.Names()))]}
		if !healthy && seed%2 == 0 {
			spec.Deadline = time.Duration(1+random.IntN(20_000)) * time.Millisecond
		}
		t.Run(fmt.Sprintf("seed %d: %d nodes, %d tasks, healthy %v", seed, nodes, tasks, healthy), func(t *testing.T) {
			w := newWild(seed, nodes, healthy)
			var fleet []node
			for i := range nodes {
				fleet = append(fleet, w.node(i))
			}
			inBubble(t, Config{Window: 1 + random.IntN(20), Seed: seed + 1}, fleet, func(t *testing.T, r *rig) {
				open := r.keepLedger(spec.Policy)
				flapping, still := context.WithCancel(t.Context())
				defer still()
				go w.flap(flapping, r)
				j := r.run(tasks, spec)
				still()

				require.Equal(t, int64(tasks), j.Total)
				w.requireOnce(t, j)
				for i, n := range open {
					require.Zero(t, n, "node %d: the policy never heard how an attempt ended", i)
				}
			})
		})
	}
}

// requireOnce checks every task of a job that has ended.
func (w *wild) requireOnce(t *testing.T, j job.Job) {
	t.Helper()
	failed := map[string]job.Failure{}
	for _, f := range j.Failures {
		require.NotContains(t, failed, f.Name)
		failed[f.Name] = f
	}
	require.Len(t, w.done, int(j.Done))
	for n := range j.Total {
		name := fmt.Sprintf("a%d.png", n)
		f, bad := failed[name]
		require.Equal(t, bad, w.done[name] == 0, "%s is either done or failed", name)
		require.LessOrEqual(t, w.done[name], 1, "%s is done once", name)
		if !w.healthy {
			continue
		}
		switch {
		case n%poisonEvery == 0:
			require.True(t, f.Quarantined, "%s: %v", name, f.Err)
		case n%absentEvery == 0:
			require.Equal(t, job.NotFound, f.Err.Code)
		default:
			require.False(t, bad, "%s could have been done: %+v, %v", name, f, f.Err)
		}
	}
	require.True(t, !w.healthy || j.Err == nil, "%v", j.Err)
}
