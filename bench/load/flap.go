package load

import (
	"context"
	"math/rand/v2"
	"time"
)

// Flap kills nodes, as kill -9 does, and starts them again, by chance but never all at
// once, until ctx ends; then it starts those that are dead. It returns how many it
// killed. up is the mean time between two deaths in the cluster, down that until a node
// is started again. Errors: those of [Lab.Start].
func (c *Cluster) Flap(ctx context.Context, seed uint64, up, down time.Duration) (kills int, err error) {
	rng := rand.New(rand.NewPCG(seed, 2))
	dead := map[int]time.Time{} // and when each is started again
	defer func() {
		for i := range dead {
			if again := c.Restart(i); err == nil {
				err = again
			}
		}
	}()
	strike := time.Now()
	for ctx.Err() == nil {
		next := strike
		for _, due := range dead {
			if due.Before(next) {
				next = due
			}
		}
		pause(ctx, time.Until(next))
		for i, due := range dead {
			if !time.Now().Before(due) {
				delete(dead, i)
				if err := c.Restart(i); err != nil {
					return kills, err
				}
			}
		}
		if ctx.Err() != nil || time.Now().Before(strike) {
			continue
		}
		strike = time.Now().Add(time.Duration(rng.ExpFloat64() * float64(up)))
		i := rng.IntN(len(c.nodes))
		if _, already := dead[i]; already || len(dead) == len(c.nodes)-1 {
			continue
		}
		c.Kill(i)
		kills++
		dead[i] = time.Now().Add(time.Duration(rng.ExpFloat64() * float64(down)))
	}
	return kills, nil
}
