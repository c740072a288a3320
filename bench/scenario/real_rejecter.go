package scenario

import (
	"context"
	"strconv"
	"time"

	"spillway/bench/load"
	"spillway/bench/report"
	"spillway/job"
	"spillway/server/policy"
)

// rejecterOnMachine is S4: of four nodes, the first rejects 95 % of what it may. Counted
// are the first sends of a job of 1000 images, after one of 200.
func rejecterOnMachine(ctx context.Context, e *Env) ([]Figure, error) {
	const before, counted = 200, 1000
	return inLab(e, func(lab *load.Lab) ([]Figure, error) {
		trial := load.Trial{Loads: []float64{.95, 0, 0, 0}, Delay: 3 * time.Second, Operation: job.Operation{Name: job.NoOperation}}
		first, err := lab.Empty(ctx, "before", before)
		if err != nil {
			return nil, err
		}
		second, err := lab.Empty(ctx, "counted", counted)
		if err != nil {
			return nil, err
		}
		shares := map[string][]float64{}
		for n := range min(e.Runs(), 10) {
			for _, word := range e.Some(policy.Default, "balance", "least_outstanding", "p2c", "cost") {
				share, err := firstSends(ctx, lab, trial, word, e.Seed+uint64(n), []string{first, second})
				if err != nil {
					return nil, err
				}
				shares[word] = append(shares[word], 100*share)
			}
		}
		for word, values := range shares {
			if _, err := e.Mean("first_sends", word, values, "%", "on", report.OnMachine, "node", "0", "tasks", strconv.Itoa(counted)); err != nil {
				return nil, err
			}
			e.Say("  %s: %.2f %% of the first sends", word, report.Mean(values))
		}
		return []Figure{e.judged("first_sends", policy.Default, shares[policy.Default], "%", 2)}, nil
	})
}

// firstSends is the part of the first sends of the last job that went to node_0, the
// only node that rejects.
func firstSends(ctx context.Context, lab *load.Lab, t load.Trial, word string, seed uint64, bases []string) (float64, error) {
	c, err := lab.Start(ctx, t.Pool(seed))
	if err != nil {
		return 0, err
	}
	defer c.Stop()
	var last job.Job
	for _, base := range bases {
		if last, err = c.Run(ctx, job.Spec{Source: base, Policy: word, Operation: t.Operation}); err != nil {
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
