package scheduler

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
)

// loaded is a node of the assignment: it turns a task away with chance p, and delays
// one that it takes with chance p.
func loaded(p float64, delay time.Duration, random *rand.Rand) node {
	var mu sync.Mutex
	return func(ctx context.Context, t job.Task) (job.Result, error) {
		mu.Lock()
		reject, late := random.Float64() < p, random.Float64() < p
		mu.Unlock()
		if reject {
			return takes(100*time.Microsecond).then(ctx, t, fails(job.ResourceExhausted))
		}
		d := time.Millisecond
		if late {
			d += delay
		}
		res, err := takes(d)(ctx, t)
		res.Delayed = late
		return res, err
	}
}

// then answers as next does, once n has.
func (n node) then(ctx context.Context, t job.Task, next node) (job.Result, error) {
	if res, err := n(ctx, t); err != nil {
		return res, err
	}
	return next(ctx, t)
}

func TestScheduler_DelaysOfLoadedNodesAreRacedAway(t *testing.T) {
	for seed := range uint64(40) {
		random := rand.New(rand.NewPCG(seed, 0))
		var nodes []node
		for _, p := range []float64{.1, .5, .2, .9} {
			nodes = append(nodes, loaded(p, 3*time.Second, random))
		}
		inBubble(t, Config{Seed: seed + 1, Policy: "pull"}, nodes, func(t *testing.T, r *rig) {
			for range 3 {
				j := r.run(6, job.Spec{})
				require.Equal(t, job.Succeeded, j.State)
				require.Less(t, j.Elapsed(time.Now()), time.Second, fmt.Sprint("seed ", seed, j.Nodes))
			}
		})
	}
}
