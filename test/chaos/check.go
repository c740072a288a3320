package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"time"

	"spillway/job"
)

// takesOver is how soon after a server's death another one has done a task.
const takesOver = 10 * time.Second

// checkAnswer checks what the server tells of a job that succeeded: each task is
// done once, and counted once.
func checkAnswer(a answer, inputs int64) (wrong []string) {
	complain := func(form string, args ...any) { wrong = append(wrong, fmt.Sprintf(form, args...)) }
	if a.State != job.Succeeded {
		complain("the server says that the job is %s: %+v", a.State, a.Error)
	}
	if a.Total != inputs || a.Done != inputs || a.Failed+a.Quarantined+a.Running+a.Parked != 0 {
		complain("the server counts %d tasks, %d done, %d failed, %d quarantined, %d running, %d parked of %d",
			a.Total, a.Done, a.Failed, a.Quarantined, a.Running, a.Parked, inputs)
	}
	sum := int64(0)
	for _, n := range a.Nodes {
		sum += n.Done
	}
	if sum != inputs {
		complain("the nodes' rows add up to %d of %d: %v", sum, inputs, a.Nodes)
	}
	if int64(len(a.Tasks)) != inputs {
		complain("the server lists %d done tasks of %d", len(a.Tasks), inputs)
	}
	for i, t := range a.Tasks {
		done := 0
		for _, try := range t.Attempts {
			if try.Error == nil {
				done++
			}
		}
		if t.Index != int64(i) || done != 1 {
			complain("task %d, %s, the %dth in the list, has %d attempts that did it: %+v", t.Index, t.Name, i, done, t.Attempts)
		}
	}
	return wrong
}

// checkOutputs checks that there is one output for each input, as without faults,
// and nothing else.
func checkOutputs(dir string, inputs int, expected map[string]string) (wrong []string) {
	found, err := hashes(dir)
	if err != nil {
		return []string{"look at the outputs: " + err.Error()}
	}
	for i := range inputs {
		name := pictureName(i)
		switch sum, ok := found[name]; {
		case !ok:
			wrong = append(wrong, "no output of "+name)
		case sum != expected[name]:
			wrong = append(wrong, "the output of "+name+" is another than without faults")
		}
		delete(found, name)
	}
	for _, name := range slices.Sorted(maps.Keys(found)) {
		wrong = append(wrong, "left behind in output_dir: "+name)
	}
	return wrong
}

// kept is what the store has of the only job.
type kept struct {
	jobs, seq                            int64
	state                                job.State
	total, done, failed, quarantined     int64
	lease, epoch                         int64
	outcomes, different, doneOnes, tally int64
}

// openStore opens the database of the cluster's servers, which may have ended.
func (c *cluster) openStore() (*sql.DB, error) {
	if c.db != nil {
		return sql.Open("pgx", c.db.url())
	}
	return sql.Open("sqlite", "file:"+filepath.Join(c.stateDir(), "spillway.db"))
}

// readStore reads what the database has of the job.
func readStore(ctx context.Context, db *sql.DB) (k kept, err error) {
	err = db.QueryRowContext(ctx, `SELECT (SELECT count(*) FROM jobs), seq, state, total, done, failed, quarantined, lease, epoch FROM jobs`).
		Scan(&k.jobs, &k.seq, &k.state, &k.total, &k.done, &k.failed, &k.quarantined, &k.lease, &k.epoch)
	if err != nil {
		return k, err
	}
	return k, db.QueryRowContext(ctx, `SELECT count(*), count(DISTINCT idx), count(CASE WHEN state = 'done' THEN 1 END),
		(SELECT CAST(coalesce(sum(done), 0) AS BIGINT) FROM tallies) FROM outcomes`).
		Scan(&k.outcomes, &k.different, &k.doneOnes, &k.tally)
}

// checkStore checks that the database says the same, and that nobody holds the job.
func (c *cluster) checkStore(ctx context.Context) (wrong []string) {
	db, err := c.openStore()
	if err != nil {
		return []string{"open the store: " + err.Error()}
	}
	defer db.Close()
	k, err := readStore(ctx, db)
	if err != nil {
		return []string{"read the store: " + err.Error()}
	}
	n := int64(c.plan.inputs)
	if k.jobs != 1 || k.state != job.Succeeded || k.total != n || k.done != n || k.failed+k.quarantined != 0 {
		wrong = append(wrong, fmt.Sprintf("the store has another job: %+v", k))
	}
	if k.outcomes != n || k.different != n || k.doneOnes != n || k.tally != n {
		wrong = append(wrong, fmt.Sprintf("the store has other ends of %d tasks: %+v", n, k))
	}
	if k.lease != 0 {
		wrong = append(wrong, fmt.Sprintf("a lease is left: %+v", k))
	}
	c.note("store: %+v", k)
	for _, killed := range c.kills {
		wrong = append(wrong, c.checkTakeOver(ctx, db, killed)...)
	}
	return wrong
}

// checkTakeOver checks how soon the other server has done a task.
func (c *cluster) checkTakeOver(ctx context.Context, db *sql.DB, killed time.Time) []string {
	var first sql.NullInt64
	err := db.QueryRowContext(ctx, fmt.Sprintf("SELECT min(at) FROM outcomes WHERE at > %d", killed.UnixNano())).Scan(&first)
	switch {
	case err != nil:
		return []string{"read the store: " + err.Error()}
	case !first.Valid:
		c.note("the job was done when its server was killed")
		return nil
	}
	gap := time.Duration(first.Int64 - killed.UnixNano())
	c.note("first task of the second server %v after the first one was killed", gap)
	c.gap = gap
	if gap > takesOver {
		return []string{fmt.Sprintf("the other server took over after %v, want %v", gap, takesOver)}
	}
	return nil
}

// checkFailure checks that a job that failed for want of room tells the truth, and
// has the rest done when there is room again.
func (c *cluster) checkFailure(ctx context.Context, a answer) (wrong []string, err error) {
	if !c.plan.has(fullOutput) && !c.plan.has(fullWorkspace) {
		return nil, nil // checkAnswer complains
	}
	if a.State != job.Failed || a.Done+a.Failed+a.Quarantined != a.Total {
		wrong = append(wrong, fmt.Sprintf("a job without room is %s with %d done and %d failed of %d", a.State, a.Done, a.Failed, a.Total))
	}
	c.note("the job failed with %d of %d done, and is retried", a.Done, a.Total)
	if _, err := c.client(ctx, c.asked(), "retry", string(c.id), "--detach"); err != nil {
		return wrong, err
	}
	last, err := c.wait(ctx)
	if err == nil && last.State != job.Succeeded {
		err = errors.New("it failed again")
	}
	return wrong, err
}
