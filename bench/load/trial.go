package load

import (
	"context"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"spillway/job"
)

// Trial is a setting in which policies are tried. Loads and Base must be set.
type Trial struct {
	Loads     []float64     // load probability of each node
	Delay     time.Duration // the injected one
	Admission string        // of the nodes; "": their default
	Slots     int           // of each node; 0: their default
	Window    int           // of the server; 0: its default
	Base      string        // folder of the jobs, of [Lab.Empty] or [Lab.Pictures]
	Operation job.Operation
	// Deadline of each job, from its submission; 0: none. Jobs that miss theirs are no
	// error then, but Late.
	Deadline time.Duration
	// Jobs of a fresh cluster. Default 1.
	Jobs int
	// Rate is jobs a second, which come by chance (a Poisson process) whether or not
	// others have ended; 0: one after the other.
	Rate float64
}

// Outcome is one job of a trial.
type Outcome struct {
	// Turn is its number on its cluster; to the job of turn 0 all nodes are new.
	Turn int
	// Took is from its intended start to the answer.
	Took time.Duration
	// Due is when it should have come, after the first.
	Due time.Duration
	// Late tells that it was given up at its deadline, or as it could not meet it.
	Late bool
	Job  job.Job
}

// mostJobs is how many have not ended at once, at most: as many as a server takes.
const mostJobs = 1000

// streams keeps the draws of nodes of one cluster from those of the next: a node draws
// from the seed of its cluster plus its number.
const streams = 1 << 20

// Pool is the cluster of the trial. The same seed makes its nodes draw the same.
func (t Trial) Pool(seed uint64) Pool {
	p := Pool{
		Loads: t.Loads, Seed: seed * streams,
		NodeArgs: []string{"--delay", t.Delay.String(), "--log-level", "warn"},
		// As many jobs as come run at once.
		ServerArgs: []string{"--jobs", strconv.Itoa(min(mostJobs, max(8, t.Jobs)))},
	}
	if t.Admission != "" {
		p.NodeArgs = append(p.NodeArgs, "--admission", t.Admission)
	}
	if t.Slots > 0 {
		p.NodeArgs = append(p.NodeArgs, "--slots", strconv.Itoa(t.Slots))
	}
	if t.Window > 0 {
		p.ServerArgs = append(p.ServerArgs, "--window", strconv.Itoa(t.Window))
	}
	return p
}

// Try runs the jobs of a trial with a policy, on a fresh cluster that it stops, and
// returns them in their order. The same seed makes nodes draw the same. Errors: those of
// [Lab.Start] and of [Cluster.Run].
func (l *Lab) Try(ctx context.Context, t Trial, policy string, seed uint64) ([]Outcome, error) {
	c, err := l.Start(ctx, t.Pool(seed))
	if err != nil {
		return nil, err
	}
	defer c.Stop()
	ended, err := c.Try(ctx, t, policy, seed)
	if err != nil && ctx.Err() == nil {
		err = c.Failure(err)
	}
	return ended, err
}

// Try runs the jobs of a trial with a policy. Errors: those of [Cluster.Run].
func (c *Cluster) Try(ctx context.Context, t Trial, policy string, seed uint64) ([]Outcome, error) {
	ended := make([]Outcome, max(1, t.Jobs))
	jobs, ctx := errgroup.WithContext(ctx)
	if t.Rate == 0 {
		jobs.SetLimit(1)
	}
	rng := rand.New(rand.NewPCG(seed, 1))
	first := time.Now()
	next := first
	for turn := range ended {
		due := next
		if t.Rate > 0 {
			pause(ctx, time.Until(due))
			next = due.Add(time.Duration(rng.ExpFloat64() / t.Rate * float64(time.Second)))
		}
		jobs.Go(func() (err error) {
			start := due
			if t.Rate == 0 {
				start = time.Now()
			}
			o := &ended[turn]
			o.Turn, o.Due = turn, due.Sub(first)
			o.Job, err = c.Run(ctx, job.Spec{Source: t.Base, Policy: policy, Operation: t.Operation, Deadline: t.Deadline})
			o.Took = time.Since(start)
			if o.Late = t.Deadline > 0 && ctx.Err() == nil && late(o.Job, err); o.Late {
				err = nil
			}
			return err
		})
	}
	return ended, jobs.Wait()
}

// late tells that a job has ended without a result because of its deadline.
func late(j job.Job, err error) bool {
	if job.CodeOf(err) == job.DeadlineExceeded {
		return true
	}
	return j.State == job.Failed && !slices.ContainsFunc(j.Failures, func(f job.Failure) bool {
		return f.Err == nil || f.Err.Code != job.DeadlineExceeded
	})
}

// pause waits for a time, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
