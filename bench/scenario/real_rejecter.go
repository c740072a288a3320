package scenario

import (
	"context"
	"strconv"

	"spillway/bench/load"
	"spillway/bench/report"
	"spillway/job"
	"spillway/server/policy"
)

// The images of the two jobs of S4; the first sends of the second count.
const (
	imagesBefore  = 200
	imagesCounted = 1000
)

// rejecterOnMachine is S4: of four nodes, the first rejects 95 % of what it may.
func rejecterOnMachine(ctx context.Context, e *Env) ([]Figure, error) {
	return inLab(e, func(lab *load.Lab) ([]Figure, error) {
		before, err := lab.Empty(ctx, "before", imagesBefore)
		if err != nil {
			return nil, err
		}
		counted, err := lab.Empty(ctx, "counted", imagesCounted)
		if err != nil {
			return nil, err
		}
		words, shares := e.Some(policy.Default, "balance", "least_outstanding", "p2c", "cost"), map[string][]float64{}
		for n := range min(e.Runs(), 10) {
			for _, word := range words {
				share, err := firstSends(ctx, lab, e.Seed+uint64(n), word, before, counted)
				if err != nil {
					return nil, err
				}
				shares[word] = append(shares[word], 100*share)
			}
		}
		for _, word := range words {
			if _, err := e.Mean("first_sends", word, shares[word], "%", "on", report.OnMachine, "node", "0", "tasks", strconv.Itoa(imagesCounted)); err != nil {
				return nil, err
			}
			e.Say("  %s: %.2f %% of the first sends", word, report.Mean(shares[word]))
		}
		return []Figure{e.judged("first_sends", policy.Default, shares[policy.Default], "%", 2)}, nil
	})
}

// firstSends is the part of the first sends of the second job on a fresh cluster that
// went to node_0, the only node that rejects.
func firstSends(ctx context.Context, lab *load.Lab, seed uint64, word string, bases ...string) (share float64, err error) {
	c, err := lab.Start(ctx, load.Trial{Loads: []float64{.95, 0, 0, 0}, Delay: injected}.Pool(seed))
	if err != nil {
		return 0, err
	}
	defer c.Stop()
	var last job.Job
	for _, base := range bases {
		if last, err = c.Run(ctx, job.Spec{Source: base, Policy: word, Operation: job.Operation{Name: job.NoOperation}}); err != nil {
			return 0, c.Failure(err)
		}
	}
	tasks, err := c.Tasks(ctx, last.ID)
	if err != nil {
		return 0, err
	}
	rejecter := 0
	for _, task := range tasks {
		// A first attempt that is not listed was rejected; or a copy was faster, which is
		// counted against the policy.
		if first := firstAttempt(task); first == nil || first.Node == "node_0" {
			rejecter++
		}
	}
	return float64(rejecter) / float64(len(tasks)), nil
}

// firstAttempt is that of number 1; nil: no node took it.
func firstAttempt(task job.TaskInfo) *job.Attempt {
	for i, a := range task.Attempts {
		if a.Number == 1 {
			return &task.Attempts[i]
		}
	}
	return nil
}
