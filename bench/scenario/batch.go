package scenario

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"spillway/bench/sim"
	"spillway/server/policy"
)

// generations are the speeds of unequal nodes: three generations of machines, each
// twice as fast as that before.
func generations() []float64 { return []float64{.5, 1, 2} }

// batchOf is a batch of so many tasks a node, whose sizes are as unequal as those of
// photographs of a few cameras.
func batchOf(fleet sim.Fleet, each int) func(seed uint64) sim.Config {
	return func(seed uint64) sim.Config {
		return sim.Config{
			Nodes: fleet.Draw(seed), Tasks: fleet.Nodes * each,
			Sizes: sim.Sizes{Shape: sim.Lognormal, Mean: 100 * time.Millisecond, Sigma: .5},
		}
	}
}

// batchSize is one fleet with one number of tasks a node.
type batchSize struct {
	nodes, each int
	target      float64 // on the makespan ÷ bound
	words       []string
}

// unequalNodes is S5. The larger the fleet, the fewer policies are played beside the
// default, which is the one that is judged.
func unequalNodes(ctx context.Context, e *Env) ([]Figure, error) {
	few := e.Some(policy.Default, "p2c", "least_outstanding", Central)
	one := e.Some(policy.Default, Central)
	sizes := []batchSize{
		{100, 100, 1.01, e.Lineup(Central)},
		{100, 10, 1.05, e.Lineup(Central)},
		{1000, 100, 1.01, one},
		{1000, 10, 1.05, few},
		{10_000, 100, 1.01, []string{policy.Default}},
		{10_000, 10, 1.05, one},
	}
	if e.Quick {
		sizes = sizes[:2]
	}
	var figures []Figure
	for _, s := range sizes {
		e.Say("  %d nodes, %d tasks a node", s.nodes, s.each)
		all, err := e.study(ctx, study{
			words: s.words, config: batchOf(sim.Fleet{Nodes: s.nodes, Speeds: generations()}, s.each), seeds: e.affordable(s.nodes * s.each),
			pairs: []string{"nodes", strconv.Itoa(s.nodes), "tasks", strconv.Itoa(s.each)},
		})
		if err != nil {
			return nil, err
		}
		figures = append(figures, e.judged(fmt.Sprintf("ratio_%d_nodes_%d_each", s.nodes, s.each), policy.Default, all.get(policy.Default, ratio), "", s.target))
	}
	return figures, nil
}

// mostTasks bounds the tasks that one policy is played with over all seeds, so that a
// scenario ends in three minutes. The larger a batch, the less its ratio varies between
// seeds.
const mostTasks = 3_000_000

// affordable is how many seeds there are for runs of so many tasks.
func (e *Env) affordable(tasks int) int { return min(e.Seeds, max(3, mostTasks/tasks)) }

// slowNodes is S6.
func slowNodes(ctx context.Context, e *Env) ([]Figure, error) {
	sizes := []batchSize{{100, 100, 1.10, e.Lineup(Central)}, {1000, 100, 1.10, e.Some(policy.Default, "p2c", Central)}}
	if e.Quick {
		sizes = sizes[:1]
	}
	var figures []Figure
	for _, s := range sizes {
		e.Say("  %d nodes, %d tasks a node", s.nodes, s.each)
		all, err := e.study(ctx, study{
			words: s.words, config: batchOf(sim.Fleet{Nodes: s.nodes, Stragglers: .05, Times: 8}, s.each),
			pairs: []string{"nodes", strconv.Itoa(s.nodes), "tasks", strconv.Itoa(s.each)},
		})
		if err != nil {
			return nil, err
		}
		figures = append(figures,
			e.judged(fmt.Sprintf("ratio_%d_nodes", s.nodes), policy.Default, all.get(policy.Default, ratio), "", s.target),
			e.judged(fmt.Sprintf("copies_%d_nodes", s.nodes), policy.Default, all.get(policy.Default, func(o outcome) float64 { return o.copies }), "", .06))
	}
	return figures, nil
}
