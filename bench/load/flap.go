package load

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// Flap kills nodes, as kill -9 does, and starts them again, by chance but never all at
// once, until ctx ends; then it starts those that are dead. It returns how many it
// killed. up is the mean time between two deaths in the cluster, down that until a node
// is started again. Errors: those of [Lab.Start].
func (c *Cluster) Flap(ctx context.Context, seed uint64, up, down time.Duration) (kills int, err error) {
	rng := rand.New(rand.NewPCG(seed, 2))
	after := func(mean time.Duration) time.Time {
		return time.Now().Add(time.Duration(rng.ExpFloat64() * float64(mean)))
	}
	dead := map[int]time.Time{} // and when each is started again
	strike := time.Now()
	for ctx.Err() == nil {
		next := strike
		for _, due := range dead {
			if due.Before(next) {
				next = due
			}
		}
		pause(ctx, time.Until(next))
		if err := c.revive(dead, time.Now()); err != nil {
			return kills, err
		}
		if ctx.Err() != nil || time.Now().Before(strike) {
			continue
		}
		strike = after(up)
		i := rng.IntN(len(c.nodes))
		if _, already := dead[i]; !already && len(dead) < len(c.nodes)-1 {
			c.Kill(i)
			kills++
			dead[i] = after(down)
		}
	}
	return kills, c.revive(dead, time.Time{})
}

// revive starts those of the dead nodes that are due, or all where now is zero.
func (c *Cluster) revive(dead map[int]time.Time, now time.Time) (err error) {
	for i, due := range dead {
		if now.IsZero() || !now.Before(due) {
			delete(dead, i)
			err = errors.Join(err, c.Restart(i))
		}
	}
	return err
}
