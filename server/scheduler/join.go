package scheduler

import (
	"cmp"
	"context"
	"errors"
	"time"

	"spillway/job"
	"spillway/trace"
)

// Joiner makes one output of what the tasks of one input's parts made.
type Joiner interface {
	// Joins tells whether the parts of an operation's inputs are to be joined.
	Joins(op job.Operation) bool
	// Join does it for one input, whose parts are all done, and tells how many bytes it
	// wrote. Doing it twice gives the same. Errors: *job.Error; Unavailable where another time may do.
	Join(ctx context.Context, base string, id job.ID, op job.Operation, parts []job.Part) (bytes int64, err error)
	// Gathers names the file that is made of what all inputs of an operation became; empty:
	// there is none.
	Gathers(op job.Operation) string
	// Gather makes it of the inputs that each yields, in any order. Doing it twice gives the
	// same. Errors: *job.Error, Unavailable where another time may do; those of each.
	Gather(ctx context.Context, base string, id job.ID, op job.Operation, each func(yield func(input string) bool) error) error
}

// joinTries is how often a join is tried that the server's disk is in the way of.
const joinTries = 3

// joinPause is the time between two tries.
const joinPause = 2 * time.Second

// joinError is an input that could not be joined.
type joinError struct{ err error }

func (e *joinError) Error() string { return e.err.Error() }
func (e *joinError) Unwrap() error { return e.err }

// joins tells whether an operation's jobs have anything to join.
func (s *Scheduler) joins(op job.Operation) bool {
	return s.cfg.Joiner != nil && s.cfg.Joiner.Joins(op)
}

// gathers names the file that is made of all inputs of an operation's jobs; empty: none.
func (s *Scheduler) gathers(op job.Operation) string {
	if s.cfg.Joiner == nil {
		return ""
	}
	return s.cfg.Joiner.Gathers(op)
}

// joinAll joins each input whose parts are all done, and was not joined before: by a server
// that had the job, or before a retry; or it gathers all inputs. It is done once every task
// has ended. The
// segments of inputs that lack a part are removed with the job's other hidden files.
// Errors: a *joinError for the first input that could not be joined; why running ended;
// errLost.
func (s *Scheduler) joinAll(running context.Context, r *record) error {
	if name := s.gathers(r.spec.Operation); name != "" {
		return s.gather(running, r, name)
	}
	if !s.joins(r.spec.Operation) {
		return nil
	}
	begun := time.Now()
	before, err := s.joinedBefore(r)
	var failed error
	files := 0
	if err == nil {
		err = s.eachInput(running, r, func(parts []job.Part) error {
			if before[parts[0].File] {
				return nil
			}
			err := s.joinInput(running, r, parts)
			if _, unmade := errors.AsType[*joinError](err); unmade {
				failed = cmp.Or(failed, err)
				return nil
			}
			files++
			return err
		})
	}
	switch {
	case running.Err() != nil:
		return context.Cause(running)
	case err != nil:
		return errLost
	case failed != nil:
		return failed
	}
	r.joinedAll()
	if files > 0 {
		s.log.Info("joined", "job", r.spec.ID, "files", files, "took", time.Since(begun))
	}
	return nil
}

// joinedBefore are the inputs that need not be joined any more.
func (s *Scheduler) joinedBefore(r *record) (names map[string]bool, err error) {
	err = s.keep("read steps of job "+string(r.spec.ID), func(error) {}, func(ctx context.Context) error {
		names, err = s.joined(ctx, r.spec.ID)
		return err
	})
	return names, err
}

// joinInput joins one input, and tells and keeps how that went. Errors: a *joinError;
// that of running; those of keep.
func (s *Scheduler) joinInput(running context.Context, r *record, parts []job.Part) error {
	return s.made(running, r, parts[0].File, len(parts), func() (int64, error) { return s.joinOne(running, r, parts) })
}

// made makes the file of that name of so many parts, and tells and keeps how that went.
// Errors: a *joinError; that of running; those of keep.
func (s *Scheduler) made(running context.Context, r *record, name string, parts int, join func() (int64, error)) error {
	at := time.Now()
	r.joining(name, parts)
	_, span := s.cfg.Tracer.Continue(running, r.trace, "join", trace.Internal)
	written, err := join()
	endJoin(span, name, written, err)
	if err != nil && running.Err() != nil {
		return running.Err() // which is no fault of the input
	}
	st := job.Step{
		Number: r.nextStep(), Kind: job.JoinedStep, At: moment(), Name: name, Parts: parts, Took: time.Since(at), Bytes: written,
	}
	if err != nil {
		st.Err = job.AsError(err)
	}
	lost := s.keep("join of job "+string(r.spec.ID), func(error) {}, func(ctx context.Context) error {
		return s.store.Step(ctx, r.spec.ID, r.epoch, st)
	})
	if lost != nil {
		return lost
	}
	if s.cfg.Observer != nil {
		s.cfg.Observer.Stepped(st.Kind, st.Took, err != nil)
	}
	r.tell(st)
	if err != nil {
		s.log.Warn("file not joined", "job", r.spec.ID, "name", name, "parts", parts, "err", err)
		return &joinError{err}
	}
	s.log.Info("file joined", "job", r.spec.ID, "name", name, "parts", parts, "bytes", written, "took", st.Took)
	return nil
}

// joinOne joins one input, and again where the disk was in the way.
func (s *Scheduler) joinOne(ctx context.Context, r *record, parts []job.Part) (int64, error) {
	return s.tryJoin(ctx, func() (int64, error) { return s.cfg.Joiner.Join(ctx, r.base, r.spec.ID, r.spec.Operation, parts) })
}

// tryJoin makes something of outputs, and again where the disk was in the way.
func (s *Scheduler) tryJoin(ctx context.Context, join func() (int64, error)) (int64, error) {
	for try := 1; ; try++ {
		if err := s.holds(ctx); err != nil {
			return 0, err
		}
		written, err := join()
		if err == nil || ctx.Err() != nil || try == joinTries || job.CodeOf(err) != job.Unavailable {
			return written, err
		}
		timer := time.NewTimer(joinPause)
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// errEnough ends a walk through tasks whose caller has seen enough.
var errEnough = errors.New("enough")

// gather makes one file of what became of the inputs whose tasks are done, if any are.
// Errors: those of joinAll.
func (s *Scheduler) gather(running context.Context, r *record, name string) error {
	var unread error
	each := func(yield func(input string) bool) error {
		unread = s.eachTask(running, r, func(t job.TaskInfo) error {
			if t.State != job.TaskDone || yield(t.Name) {
				return nil
			}
			return errEnough
		})
		if errors.Is(unread, errEnough) {
			unread = nil
		}
		return unread
	}
	found := false
	err := each(func(string) bool { found = true; return false })
	if err == nil && found {
		err = s.made(running, r, name, 0, func() (int64, error) {
			return s.tryJoin(running, func() (int64, error) {
				return 0, s.cfg.Joiner.Gather(running, r.base, r.spec.ID, r.spec.Operation, each)
			})
		})
	}
	_, unmade := errors.AsType[*joinError](err)
	switch {
	case running.Err() != nil:
		return context.Cause(running)
	case unread != nil || err != nil && !unmade:
		return errLost
	case err != nil:
		return err
	}
	r.joinedAll()
	return nil
}

// eachInput calls yield with the parts of each input of which every one is done, in the
// order of the tasks, until it returns an error.
func (s *Scheduler) eachInput(ctx context.Context, r *record, yield func([]job.Part) error) error {
	var run parts
	return s.eachTask(ctx, r, func(t job.TaskInfo) error {
		if run = run.add(t); run.whole() {
			return yield(run)
		}
		return nil
	})
}

// eachTask calls yield with each task of a job, in order, until it returns an error, which
// is told, or ctx ends. Errors: those of keep.
func (s *Scheduler) eachTask(ctx context.Context, r *record, yield func(job.TaskInfo) error) error {
	after := int64(-1)
	for ctx.Err() == nil {
		var tasks []job.TaskInfo
		err := s.keep("read tasks of job "+string(r.spec.ID), func(error) {}, func(ctx context.Context) (err error) {
			tasks, err = s.store.Tasks(ctx, r.spec.ID, job.TaskFilter{After: after, Limit: page})
			return err
		})
		if err != nil || len(tasks) == 0 {
			return err
		}
		for _, t := range tasks {
			after = t.Index
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err := yield(t); err != nil {
				return err
			}
		}
	}
	return nil
}

// parts are those of one input that are done, from the first on without a gap.
type parts []job.Part

// add takes the next task: it goes on with the input, begins another, or ends both.
func (p parts) add(t job.TaskInfo) parts {
	next, ok := job.ParsePart(t.Name)
	switch {
	case !ok || t.State != job.TaskDone:
		return nil
	case next.Number == 1:
		return parts{next}
	case len(p) == 0 || next.Number != len(p)+1 || next.File != p[0].File:
		return nil
	}
	return append(p, next)
}

// whole tells that none is missing.
func (p parts) whole() bool { return len(p) > 0 && len(p) == p[0].Of }

// joining tells watchers what is being joined.
func (r *record) joining(name string, parts int) {
	r.change(func() {
		r.join = "joining " + job.Shown(name)
		r.steps.add(job.Step{Number: r.steps.number(), Kind: job.JoiningStep, At: moment(), Name: name, Parts: parts})
	})
}

// toJoin notes whether the job's end waits for something to be joined.
func (r *record) toJoin(yes bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.unjoined = yes
}

// joinedAll notes that nothing is left to be joined.
func (r *record) joinedAll() {
	r.change(func() { r.join, r.unjoined = "", false })
}
