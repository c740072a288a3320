package scheduler

import (
	"context"
	"errors"
	"time"

	"spillway/job"
)

// Joiner makes one output of what the tasks of one input's parts made.
type Joiner interface {
	// Joins tells whether the parts of an operation's inputs are to be joined.
	Joins(op job.Operation) bool
	// Join does it for one input, whose parts are all done. Doing it twice gives the
	// same. Errors: *job.Error; Unavailable where another time may do.
	Join(ctx context.Context, base string, id job.ID, op job.Operation, parts []job.Part) error
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

// joinAll joins each input whose parts are all done, or gathers all inputs. It is done once every task has
// ended, and done again by a server that takes the job over before its end is kept. The
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
	var failed error
	files := 0
	err := s.eachInput(running, r, func(parts []job.Part) {
		r.joining(parts[0].File)
		at := time.Now()
		if err := s.joinOne(running, r, parts); err != nil {
			s.log.Warn("file not joined", "job", r.spec.ID, "name", parts[0].File, "parts", len(parts), "err", err)
			if failed == nil {
				failed = &joinError{err}
			}
			return
		}
		files++
		s.log.Info("file joined", "job", r.spec.ID, "name", parts[0].File, "parts", len(parts), "took", time.Since(at))
	})
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

// joinOne joins one input, and again where the disk was in the way.
func (s *Scheduler) joinOne(ctx context.Context, r *record, parts []job.Part) error {
	return s.tryJoin(ctx, func() error { return s.cfg.Joiner.Join(ctx, r.base, r.spec.ID, r.spec.Operation, parts) })
}

// tryJoin makes something of outputs, and again where the disk was in the way.
func (s *Scheduler) tryJoin(ctx context.Context, join func() error) error {
	for try := 1; ; try++ {
		if err := s.holds(ctx); err != nil {
			return err
		}
		err := join()
		if err == nil || ctx.Err() != nil || try == joinTries || job.CodeOf(err) != job.Unavailable {
			return err
		}
		timer := time.NewTimer(joinPause)
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// gather makes one file of what became of the inputs whose tasks are done, if any are.
// Errors: those of joinAll.
func (s *Scheduler) gather(running context.Context, r *record, name string) error {
	begun := time.Now()
	var unread error
	each := func(yield func(input string) bool) error {
		unread = s.eachTask(running, r, func(t job.TaskInfo) bool { return t.State != job.TaskDone || yield(t.Name) })
		return unread
	}
	any := false
	if err := each(func(string) bool { any = true; return false }); err != nil || !any {
		return s.gathered(running, r, unread, nil)
	}
	r.joining(name)
	err := s.tryJoin(running, func() error { return s.cfg.Joiner.Gather(running, r.base, r.spec.ID, r.spec.Operation, each) })
	if err == nil {
		s.log.Info("gathered", "job", r.spec.ID, "name", name, "took", time.Since(begun))
	}
	return s.gathered(running, r, unread, err)
}

// gathered tells why gathering ended: running ended, the tasks could not be read, or the
// inputs cannot be gathered.
func (s *Scheduler) gathered(running context.Context, r *record, unread, err error) error {
	switch {
	case running.Err() != nil:
		return context.Cause(running)
	case unread != nil:
		return errLost
	case err != nil:
		s.log.Warn("inputs not gathered", "job", r.spec.ID, "err", err)
		return &joinError{err}
	}
	r.joinedAll()
	return nil
}

// eachInput calls yield with the parts of each input of which every one is done, in the
// order of the tasks.
func (s *Scheduler) eachInput(ctx context.Context, r *record, yield func([]job.Part)) error {
	var run parts
	return s.eachTask(ctx, r, func(t job.TaskInfo) bool {
		if run = run.add(t); run.whole() {
			yield(run)
		}
		return true
	})
}

// eachTask calls yield with each task of a job, in order, until it returns false or ctx
// ends. Errors: those of keep.
func (s *Scheduler) eachTask(ctx context.Context, r *record, yield func(job.TaskInfo) bool) error {
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
			if ctx.Err() != nil || !yield(t) {
				return nil
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
func (r *record) joining(name string) {
	r.change(func() { r.join = "joining " + job.Shown(name) })
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

// noRetry is why a job whose parts are joined cannot be continued once it has ended.
func noRetry(id job.ID) error {
	return job.E(job.FailedPrecondition, "retry job "+string(id), errors.New("what its tasks had made was removed when it ended"), "submit it again")
}
