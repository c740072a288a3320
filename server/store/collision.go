package store

import (
	"context"
	"database/sql"
	"fmt"
	"hash/fnv"

	"spillway/job"
)

// clear refuses a job that would write other results under the names under which
// one that has not ended, of whatever server, writes its own. Until the transaction
// ends, no other one gets past this for the same folder.
func (s *SQL) clear(ctx context.Context, tx *sql.Tx, id job.ID, base string, op job.Operation) error {
	if op.Name == job.NoOperation {
		return nil
	}
	if s.dialect.alone != "" {
		if _, err := s.exec(ctx, tx, s.dialect.alone, folderNumber(base)); err != nil {
			return err
		}
	}
	others, err := s.selectJobs(ctx, tx, "base = ? AND state IN ('queued', 'running') AND id <> ? ORDER BY seq", []byte(base), string(id))
	if err != nil {
		return err
	}
	for _, other := range others {
		if err := collision(base, op, other.ID, other.Spec.Operation); err != nil {
			return err
		}
	}
	return nil
}

// folderNumber is the same for the same folder; two that share one wait for each
// other, and no more.
func folderNumber(base string) int64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(base)) // it cannot fail
	return int64(h.Sum64())      //nolint:gosec // any number will do
}

// collision tells that what a job would write into a folder is not what another one
// writes there; nil: it is.
func collision(base string, op job.Operation, other job.ID, its job.Operation) error {
	if op.Name == job.NoOperation || its.Name == job.NoOperation || op.Equal(its) {
		return nil
	}
	return job.E(job.FailedPrecondition, "submit "+job.Shown(base),
		fmt.Errorf("job %s has not ended, and writes %s into the same %s", other, its, job.OutputDir),
		"wait for it, or end it with: client cancel "+string(other))
}
