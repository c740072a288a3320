package api

import (
	"context"
	"time"

	"spillway/job"
	"spillway/view"
)

// Kinds of events about jobs; a step's is that of [job.StepKind].
const (
	stateEvent    = "state"
	progressEvent = "progress"
)

const (
	// jobPause is the least time between two times that listeners of a job are woken.
	jobPause = 100 * time.Millisecond
	// progressEvery is how often they hear how far it is.
	progressEvery = 500 * time.Millisecond
	// So many tasks have an event each at once, and so many a second after that.
	taskBurst = 2 * job.MaxSteps
	taskRate  = 100
	// jobFailures bounds the failures that an event names.
	jobFailures = 100
)

// followJob is the source of one job's events.
func followJob(s job.Service, id job.ID) source {
	return func(ctx context.Context, t *topic) error {
		events, err := s.Watch(ctx, id, job.AllSteps)
		if err != nil {
			return err
		}
		f := jobFeed{tasks: taskBurst}
		owed := time.NewTimer(progressEvery)
		defer owed.Stop()
		for {
			select {
			case e, more := <-events:
				if !more {
					return nil
				}
				t.tell(func() note { return note{stateEvent, viewOf(e.Job, jobFailures)} }, f.next(e, time.Now())...)
				if e.Job.State.Final() || !wait(ctx, jobPause) {
					return nil
				}
			case <-owed.C:
				if notes := f.late(time.Now()); len(notes) > 0 {
					j := f.job
					t.tell(func() note { return note{stateEvent, viewOf(j, jobFailures)} }, notes...)
				}
				owed.Reset(progressEvery)
			}
		}
	}
}

// viewOf shows a job as it is now, with so many of its failures.
func viewOf(j job.Job, failures int) view.Job {
	if len(j.Failures) > failures {
		j.Failures = j.Failures[:failures]
	}
	return view.OfJob(j, time.Now())
}

// jobFeed makes events of what a watcher of a job hears.
type jobFeed struct {
	job     job.Job // as it was heard of last
	begun   bool
	tasks   float64   // so many may have an event each now
	filled  time.Time // when that was reckoned
	skipped int64     // tasks that no event has told of
	told    time.Time // when listeners heard how far it is
	owed    bool      // it is farther now
}

// next is what listeners hear of e.
func (f *jobFeed) next(e job.Event, now time.Time) (notes []note) {
	was, begun := f.job, f.begun
	f.job, f.begun = e.Job, true
	f.skipped += e.Skipped
	f.fill(now)
	for _, st := range e.Steps {
		if st.Kind == job.TaskStep {
			if f.tasks < 1 {
				f.skipped++
				continue
			}
			f.tasks--
		}
		notes = append(notes, note{string(st.Kind), view.OfStep(e.Job, st)})
	}
	f.owed = f.owed || f.skipped > 0 || begun && !sameProgress(was, e.Job)
	switch {
	case e.Job.State.Final():
		if f.skipped > 0 {
			notes = append(notes, f.progress(now))
		}
		notes = append(notes, note{endEvent, viewOf(e.Job, jobFailures)})
	case begun && was.State != e.Job.State:
		notes = append(notes, note{stateEvent, viewOf(e.Job, jobFailures)})
	default:
		notes = append(notes, f.late(now)...)
	}
	return notes
}

// fill lets some more tasks have an event each.
func (f *jobFeed) fill(now time.Time) {
	if !f.filled.IsZero() {
		f.tasks = min(taskBurst, f.tasks+taskRate*now.Sub(f.filled).Seconds())
	}
	f.filled = now
}

// sameProgress reports whether an event about how far a job is would say the same.
func sameProgress(a, b job.Job) bool {
	return a.Total == b.Total && a.Ended() == b.Ended() && a.Waiting == b.Waiting && a.State == b.State
}

// late tells how far the job is, if listeners do not know and have not heard of it just
// now.
func (f *jobFeed) late(now time.Time) []note {
	if !f.owed || now.Sub(f.told) < progressEvery {
		return nil
	}
	return []note{f.progress(now)}
}

// progress tells how far the job is.
func (f *jobFeed) progress(now time.Time) note {
	v := view.OfProgress(f.job)
	v.Skipped, f.skipped, f.told, f.owed = f.skipped, 0, now, false
	return note{progressEvent, v}
}
