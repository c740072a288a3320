package store

import (
	"context"
	"database/sql"
	"errors"
	"slices"

	"spillway/job"
)

// Pending are the tasks without an outcome with an index greater than after, in
// order of it, at most so many of them (0: 100). Fewer than that: there are no more.
// Errors: NotFound, Unavailable.
func (s *SQL) Pending(ctx context.Context, id job.ID, after int64, most int) ([]Input, error) {
	var list []Input
	err := s.read(ctx, "read tasks", func(tx *sql.Tx) error {
		j, retried, err := s.findRetried(ctx, tx, id)
		if err != nil {
			return err
		}
		err = s.walk(ctx, tx, j.Seq, after, func(i int64, name string, o *outcome) bool {
			if o == nil {
				list = append(list, Input{Index: i, Name: name})
			}
			return len(list) < limit(most)
		})
		if err != nil {
			return err
		}
		return s.addTried(ctx, tx, j.Seq, retried, list)
	})
	return list, err
}

// Tasks are the tasks that f selects, in order of their index, with what they
// went through. None of them is running: that is for the caller to know.
// Errors: NotFound, Unavailable.
func (s *SQL) Tasks(ctx context.Context, id job.ID, f job.TaskFilter) ([]job.TaskInfo, error) {
	var list []job.TaskInfo
	err := s.read(ctx, "read tasks", func(tx *sql.Tx) error {
		j, err := s.findJob(ctx, tx, id, "")
		if err != nil {
			return err
		}
		var found []located
		if len(f.States) == 0 || slices.Contains(f.States, job.TaskPending) {
			found, err = s.tasksByPage(ctx, tx, j.Seq, f)
		} else {
			found, err = s.tasksByOutcome(ctx, tx, j.Seq, f)
		}
		if err != nil {
			return err
		}
		list, err = s.describe(ctx, tx, j.Seq, found)
		return err
	})
	return list, err
}

// located is a task, and its outcome unless it is pending.
type located struct {
	index int64
	name  string
	end   *outcome
}

func (l located) state() job.TaskState {
	if l.end == nil {
		return job.TaskPending
	}
	return l.end.state
}

// tasksByPage goes through all tasks.
func (s *SQL) tasksByPage(ctx context.Context, tx *sql.Tx, seq int64, f job.TaskFilter) (found []located, err error) {
	err = s.walk(ctx, tx, seq, f.After, func(i int64, name string, o *outcome) bool {
		l := located{i, name, o}
		if len(f.States) == 0 || slices.Contains(f.States, l.state()) {
			found = append(found, l)
		}
		return len(found) < limit(f.Limit)
	})
	return found, err
}

// tasksByOutcome goes through those that have ended.
func (s *SQL) tasksByOutcome(ctx context.Context, tx *sql.Tx, seq int64, f job.TaskFilter) ([]located, error) {
	where, args := "job = ? AND idx > ?", []any{seq, f.After}
	if !slices.Contains(f.States, job.TaskDone) {
		where += " AND state <> 'done'" // for which there is an index
	}
	where += " AND state IN (" + repeat("?", len(f.States)) + ") ORDER BY idx LIMIT ?"
	for _, state := range f.States {
		args = append(args, plain(string(state)))
	}
	ended, err := s.outcomes(ctx, tx, where, append(args, limit(f.Limit))...)
	if err != nil {
		return nil, err
	}
	names, err := s.names(ctx, tx, seq, indexes(ended))
	if err != nil {
		return nil, err
	}
	found := make([]located, len(ended))
	for i := range ended {
		found[i] = located{ended[i].index, names[ended[i].index], &ended[i]}
	}
	return found, nil
}

// describe adds what the tasks went through.
func (s *SQL) describe(ctx context.Context, tx *sql.Tx, seq int64, found []located) ([]job.TaskInfo, error) {
	list := make([]job.TaskInfo, len(found))
	at := make(map[int64]int, len(found))
	for i, l := range found {
		list[i] = job.TaskInfo{Index: l.index, Name: l.name, State: l.state()}
		at[l.index] = i
	}
	err := s.attempts(ctx, tx, seq, keysOf(list), func(index, _ int64, a job.Attempt) {
		t := &list[at[index]]
		t.Attempts = append(t.Attempts, a)
	})
	if err != nil {
		return nil, err
	}
	for i, l := range found {
		if l.end == nil || l.end.last == "" {
			continue
		}
		last, err := decodeAttempt(l.end.last)
		if err != nil {
			return nil, err
		}
		list[i].Attempts = withLast(list[i].Attempts, last)
	}
	return list, nil
}

func keysOf(list []job.TaskInfo) []int64 {
	keys := make([]int64, len(list))
	for i, t := range list {
		keys[i] = t.Index
	}
	return keys
}

// addTried adds what the tasks went through before, from the epoch of the last
// retry on.
func (s *SQL) addTried(ctx context.Context, tx *sql.Tx, seq, retried int64, list []Input) error {
	keys, at := make([]int64, len(list)), make(map[int64]int, len(list))
	for i, in := range list {
		keys[i], at[in.Index] = in.Index, i
	}
	return s.attempts(ctx, tx, seq, keys, func(index, epoch int64, a job.Attempt) {
		list[at[index]].tried(a, epoch >= retried)
	})
}

// tried counts an attempt in, with all that it was if it is recent.
func (in *Input) tried(a job.Attempt, recent bool) {
	in.Number = max(in.Number, a.Number)
	if recent {
		in.Attempts++
		in.Tried = append(in.Tried, a)
	}
}

// attempts tells those of the tasks, each task's in their order, with the epoch
// in which they were made.
func (s *SQL) attempts(ctx context.Context, tx *sql.Tx, seq int64, tasks []int64, tell func(index, epoch int64, a job.Attempt)) error {
	for some := range slices.Chunk(tasks, 500) {
		args := []any{seq}
		for _, i := range some {
			args = append(args, i)
		}
		err := s.each(ctx, tx, func(scan func(...any) error) error {
			var index, epoch int64
			var text string
			if err := scan(&index, &epoch, &text); err != nil {
				return err
			}
			a, err := decodeAttempt(text)
			tell(index, epoch, a)
			return err
		}, "SELECT idx, epoch, attempt FROM attempts WHERE job = ? AND idx IN ("+repeat("?", len(some))+") ORDER BY idx, epoch, number", args...)
		if err != nil {
			return err
		}
	}
	return nil
}

// walk tells each task with an index greater than after, and its outcome if it
// has one, until tell returns false. It holds one page at a time.
func (s *SQL) walk(ctx context.Context, tx *sql.Tx, seq, after int64, tell func(int64, string, *outcome) bool) error {
	for {
		p, err := s.page(ctx, tx, seq, after+1)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		last := p.first + p.count - 1
		ended, err := s.outcomes(ctx, tx, "job = ? AND idx > ? AND idx <= ? ORDER BY idx", seq, after, last)
		if err != nil {
			return err
		}
		for i, name := range p.all() {
			if i <= after {
				continue
			}
			var end *outcome
			if len(ended) > 0 && ended[0].index == i {
				end, ended = &ended[0], ended[1:]
			}
			if !tell(i, name, end) {
				return nil
			}
		}
		after = last
	}
}

// page reads the page that holds the task; sql.ErrNoRows: there is none.
func (s *SQL) page(ctx context.Context, tx *sql.Tx, seq, index int64) (page, error) {
	var p page
	err := tx.QueryRowContext(ctx, s.dialect.sql(`SELECT first, count, names FROM pages WHERE job = ? AND first <= ?
		ORDER BY first DESC LIMIT 1`), seq, max(index, 0)).Scan(&p.first, &p.count, &p.names)
	if err == nil && index >= p.first+p.count {
		return page{}, sql.ErrNoRows
	}
	return p, err
}

// names finds the names of tasks, whose indexes ascend.
func (s *SQL) names(ctx context.Context, tx *sql.Tx, seq int64, tasks []int64) (map[int64]string, error) {
	names := make(map[int64]string, len(tasks))
	for len(tasks) > 0 {
		p, err := s.page(ctx, tx, seq, tasks[0])
		if errors.Is(err, sql.ErrNoRows) {
			tasks = tasks[1:] // no such task; it has no name
			continue
		}
		if err != nil {
			return nil, err
		}
		for i, name := range p.all() {
			if len(tasks) > 0 && tasks[0] == i {
				names[i], tasks = name, tasks[1:]
			}
		}
	}
	return names, nil
}
