package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"

	"spillway/job"
)

// outcomeColumns is how many parameters a row of outcomes has.
const outcomeColumns = 8

// insert writes so many outcomes at once, and none of a task that has one.
type insert struct {
	rows int
	stmt *sql.Stmt
}

// errTwice tells that a task of the group had an outcome before, and not which.
var errTwice = errors.New("a task has ended before")

// prepareInserts makes the statements that write outcomes: one of dialect.rows
// rows, one of an eighth, and so on to one row.
func (s *SQL) prepareInserts(ctx context.Context) error {
	for n := s.dialect.rows; n > 0; n /= 8 {
		stmt, err := s.writer.PrepareContext(ctx, s.dialect.sql(
			"INSERT INTO outcomes (job, idx, state, at, attempts, number, last, nodes) VALUES "+
				tuples(n, outcomeColumns)+" ON CONFLICT (job, idx) DO NOTHING"))
		if err != nil {
			return fmt.Errorf("prepare: %w", err)
		}
		s.inserts = append(s.inserts, insert{n, stmt})
	}
	return nil
}

// held is a job as a group finds it, and what the group adds to it.
type held struct {
	seq, epoch, total        int64
	state                    job.State
	done, failed, quarantine int64
	changed                  bool
	tallies                  map[job.NodeID]job.Tally // of the outcomes
}

// writeGroup keeps a group with one commit, and fills its answers in. It first
// takes for granted that no task ends twice; where one does, it begins again and
// looks at each.
func (s *SQL) writeGroup(ctx context.Context, g *group) error {
	inserts := s.inserts
	for {
		err := s.write(ctx, "keep results", func(tx *sql.Tx) error { return s.putGroup(ctx, tx, g, inserts) })
		if !errors.Is(err, errTwice) {
			return err
		}
		inserts = s.inserts[len(s.inserts)-1:]
	}
}

func (s *SQL) putGroup(ctx context.Context, tx *sql.Tx, g *group, inserts []insert) error {
	g.finished, g.ended = make([]error, len(g.outcomes)), make([]error, len(g.ends))
	jobs, err := s.holdJobs(ctx, tx, g.jobs())
	if err != nil {
		return err
	}
	if err := s.putOutcomes(ctx, tx, g, jobs, inserts); err != nil {
		return err
	}
	if err := s.putNotes(ctx, tx, g.notes, jobs); err != nil {
		return err
	}
	for _, j := range sorted(jobs) {
		if !j.changed {
			continue
		}
		_, err := s.exec(ctx, tx, `UPDATE jobs SET version = version + 1, done = done + ?, failed = failed + ?,
			quarantined = quarantined + ? WHERE seq = ?`, j.done, j.failed, j.quarantine, j.seq)
		if err != nil {
			return err
		}
		for _, node := range slices.Sorted(maps.Keys(j.tallies)) {
			if err := s.addTally(ctx, tx, j.seq, j.tallies[node]); err != nil {
				return err
			}
		}
	}
	return s.putEnds(ctx, tx, g, jobs)
}

// jobs are the jobs that the group is about, each once.
func (g *group) jobs() []job.ID {
	seen := map[job.ID]bool{}
	for i := range g.outcomes {
		seen[g.outcomes[i].job] = true
	}
	for _, e := range g.ends {
		seen[e.job] = true
	}
	for key := range g.notes.tallies {
		seen[key.job] = true
	}
	for _, n := range g.notes.attempts {
		seen[n.job] = true
	}
	return slices.DeleteFunc(slices.Collect(maps.Keys(seen)), func(id job.ID) bool { return id.Check() != nil })
}

// holdJobs keeps others from changing the jobs, in the order that all go by.
func (s *SQL) holdJobs(ctx context.Context, tx *sql.Tx, ids []job.ID) (map[job.ID]*held, error) {
	jobs := make(map[job.ID]*held, len(ids))
	for some := range slices.Chunk(ids, 500) {
		args := make([]any, len(some))
		for i, id := range some {
			args[i] = string(id)
		}
		err := s.each(ctx, tx, func(scan func(...any) error) error {
			var id job.ID
			var j held
			err := scan(&id, &j.seq, &j.epoch, &j.total, &j.state)
			jobs[id] = &j
			return err
		}, "SELECT id, seq, epoch, total, state FROM jobs WHERE id IN ("+repeat("?", len(args))+") ORDER BY seq"+s.dialect.lock, args...)
		if err != nil {
			return nil, err
		}
	}
	return jobs, nil
}

// owned is the job if the caller's epoch is its own and it has not ended.
func owned(jobs map[job.ID]*held, id job.ID, epoch int64) (*held, bool) {
	j, ok := jobs[id]
	if !ok || j.epoch != epoch || j.state.Final() {
		return nil, false
	}
	return j, true
}

// sorted gives the jobs in the order that all go by.
func sorted(jobs map[job.ID]*held) []*held {
	return slices.SortedFunc(maps.Values(jobs), func(a, b *held) int { return cmp.Compare(a.seq, b.seq) })
}

// putOutcomes writes the outcomes that are not stale, as many at once as inserts
// allow, and counts them.
func (s *SQL) putOutcomes(ctx context.Context, tx *sql.Tx, g *group, jobs map[job.ID]*held, inserts []insert) error {
	fresh := make([]int, 0, len(g.outcomes))
	for i := range g.outcomes {
		o := &g.outcomes[i]
		switch j, ok := owned(jobs, o.job, o.epoch); {
		case !ok:
			g.finished[i] = ErrStale
		case o.index < 0 || o.index >= j.total:
			g.finished[i] = noTask(o.job, o.index)
		default:
			fresh = append(fresh, i)
		}
	}
	args := make([]any, 0, inserts[0].rows*outcomeColumns)
	for _, insert := range inserts {
		if len(fresh) < insert.rows {
			continue
		}
		stmt := tx.StmtContext(ctx, insert.stmt)
		for ; len(fresh) >= insert.rows; fresh = fresh[insert.rows:] {
			args = args[:0]
			for _, i := range fresh[:insert.rows] {
				o := &g.outcomes[i]
				args = append(args, jobs[o.job].seq, o.index, string(o.state), o.at, o.attempts, o.number, o.last, o.nodes)
			}
			result, err := stmt.ExecContext(ctx, args...)
			if err != nil {
				return err
			}
			written, err := result.RowsAffected()
			switch {
			case err != nil:
				return err
			case written == int64(insert.rows):
				count(g.outcomes, fresh[:insert.rows], jobs)
			case insert.rows > 1:
				return errTwice
			default:
				g.finished[fresh[0]] = ErrStale
			}
		}
	}
	return nil
}

func count(outcomes []outcome, which []int, jobs map[job.ID]*held) {
	for _, i := range which {
		j := jobs[outcomes[i].job]
		j.changed = true
		switch outcomes[i].state {
		case job.TaskDone:
			j.done++
		case job.TaskFailed:
			j.failed++
		default:
			j.quarantine++
		}
		if t := outcomes[i].tally; t.Node != "" {
			if j.tallies == nil {
				j.tallies = map[job.NodeID]job.Tally{}
			}
			j.tallies[t.Node] = sum(j.tallies[t.Node], t)
		}
	}
}

// addTally adds to what a node has done for a job.
func (s *SQL) addTally(ctx context.Context, tx *sql.Tx, seq int64, t job.Tally) error {
	_, err := s.exec(ctx, tx, `INSERT INTO tallies (job, node, done, rejected, delayed, failed, superseded, busy) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (job, node) DO UPDATE SET done = tallies.done + excluded.done, rejected = tallies.rejected + excluded.rejected,
		delayed = tallies.delayed + excluded.delayed, failed = tallies.failed + excluded.failed,
		superseded = tallies.superseded + excluded.superseded, busy = tallies.busy + excluded.busy`,
		seq, string(t.Node), t.Done, t.Rejected, t.Delayed, t.Failed, t.Superseded, int64(t.Busy))
	return err
}

// putNotes writes the notes of those who own their jobs.
func (s *SQL) putNotes(ctx context.Context, tx *sql.Tx, n notes, jobs map[job.ID]*held) error {
	for key, t := range n.tallies {
		j, ok := owned(jobs, key.job, key.epoch)
		if !ok {
			continue
		}
		j.changed = true
		if err := s.addTally(ctx, tx, j.seq, t); err != nil {
			return err
		}
	}
	for _, a := range n.attempts {
		j, ok := owned(jobs, a.job, a.epoch)
		if !ok {
			continue
		}
		j.changed = true
		_, err := s.exec(ctx, tx, `INSERT INTO attempts (job, idx, epoch, number, attempt) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT (job, idx, epoch, number) DO NOTHING`, j.seq, a.index, a.epoch, a.number, a.attempt)
		if err != nil {
			return err
		}
	}
	return nil
}

// putEnds ends jobs.
func (s *SQL) putEnds(ctx context.Context, tx *sql.Tx, g *group, jobs map[job.ID]*held) error {
	for i, e := range g.ends {
		j, ok := owned(jobs, e.job, e.epoch)
		if !ok {
			g.ended[i] = ErrStale
			if jobs[e.job] == nil {
				g.ended[i] = unknown(e.job)
			}
			continue
		}
		j.state = e.state
		_, err := s.exec(ctx, tx, `UPDATE jobs SET version = CASE WHEN version < ? THEN ? ELSE version + 1 END,
			state = ?, err = ?, finished = ?, lease = 0 WHERE seq = ?`,
			e.version, e.version, string(e.state), e.err, e.at, j.seq)
		if err != nil {
			return err
		}
	}
	return nil
}
