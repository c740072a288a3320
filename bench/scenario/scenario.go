// Package scenario has the scenarios S1 to S14: settings in which policies are held
// against each other, each with targets that the best must meet. A scenario consists
// of parts: those on real clusters come first, their twins in the simulator after them.
//
// All draws come from seeds that are recorded, the same for every policy, so that the
// policies meet the same tasks and the same nodes (common random numbers).
package scenario

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"spillway/job"
)

// Part measures something of a scenario. It records what the report draws through env,
// and returns the figures that have targets, the main one first.
type Part func(ctx context.Context, env *Env) ([]Figure, error)

// Scenario is a setting with targets.
type Scenario struct {
	// ID is S1 to S14.
	ID string
	// Title says in a line what it is, and Targets what must come of it, in words.
	Title, Targets string
	// Quick is its title where Env.Quick makes it smaller than the title says; empty: the
	// title tells no size.
	Quick string
	// Parts are run in turn, one at a time.
	Parts []Part
}

// Catalog is every scenario, in order.
func Catalog() []Scenario {
	all := []Scenario{
		{ID: "S1", Title: "fidelity of random and balance", Targets: "within 2 % of the closed forms"},
		{ID: "S2", Title: "p = .1/.5/.2/.9, 6 images", Targets: "≤ 0.20 s cold, ≤ 0.12 s warm, ≤ 1.3 attempts an image; ≥ 20 × better than balance"},
		{ID: "S3", Title: "p = .1/.5/.2/.9, 100 images, 4 at once", Targets: "≤ 1.7 s cold"},
		{ID: "S4", Title: "a node that rejects 90 % and more", Targets: "< 2 % of the first sends after 200 tasks"},
		{ID: "S5", Title: "unequal nodes, 100 to 10,000", Quick: "unequal nodes, 100", Targets: "≤ 1.01 × bound at 100 tasks a node, ≤ 1.05 at 10"},
		{ID: "S6", Title: "5 % of the nodes 8 × slower", Targets: "≤ 1.10 × bound at 100 tasks a node; ≤ 6 % copies"},
		{ID: "S7", Title: "open loop at .7 and .9 with antagonists", Targets: "p99 ≤ 1.1 × central queue; ≥ 5 × better than p2c without copies"},
		{ID: "S8", Title: "50 servers over shared nodes", Targets: "p99 ≤ 3.5 × central queue; ≥ 8 × better than local p2c without copies"},
		{ID: "S9", Title: "a ramp of the load from .75 to 1.74", Targets: "no deadline error where a feasible schedule exists"},
		{ID: "S10", Title: "overload of 1.5 to 3 ×", Targets: "goodput ≥ .98 of ideal at ≤ 1.1 attempts a task"},
		{ID: "S11", Title: "a spike, then .8", Targets: "≥ .99 goodput within 5 s"},
		{ID: "S12", Title: "nodes die and flap", Targets: "no output lost, none doubled"},
		{ID: "S13", Title: "the simulator", Quick: "the simulator, with 1,000 nodes and 20,000 tasks", Targets: "10,000 nodes × 1,000,000 tasks < 10 s on one core; within 5 % of a real cluster"},
		{ID: "S14", Title: "one decision among 10,000 nodes", Quick: fmt.Sprintf("one decision among %d nodes", quickDecisionNodes), Targets: "≤ 1 µs (prequal and c3: 5 µs), 0 allocations"},
	}
	programs, simulated := realParts(), simulatedParts()
	for i := range all {
		s := &all[i]
		s.Parts = append(append(s.Parts, programs[s.ID]...), simulated[s.ID]...)
	}
	return all
}

// Find is the scenario of that ID, in capital letters or small ones. Errors:
// InvalidArgument.
func Find(id string) (Scenario, error) {
	all := Catalog()
	for _, s := range all {
		if strings.EqualFold(s.ID, id) {
			return s, nil
		}
	}
	return Scenario{}, job.E(job.InvalidArgument, "", fmt.Errorf("there is no scenario %.40q", id),
		fmt.Sprintf("use any of %s to %s, or none to measure images per second and the like", all[0].ID, all[len(all)-1].ID))
}

// Run measures all parts of a scenario, and records a verdict for each figure. Errors:
// those of the parts; Cancelled; FailedPrecondition (nothing of it can be measured).
func (s Scenario) Run(ctx context.Context, env Env) ([]Figure, error) {
	env.scenario = s.ID
	title := s.Title
	if env.Quick {
		title = cmp.Or(s.Quick, s.Title) + " (--quick: smaller than the targets are for)"
	}
	env.Say("%s: %s; target: %s", s.ID, title, s.Targets)
	var all []Figure
	for _, part := range s.Parts {
		figures, err := part(ctx, &env)
		if ctx.Err() != nil {
			return nil, job.E(job.CancelledCode, s.ID, errors.New("interrupted"), "")
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.ID, err)
		}
		for _, f := range figures {
			if err := env.note(f.result()); err != nil {
				return nil, err
			}
			env.Say("  %s", f)
		}
		all = append(all, figures...)
	}
	if len(all) == 0 {
		return nil, job.E(job.FailedPrecondition, s.ID, errors.New("nothing of it can be measured yet"), "")
	}
	return all, nil
}
