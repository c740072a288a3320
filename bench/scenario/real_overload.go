package scenario

import (
	"context"
	"strconv"
	"time"

	"spillway/bench/load"
	"spillway/bench/report"
	"spillway/job"
	"spillway/server/policy"
)

// The setting of S10 on real programs: jobs of one task, half as many again as two nodes
// can do. The tasks sleep, so that two cores have room for all that happens around them.
const (
	realNodes    = 2
	realSlots    = 2
	realTask     = 40 * time.Millisecond
	realOverload = 1.5
	realDeadline = 500 * time.Millisecond
	realWarmup   = 3 * time.Second
	realSpan     = 12 * time.Second
)

// realRuns is how many clusters the judged policy has, 15 s each.
const realRuns = 5

// overloadOnMachine is S10 on real programs: goodput and attempts of the default.
func overloadOnMachine(ctx context.Context, e *Env) ([]Figure, error) {
	return inLab(e, func(lab *load.Lab) ([]Figure, error) {
		base, err := lab.Empty(ctx, "one", 1)
		if err != nil {
			return nil, err
		}
		capacity := realNodes * realSlots / realTask.Seconds()
		rate := realOverload * capacity
		trial := load.Trial{
			Loads: make([]float64, realNodes), Slots: realSlots, Base: base, Rate: rate, Deadline: realDeadline,
			Jobs:      int(rate * (realWarmup + realSpan + realDeadline).Seconds()),
			Operation: job.Operation{Name: job.NoOperation, Params: map[string]string{"ms": strconv.FormatInt(realTask.Milliseconds(), 10)}},
		}
		var goodputs, attempts, outside []float64
		for n := range min(e.Runs(), realRuns) {
			outcomes, err := lab.Try(ctx, trial, policy.Default, e.Seed+uint64(n))
			if err != nil {
				return nil, err
			}
			c := countOffered(outcomes, realWarmup, realDeadline)
			e.Say("  %s on real programs: %d of %d jobs in time, %.2f attempts for each, goodput %.3f of ideal; %.0f ms outside the server", policy.Default,
				c.done, c.tasks, c.perDone(), c.goodput(capacity), 1e3*c.outside.Seconds())
			outside = append(outside, c.outside.Seconds())
			goodputs, attempts = append(goodputs, c.goodput(capacity)), append(attempts, c.perDone())
		}
		pairs := []string{"on", report.OnMachine, "offered", spell(realOverload)}
		if _, err := e.Mean("goodput_work", policy.Default, goodputs, "", pairs...); err != nil {
			return nil, err
		}
		if _, err := e.Mean("attempts", policy.Default, attempts, "", pairs...); err != nil {
			return nil, err
		}
		if _, err := e.Mean("outside", policy.Default, outside, "s", pairs...); err != nil {
			return nil, err
		}
		return []Figure{
			e.judged("goodput_real", policy.Default, goodputs, "", .98).least(),
			e.judged("attempts_real", policy.Default, attempts, "", 1.1),
		}, nil
	})
}

// offeredJobs are the jobs of one task that came in a span of time, and what became of
// them.
type offeredJobs struct {
	span        time.Duration
	tasks, done int
	attempts    int64
	// outside is how long those that were done took beyond what the server saw of them, on
	// average: deadlines count from when it has a job, and where the machine cannot keep up
	// with the arrivals, that is late.
	outside time.Duration
}

// countOffered counts the jobs that came after the warm-up and before a deadline before
// the last, as [sim.Offered] does.
func countOffered(all []load.Outcome, warmup, deadline time.Duration) offeredJobs {
	until := all[len(all)-1].Due - deadline
	c := offeredJobs{span: max(0, until-warmup)}
	for _, o := range all {
		if o.Due < warmup || o.Due >= until {
			continue
		}
		c.tasks++
		if !o.Late {
			c.done++
			c.outside += o.Took - o.Job.Finished.Sub(o.Job.Created)
		}
		for _, n := range o.Job.Nodes {
			c.attempts += n.Done + n.Rejected + n.Failed + n.Superseded
		}
	}
	c.outside /= time.Duration(max(1, c.done))
	return c
}

// goodput is the jobs that were done in time ÷ the lesser of those that came and those
// that capacity, jobs a second, has room for. All tasks are as large.
func (c offeredJobs) goodput(capacity float64) float64 {
	return float64(c.done) / max(1, min(float64(c.tasks), capacity*c.span.Seconds()))
}

// perDone is how many attempts were sent for each job that was done in time.
func (c offeredJobs) perDone() float64 { return float64(c.attempts) / float64(max(1, c.done)) }
