package scheduler

import (
	"context"
	"time"

	"spillway/job"
)

// cleanFor bounds how long a job's end waits for its folder to be looked through, unless
// the file system itself hangs.
const cleanFor = time.Minute

// clean removes the temporary files that nodes have left in the job's folder, and the
// segments that were joined. Only a node that dies leaves any of the former, so that the folder is read only where an attempt was lost,
// or may have been under another server. The job has not ended yet: nothing more
// of it is sent before it has.
func (s *Scheduler) clean(r *record) {
	if !r.mayHaveLeft() && !s.joins(r.spec.Operation) {
		return
	}
	ctx, cancel := context.WithTimeout(s.life(), cleanFor)
	defer cancel()
	if s.holds(ctx) != nil { // it may be another server's, whose files have the same names
		return
	}
	source, err := s.open(r.base, r.spec.Operation)
	removed := 0
	if err == nil {
		removed, err = source.Clean(ctx, job.TempPrefix(r.spec.ID))
		source.Close()
	}
	switch {
	case err != nil:
		s.log.Warn("temporary files may be left", "job", r.spec.ID, "source", job.Shown(r.base), "err", err)
	case removed > 0:
		s.log.Info("temporary files removed", "job", r.spec.ID, "files", removed)
	}
}

// mayHaveLeft tells whether an attempt of the job was lost, as far as this server
// can know.
func (r *record) mayHaveLeft() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.spec.Operation.Name == job.NoOperation { // writes nothing
		return false
	}
	lost := r.epoch > 1
	for _, t := range r.tallies {
		lost = lost || t.Failed > 0 || t.Superseded > 0 // on a node that may be dead
	}
	return lost
}
