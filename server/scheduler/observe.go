package scheduler

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"spillway/job"
	"spillway/server/policy"
)

// Observer hears what the scheduler does. It is called on the way of each task, from
// many goroutines, and must not wait.
type Observer interface {
	// Attempted tells of an attempt that has ended.
	Attempted(a job.Tried)
	// Ended tells of a task whose end is kept.
	Ended(state job.TaskState)
	// Submitted tells of a submission that came for the first time; code is "" where the
	// job was accepted.
	Submitted(code job.Code)
	// JobEnded tells of a job whose end is kept.
	JobEnded(state job.State)
	// Stepped tells of inputs that were split or joined, and how long that took.
	Stepped(kind job.StepKind, took time.Duration, failed bool)
}

// tellAttempt tells the observer, if there is one, of an attempt, as it counts for its
// task; copied: it ran beside another.
func (s *Scheduler) tellAttempt(y *try, l lap, copied bool) {
	if s.cfg.Observer == nil {
		return
	}
	a := job.Tried{
		Policy: y.d.name, Operation: y.t.Operation.Name, Node: l.res.Node,
		Outcome: l.outcome(y.t), Took: l.took, Copy: copied, Again: l.number > 1 && !copied,
	}
	switch a.Outcome {
	case job.AttemptDone:
		a.Delayed = l.res.Delayed
	case job.AttemptRejected:
		a.AskedToWait = job.AsError(l.err).RetryAfter > 0
	}
	s.cfg.Observer.Attempted(a)
}

// outcome is how the attempt counts.
func (l lap) outcome(t job.Task) job.AttemptOutcome {
	switch {
	case l.superseded:
		return job.AttemptSuperseded
	case l.err == nil:
		return job.AttemptDone
	case l.unwanted:
		return job.AttemptCancelled
	case l.rejected(t):
		return job.AttemptRejected
	case errors.Is(l.err, job.ErrNotSent):
		return job.AttemptUnsent
	}
	return job.AttemptFailed
}

// tellSubmission tells the observer how a submission ended, unless its client has left.
func (s *Scheduler) tellSubmission(ctx context.Context, err error) {
	switch {
	case s.cfg.Observer == nil:
	case err == nil:
		s.cfg.Observer.Submitted("")
	case ctx.Err() == nil:
		s.cfg.Observer.Submitted(job.CodeOf(err))
	}
}

// tellSplits tells the observer of a job's inputs that were split.
func (s *Scheduler) tellSplits(source Source) {
	if s.cfg.Observer == nil {
		return
	}
	for _, st := range source.Splits() {
		s.cfg.Observer.Stepped(st.Kind, st.Took, st.Err != nil)
	}
}

// Standing is how much there is to do, by what this server runs.
func (s *Scheduler) Standing() job.Standing {
	var all []*record
	s.each(func(r *record) {
		if r.isKept() {
			all = append(all, r)
		}
	})
	now := time.Now()
	sum := job.Standing{}
	sum.Window, sum.InFlight = s.window.standing()
	for _, r := range all {
		r.addTo(&sum, now)
	}
	sum.Limits = s.limits()
	return sum
}

// limits are those of the policies that jobs use. Of two that differ by their parameters
// alone, the greater one counts for each node.
func (s *Scheduler) limits() []job.Limit {
	s.mu.Lock()
	members, all := slices.Clone(s.members), slices.Collect(maps.Values(s.dispatchers))
	s.mu.Unlock()
	most := map[job.Limit]int{} // by policy and node
	for _, d := range all {
		if d.inUse() {
			d.limits(members, most)
		}
	}
	var limits []job.Limit
	for l, n := range most {
		l.Attempts = n
		limits = append(limits, l)
	}
	return limits
}

// limits raises most to what the policy lets the nodes have that are up.
func (d *dispatcher) limits(members []policy.Node, most map[job.Limit]int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, n := range members {
		if !n.Up {
			continue
		}
		limit, bounds := d.rule.Limit(i)
		if !bounds {
			return
		}
		key := job.Limit{Policy: d.name, Node: n.ID}
		most[key] = max(most[key], limit)
	}
}

// addTo adds what the job has to do to sum.
func (r *record) addTo(sum *job.Standing, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch r.job.State {
	case job.Queued:
		sum.Queued++
		sum.OldestJob = max(sum.OldestJob, now.Sub(r.job.Created))
	case job.Running:
		sum.Running++
	default:
		return
	}
	sum.Pending += max(0, r.job.Total-r.job.Ended()-int64(len(r.flights)))
	for f := range r.flights {
		switch {
		case f.ending:
			sum.Ending++
			continue
		case f.parked:
			sum.Parked++
		case !f.sent.IsZero():
			sum.Sent++
			continue
		default:
			sum.Waiting++
		}
		sum.OldestTask = max(sum.OldestTask, now.Sub(f.begun))
	}
}

// standing is how many places there are, and how many are taken.
func (w *shares) standing() (window, used int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.window, w.used
}
