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
	// noVersion is older than any, so that a poll is answered at once; a poll of no time at
	// all would bring no steps.
	noVersion = 0
	lookFor   = time.Second
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
func (s *ServiceConn) Watch(ctx context.Context, id job.ID, after int64) (<-chan job.Event, error) {
	first, steps, err := s.look(ctx, id, after)
	if err != nil {
		return nil, err
	}
	events := make(chan job.Event, 1)
	go func() {
		defer close(events)
		s.follow(ctx, first, steps, job.Known{After: after}, events)
	}()
	return events, nil
}

// look is the job as it stands, with the steps behind after.
func (s *ServiceConn) look(ctx context.Context, id job.ID, after int64) (j job.Job, steps []job.Step, err error) {
	if after == job.NoSteps {
		j, err = s.Job(ctx, id)
		return j, nil, err
	}
	err = s.call(ctx, "wait", func(ctx context.Context, c *spillway.ServerClient) error {
		got, err := c.Wait(ctx, string(id), noVersion, lookFor.Milliseconds(), after)
		if err == nil {
			j, steps = jobFromWire(got), convert(got.Steps, stepFromWire)
		}
		return err
	})
	return j, steps, err
}

// follow sends j and each later state until the final one.
func (s *ServiceConn) follow(ctx context.Context, j job.Job, steps []job.Step, known job.Known, events chan job.Event) {
	for {
		replace(events, known.Next(j, steps))
		if j.State.Final() || !sleep(ctx, pollEvery) {
			return
		}
		var err error
		if j, steps, err = s.poll(ctx, j, known.After); err != nil {
			return
		}
	}
}

// replace sends e in place of one that nobody has taken, with its steps. There is one
// sender.
func replace(events chan job.Event, e job.Event) {
	select {
	case unseen := <-events:
		e = unseen.Then(e)
	default:
	}
	events <- e
}

// poll waits for a version newer than j's, and the steps behind after.
func (s *ServiceConn) poll(ctx context.Context, j job.Job, after int64) (job.Job, []job.Step, error) {
	var steps []job.Step
	seen := j.Version
	for j.Version == seen && !j.State.Final() {
		err := s.persist(ctx, func() error {
			polling, cancel := context.WithTimeout(ctx, pollFor+pollSlack)
			defer cancel()
			return s.callFor(polling, "wait", func(ctx context.Context, c *spillway.ServerClient) error {
				got, err := c.Wait(ctx, string(j.ID), seen, pollFor.Milliseconds(), after)
				if err == nil {
					j, steps = jobFromWire(got), convert(got.Steps, stepFromWire)
				}
				return err
			})
		}, worthRedialling)
		if err != nil {
			return j, nil, err
		}
		if j.Version == seen && !sleep(ctx, pollEvery) {
			return j, nil, ctx.Err()
		}
	}
	return j, steps, nil
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
