package rpc

import (
	"context"
	"time"

	"spillway/gen-go/spillway"
	"spillway/job"
)

const (
	// pollEvery is the least time between two long polls for one job.
	pollEvery = 100 * time.Millisecond
	// pollFor is how long the server may hold one, pollSlack how much later the
	// answer may come.
	pollFor, pollSlack = 30 * time.Second, 10 * time.Second
	// redialFor is how long a lost server is looked for.
	redialFor = 10 * time.Second
)

// Run does the assignment's submit_request: it submits spec, waits for the end
// of the job and returns the elapsed seconds as the server's text, also where
// some tasks failed. Where spec names no policy, isRandom chooses random, and
// otherwise the server's default counts. Where spec has an ID, a broken connection is made again for ten seconds, and
// attaches to the running job; a caller that leaves does not stop it. Without an
// ID the server cancels the job when ctx ends or the connection breaks.
//
// Errors: those of [job.Service.Submit], and the job's own where it ended early.
func (s *ServiceConn) Run(ctx context.Context, spec job.Spec, isRandom bool) (elapsed string, err error) {
	wire := specToWire(spec)
	err = s.persist(ctx, func() error {
		return s.callFor(ctx, "submit_request", func(ctx context.Context, c *spillway.ServerClient) (err error) {
			elapsed, err = c.SubmitRequest(ctx, spec.Source, isRandom, wire)
			return err
		})
	}, func(err error) bool { return spec.ID != "" && lostAfterSending(err) })
	return elapsed, err
}

// Watch implements [job.Service], with long polls. A broken connection is made
// again; the channel closes without a final state when ctx ends or the server
// cannot be reached for ten seconds.
func (s *ServiceConn) Watch(ctx context.Context, id job.ID) (<-chan job.Event, error) {
	first, err := s.Job(ctx, id)
	if err != nil {
		return nil, err
	}
	events := make(chan job.Event, 1)
	go func() {
		defer close(events)
		s.follow(ctx, first, events)
	}()
	return events, nil
}

// follow sends j and each later state until the final one.
func (s *ServiceConn) follow(ctx context.Context, j job.Job, events chan job.Event) {
	for {
		replace(events, job.Event{Job: j})
		if j.State.Final() || !sleep(ctx, pollEvery) {
			return
		}
		next, err := s.poll(ctx, j)
		if err != nil {
			return
		}
		j = next
	}
}

// replace sends e in place of one that nobody has taken. There is one sender.
func replace(events chan job.Event, e job.Event) {
	select {
	case <-events:
	default:
	}
	events <- e
}

// poll waits for a version newer than j's.
func (s *ServiceConn) poll(ctx context.Context, j job.Job) (job.Job, error) {
	seen := j.Version
	for j.Version == seen && !j.State.Final() {
		err := s.persist(ctx, func() error {
			polling, cancel := context.WithTimeout(ctx, pollFor+pollSlack)
			defer cancel()
			return s.callFor(polling, "wait", func(ctx context.Context, c *spillway.ServerClient) error {
				got, err := c.Wait(ctx, string(j.ID), seen, pollFor.Milliseconds())
				if err == nil {
					j = jobFromWire(got)
				}
				return err
			})
		}, worthRedialling)
		if err != nil {
			return j, err
		}
		if j.Version == seen && !sleep(ctx, pollEvery) {
			return j, ctx.Err()
		}
	}
	return j, nil
}

// persist calls f again while again says that its error may pass, and until the
// server has been lost for redialFor.
func (s *ServiceConn) persist(ctx context.Context, f func() error, again func(error) bool) error {
	var lost time.Time
	for {
		began := time.Now()
		err := f()
		if err == nil || ctx.Err() != nil {
			return err
		}
		if lost.IsZero() && !again(err) || !lost.IsZero() && !worthRedialling(err) {
			return err
		}
		if lost.IsZero() || job.CodeOf(err) == job.Unavailable && time.Since(began) > redialFor {
			lost = time.Now() // it was there until now
		}
		if time.Since(lost) >= redialFor || !sleep(ctx, pollEvery) {
			return lostError{err}
		}
	}
}
