package scenario

import (
	"context"
	"math"

	"spillway/bench/load"
	"spillway/bench/report"
)

// fidelityOnMachine is S1: the makespans of random and balance against their closed forms, at
// each set of load probabilities of the assignment.
func fidelityOnMachine(ctx context.Context, e *Env) ([]Figure, error) {
	var means, forms report.Results
	err := load.Fidelity(ctx, load.Config{
		Bin: e.Bin, Quick: e.Quick, Seed: e.Seed, Progress: e.Progress,
		Record: func(r report.Result) error {
			switch {
			case r.Name == report.Makespan:
				means = append(means, r)
			case r.Name == report.ClosedForm && r.Params["rule"] == "exact":
				forms = append(forms, r)
			}
			return nil
		},
	})
	if err != nil {
		return nil, err
	}
	var figures []Figure
	for _, word := range []string{"random", "balance"} {
		f := Figure{Metric: "off_" + word, Policy: word, Unit: "%", Target: 2}
		for i, r := range means { // each is followed by its form
			if r.Params["policy"] != word {
				continue
			}
			f.Value = max(f.Value, 100*math.Abs(r.Value/forms[i].Value-1))
			f.N++
			for metric, value := range map[string]float64{"makespan_mean": r.Value, "makespan_form": forms[i].Value} {
				if err := e.Put(report.Metric, word, value, "T", "metric", metric, "on", report.OnMachine,
					"loads", r.Params["loads"], "images", r.Params["images"]); err != nil {
					return nil, err
				}
			}
		}
		figures = append(figures, f)
	}
	return figures, nil
}
