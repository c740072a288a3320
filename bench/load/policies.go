package load

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"spillway/job"
)

// loadSets are the load probabilities of the assignment.
func loadSets() [][]float64 {
	return [][]float64{{.2, .2, .2, .2}, {.8, .8, .8, .8}, {.1, .5, .2, .9}, {.8, .6, .5, .2}}
}

// showcase is the set of which the attempts of each node are recorded.
const showcase = 2

// policies measures makespans against the closed forms.
func (b *bench) policies(ctx context.Context) error {
	for _, many := range []jobs{b.plan.small, b.plan.large} {
		base, err := b.lab.Empty(ctx, fmt.Sprintf("jobs_%d", many.images), many.images)
		if err != nil {
			return err
		}
		for i, loads := range loadSets() {
			s := setting{bench: b, jobs: many, base: base, loads: loads, nodes: i == showcase && many.images == b.plan.large.images}
			if err := s.measure(ctx); err != nil {
				return fmt.Errorf("load probabilities %s: %w", spell(loads), err)
			}
		}
	}
	return nil
}

// setting is one set of load probabilities with jobs of one size.
type setting struct {
	*bench
	jobs
	base  string
	loads []float64
	nodes bool // record what each node does
}

func (s setting) measure(ctx context.Context) error {
	c, err := s.start(ctx, Pool{
		Loads:      s.loads,
		NodeArgs:   []string{"--isolate=off", "--delay", s.delay.String(), "--log-level", "warn"},
		ServerArgs: []string{"--window", "8192", "--jobs", "1000"}, // none waits for others
	})
	if err != nil {
		return err
	}
	defer c.Stop()
	for _, policy := range []string{"random", "balance"} {
		ended, err := s.run(ctx, c, policy)
		if err != nil {
			return failure(err, c.all()...)
		}
		if err := s.record(policy, ended, c.started); err != nil {
			return err
		}
	}
	return nil
}

// underWay is how many jobs there are at once at most. Where the machine is slower, they
// are submitted later: the server takes 1000.
const underWay = 600

// run submits the jobs, one every so often whether or not others have ended, and
// returns all as they ended.
func (s setting) run(ctx context.Context, c *Cluster, policy string) ([]job.Job, error) {
	var mu sync.Mutex
	var ended []job.Job
	calls, ctx := errgroup.WithContext(ctx)
	calls.SetLimit(underWay)
	next := time.NewTicker(s.every)
	defer next.Stop()
	for range s.count(s.expected(policy)[0].Value) {
		calls.Go(func() error {
			j, err := c.Run(ctx, job.Spec{Source: s.base, Policy: policy, Operation: job.Operation{Name: job.NoOperation}})
			mu.Lock()
			defer mu.Unlock()
			ended = append(ended, j)
			return err
		})
		select {
		case <-next.C:
		case <-ctx.Done():
		}
	}
	return ended, calls.Wait()
}
