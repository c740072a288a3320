package scenario

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"spillway/job"
	"spillway/server/policy"
)

// quickDecisionNodes is among how many nodes Quick chooses.
const quickDecisionNodes = 100

// decision is S14: what it takes to choose a node among 10,000 that have a history, in the
// processor's time. Of the default the least of three benchmarks is taken, since other
// programs only add to it.
func decision(ctx context.Context, e *Env) ([]Figure, error) {
	nodes := 10_000
	if e.Quick {
		nodes = quickDecisionNodes
	}
	var figures []Figure
	for _, word := range e.Lineup() {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		p, now, err := practised(word, nodes, e.Seed)
		if err != nil {
			return nil, err
		}
		took, allocations := e.decides(word, p, now)
		e.Say("  %s: %.0f ns, %.0f allocations", word, took, allocations)
		for _, m := range []struct {
			name, unit    string
			value, target float64
		}{{"decision", "ns", took, mayTake(word)}, {"allocations", "", allocations, 0}} {
			f, err := e.Mean(m.name, word, []float64{m.value}, m.unit, "nodes", strconv.Itoa(nodes))
			if err != nil {
				return nil, err
			}
			f.Metric, f.Target = m.name+"_"+word, m.target
			figures = append(figures, f)
		}
		if err := e.alsoTakes(word, p, now, nodes); err != nil {
			return nil, err
		}
	}
	return slowestFirst(figures), nil
}

// decides is the processor's time of one decision, in ns, and its allocations.
func (e *Env) decides(word string, p policy.Policy, now time.Time) (took, allocations float64) {
	rounds := 1
	if word == policy.Default {
		rounds = 3
	}
	for round := range rounds {
		r := testing.Benchmark(func(b *testing.B) { pick(b, p, now, e.Seed) })
		if ns := r.Extra[processorTime]; round == 0 || ns < took {
			took = ns
		}
		allocations = max(allocations, float64(r.AllocsPerOp()))
	}
	return took, allocations
}

// alsoTakes records what else a policy takes, without a target: decisions where a few
// nodes, half of them or all but a few are left out, as those are that lack the tags of a
// job, and a whole attempt with all that the policy is told of it.
func (e *Env) alsoTakes(word string, p policy.Policy, now time.Time, nodes int) error {
	r := policy.Request{Rand: rand.New(rand.NewPCG(e.Seed, 3)), Work: 1e6, Backlog: 1e6}
	record := func(metric string, once func()) error {
		const times = 20_000
		before := used()
		for range times {
			once()
		}
		took := float64(used()-before) / times
		e.Say("    %s: %.0f ns", metric, took)
		_, err := e.Mean(metric, word, []float64{took}, "ns", "nodes", strconv.Itoa(nodes))
		return err
	}
	for _, out := range []struct {
		metric string
		count  int
	}{{"decision_few_excluded", 10}, {"decision_half_excluded", nodes / 2}, {"decision_most_excluded", nodes - 10}} {
		r.Excluded = &policy.Set{}
		for _, i := range r.Rand.Perm(nodes)[:out.count] {
			r.Excluded.Add(i)
		}
		if err := record(out.metric, func() { p.Pick(now, r) }); err != nil {
			return err
		}
	}
	r.Excluded = nil
	load := &job.Load{Slots: 4}
	return record("attempt", func() {
		now = now.Add(time.Microsecond)
		i, verdict := p.Pick(now, r)
		if verdict != policy.Chosen {
			return
		}
		p.Observe(now, policy.Observation{Node: i, Kind: policy.Sent, Work: r.Work})
		took := time.Duration(5+i%10) * time.Millisecond
		p.Observe(now, policy.Observation{Node: i, Kind: policy.Done, Latency: took, Run: took, Work: r.Work, Load: load})
	})
}

// mayTake is how long a decision may take, in ns: those that look at many nodes have more.
func mayTake(word string) float64 {
	if word == "prequal" || word == "c3" {
		return 5000
	}
	return 1000
}

// slowestFirst is the default's figures, and then those of all policies that come the
// nearest to their target, or miss it by the most.
func slowestFirst(figures []Figure) (kept []Figure) {
	worst := map[string]Figure{}
	for _, f := range figures {
		if f.Policy == policy.Default {
			kept = append(kept, f)
		}
		if w, seen := worst[f.Unit]; !seen || f.Value*max(1, w.Target) > w.Value*max(1, f.Target) {
			worst[f.Unit] = f
		}
	}
	for _, unit := range []string{"ns", ""} {
		if w := worst[unit]; w.Policy != policy.Default {
			kept = append(kept, w)
		}
	}
	return kept
}

// processorTime is the unit of the processor's time of one operation, in ns.
const processorTime = "cpu-ns/op"

// pick measures decisions, one after the other.
func pick(b *testing.B, p policy.Policy, now time.Time, seed uint64) {
	r := policy.Request{Rand: rand.New(rand.NewPCG(seed, 1)), Work: 1e6, Backlog: 1e6}
	b.ReportAllocs()
	b.ResetTimer()
	before := used()
	for range b.N {
		p.Pick(now, r)
	}
	b.ReportMetric(float64(used()-before)/float64(b.N), processorTime)
}

// practised is a policy that has sent two tasks to each of so many nodes.
func practised(word string, nodes int, seed uint64) (policy.Policy, time.Time, error) {
	p, err := policy.New(word)
	if err != nil {
		return nil, time.Time{}, err
	}
	now, r := time.Unix(1_000_000_000, 0), rand.New(rand.NewPCG(seed, 2))
	for i := range nodes {
		p.Set(now, i, policy.Node{ID: job.NodeID(fmt.Sprint("node_", i)), Up: true, Slots: 4})
	}
	for range 2 * nodes {
		now = now.Add(10 * time.Microsecond)
		i, verdict := p.Pick(now, policy.Request{Rand: r, Work: 1e6})
		if verdict != policy.Chosen {
			continue
		}
		took := time.Duration(5e6 + 1e7*r.Float64())
		p.Observe(now, policy.Observation{Node: i, Kind: policy.Sent, Work: 1e6})
		o := policy.Observation{
			Node: i, Kind: policy.Done, Work: 1e6, Latency: took + 200*time.Microsecond, Run: took,
			Load: &job.Load{Slots: 4, Running: r.IntN(5), Mean: took},
		}
		if r.IntN(10) == 0 {
			o.Kind, o.Run = policy.Rejected, 0
		}
		p.Observe(now, o)
		if prober, ok := p.Policy.(policy.Prober); ok {
			for _, asked := range prober.Probes(now, r, nil) {
				prober.Probed(now, asked, o.Load)
			}
		}
	}
	return p, now, nil
}
