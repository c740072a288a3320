package api

import (
	"cmp"
	"context"
	"slices"
	"time"

	"spillway/job"
	"spillway/view"
)

// Kinds of events about all jobs, beside those of one.
const (
	presentEvent = "present" // all, as they stand
	newEvent     = "new"     // there is one more
)

const (
	// lookEvery is how often it is looked how all jobs stand while somebody listens: the
	// store has no news of those that other servers run.
	lookEvery = time.Second
	// activeJobs bounds the jobs that are followed, of those that have not ended; newestJobs
	// bounds the newest, ended or not.
	activeJobs = 1000
	newestJobs = 100
	// listedFailures bounds the failures that an event names.
	listedFailures = 10
)

// jobsPresent is all jobs as they stand.
type jobsPresent struct {
	Jobs []view.Job `json:"jobs" doc:"those that have not ended, at most 1000, and the 100 newest; newest first"`
}

// followJobs is the source of all jobs' events.
func followJobs(s job.Service) source {
	return func(ctx context.Context, t *topic) error {
		f := jobsFeed{since: time.Now()}
		for {
			all, err := f.look(ctx, s)
			switch {
			case err != nil && f.known == nil:
				return err
			case err == nil:
				t.tell(func() note { return note{presentEvent, presentOf(all)} }, f.next(all)...)
			}
			if !wait(ctx, lookEvery) {
				return nil
			}
		}
	}
}

// presentOf shows all jobs as they stand.
func presentOf(all []job.Job) jobsPresent {
	return jobsPresent{view.Each(all, func(j job.Job) view.Job { return viewOf(j, listedFailures) })}
}

// jobsFeed makes events of how all jobs stand, looked at again and again.
type jobsFeed struct {
	since time.Time
	known map[job.ID]job.Job // nil: nobody has looked yet
}

// look is how jobs stand, newest first: those that have not ended, the newest, and
// those that were known not to have ended. Errors: Unavailable.
func (f *jobsFeed) look(ctx context.Context, s job.Service) ([]job.Job, error) {
	seen := map[job.ID]job.Job{}
	for _, filter := range []job.Filter{{Limit: newestJobs}, {Limit: activeJobs, States: []job.State{job.Queued, job.Running}}} {
		some, err := s.Jobs(ctx, filter)
		if err != nil {
			return nil, err
		}
		for _, j := range some { // the later look counts
			seen[j.ID] = j
		}
	}
	for id, was := range f.known {
		if _, ok := seen[id]; ok || was.State.Final() {
			continue
		}
		j, err := s.Job(ctx, id)
		switch {
		case err == nil:
			seen[id] = j
		case job.CodeOf(err) != job.NotFound:
			return nil, err
		}
	}
	all := make([]job.Job, 0, len(seen))
	for _, j := range seen {
		all = append(all, j)
	}
	slices.SortFunc(all, func(a, b job.Job) int { return cmp.Or(b.Created.Compare(a.Created), cmp.Compare(a.ID, b.ID)) })
	return all, nil
}

// next is what has changed, oldest job first; nothing at the first look.
func (f *jobsFeed) next(all []job.Job) (notes []note) {
	first, was := f.known == nil, f.known
	f.known = make(map[job.ID]job.Job, len(all))
	for _, j := range slices.Backward(all) {
		f.known[j.ID] = j
		old, known := was[j.ID]
		switch {
		case first:
		case !known && !j.Created.Before(f.since):
			notes = append(notes, note{newEvent, viewOf(j, listedFailures)})
		case !known && j.State.Final(): // an old one that moves up as others are forgotten
		case !known || old.State != j.State:
			notes = append(notes, note{stateEvent, viewOf(j, listedFailures)})
		case !sameProgress(old, j):
			notes = append(notes, note{progressEvent, view.OfProgress(j)})
		}
	}
	return notes
}
