package load

import (
	"context"
	"strconv"

	"spillway/bench/report"
)

// isolation measures images/s with and without child processes. The two take
// turns on the same photographs; the first turn is not recorded.
func (b *bench) isolation(ctx context.Context) error {
	base, images, err := b.photographs("isolation")
	if err != nil {
		return err
	}
	clusters := map[string]*Cluster{}
	for _, isolate := range []string{"off", "on"} {
		p := oneNode()
		p.NodeArgs = []string{"--isolate=" + isolate}
		p.NodeEnv = []string{mallocKept} // as the child processes have it anyway
		c, err := b.start(ctx, p)
		if err != nil {
			return err
		}
		defer c.Stop()
		clusters[isolate] = c
	}
	for pair := range b.plan.isolatePairs + 1 {
		for _, isolate := range []string{"off", "on"} {
			ours, err := clusters[isolate].photos(ctx, photos{base, images, pair})
			if err != nil {
				return err
			}
			if pair == 0 {
				continue
			}
			b.say("  pair %d of %d: --isolate=%s: %.1f images/s", pair, b.plan.isolatePairs, isolate, rate(images, ours.took))
			if err := b.Record(report.Result{
				Name: report.Isolation, Seed: b.Seed, Params: map[string]string{"isolate": isolate, "pair": strconv.Itoa(pair)},
				Value: rate(images, ours.took), Unit: "images/s", Command: ours.command,
			}); err != nil {
				return err
			}
		}
	}
	return nil
}
