package scenario

import (
	"context"

	"spillway/bench/load"
	"spillway/bench/report"
	"spillway/job"
	"spillway/server/policy"
)

// assigned is the setting of S2 and S3: nodes with the load probabilities of the
// assignment's example, and images that cost nothing but what is injected.
func assigned(ctx context.Context, lab *load.Lab, images int) (load.Trial, error) {
	base, err := lab.Empty(ctx, "images", images)
	return load.Trial{
		Loads: mixed(), Delay: injected, Base: base,
		Operation: job.Operation{Name: job.NoOperation},
	}, err
}

// sixOnMachine is S2: jobs of 6 images on fresh clusters.
func sixOnMachine(ctx context.Context, e *Env) ([]Figure, error) {
	return inLab(e, func(lab *load.Lab) ([]Figure, error) {
		trial, err := assigned(ctx, lab, 6)
		if err != nil {
			return nil, err
		}
		doses := map[string]dose{}
		for _, word := range e.Lineup() {
			doses[word] = dose{seeds: min(e.Runs(), 5), jobs: 2}
		}
		doses["balance"] = dose{seeds: min(e.judgedRuns(), 15), jobs: 2}
		doses[policy.Default] = dose{seeds: e.judgedRuns(), jobs: 4}
		all, err := try(ctx, e, lab, trial, doses)
		if err == nil {
			err = record(e, all)
		}
		if err != nil {
			return nil, err
		}
		// Balance learns nothing, so that all of its jobs are alike.
		ours, balance := all[policy.Default], all["balance"]
		return []Figure{
			e.judged("makespan_cold", policy.Default, ours.cold.took, "s", .2),
			e.judged("makespan_warm", policy.Default, ours.warm.took, "s", .12),
			e.judged("attempts_cold", policy.Default, ours.cold.attempts, "", 1.3),
			e.judged("attempts_warm", policy.Default, ours.warm.attempts, "", 1.3),
			{
				Metric: "balance_ratio", Policy: policy.Default, Target: 20, AtLeast: true,
				Value: report.Mean(append(balance.cold.took, balance.warm.took...)) / report.Mean(ours.cold.took), N: len(ours.cold.took),
			},
		}, nil
	})
}

// hundredOnMachine is S3: jobs of 100 images, of which 4 are under way at once.
func hundredOnMachine(ctx context.Context, e *Env) ([]Figure, error) {
	return inLab(e, func(lab *load.Lab) ([]Figure, error) {
		trial, err := assigned(ctx, lab, 100)
		if err != nil {
			return nil, err
		}
		trial.Window = 4
		doses := map[string]dose{policy.Default: {seeds: e.judgedRuns(), jobs: 1}}
		for _, word := range e.Some("random", "balance", "p2c", "cost") {
			if word != policy.Default {
				doses[word] = dose{seeds: min(e.Runs(), 4), jobs: 1}
			}
		}
		all, err := try(ctx, e, lab, trial, doses)
		if err == nil {
			err = record(e, all)
		}
		if err != nil {
			return nil, err
		}
		return []Figure{e.judged("makespan_cold", policy.Default, all[policy.Default].cold.took, "s", 1.7)}, nil
	})
}
