package scenario

import (
	"context"
	"time"

	"spillway/bench/report"
	"spillway/bench/sim"
	"spillway/server/policy"
)

// sixImages is S2 in the simulator.
func sixImages(ctx context.Context, e *Env) ([]Figure, error) {
	config := func(seed uint64) sim.Config {
		fleet := sim.Fleet{Nodes: 4, Slots: 1, Probabilities: []float64{.1, .5, .2, .9}, Delay: 3 * time.Second}
		return sim.Config{Nodes: fleet.Draw(seed), Tasks: 6, Sizes: sim.Sizes{Mean: -1}}
	}
	all, err := play(ctx, e, e.Lineup(), config, func(r *sim.Result) float64 { return r.Makespan.Seconds() })
	if err != nil {
		return nil, err
	}
	var figures []Figure
	for _, word := range e.Lineup() {
		f, err := e.Mean("makespan", word, all[word], "s", "on", report.OnSimulator)
		if err != nil {
			return nil, err
		}
		if word == policy.Default {
			f.Target = .2
			figures = append(figures, f)
		}
	}
	return figures, nil
}
