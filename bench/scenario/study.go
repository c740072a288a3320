package scenario

import (
	"context"
	"runtime"

	"golang.org/x/sync/errgroup"

	"spillway/bench/sim"
)

// play plays every policy under every seed, on all cores, and returns what look made of
// each run: by policy, then seed. config is that of a run but for Policy, Central and
// Seed, and must be the same for every policy.
func play[T any](
	ctx context.Context, e *Env, words []string, config func(seed uint64) sim.Config, look func(*sim.Result) T,
) (map[string][]T, error) {
	all := make(map[string][]T, len(words))
	runs, ctx := errgroup.WithContext(ctx)
	runs.SetLimit(runtime.GOMAXPROCS(0))
	for _, word := range words {
		outcomes := make([]T, e.Runs())
		all[word] = outcomes
		for n := range outcomes {
			runs.Go(func() error {
				if err := ctx.Err(); err != nil {
					return err
				}
				seed := e.Seed + uint64(n)
				cfg := config(seed)
				cfg.Policy, cfg.Central, cfg.Seed = word, word == Central, seed
				r, err := sim.Run(cfg)
				if err == nil {
					outcomes[n] = look(&r)
				}
				return err
			})
		}
	}
	return all, runs.Wait()
}

// values are what get makes of each of xs.
func values[T any](xs []T, get func(T) float64) []float64 {
	all := make([]float64, len(xs))
	for i, x := range xs {
		all[i] = get(x)
	}
	return all
}

// ratios are a ÷ b, seed by seed; 0 where there is no b.
func ratios(a, b []float64) []float64 {
	all := make([]float64, len(a))
	for i := range a {
		if b[i] != 0 {
			all[i] = a[i] / b[i]
		}
	}
	return all
}
