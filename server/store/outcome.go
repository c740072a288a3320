package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"spillway/job"
)

// outcome is an Outcome as it is kept.
type outcome struct {
	job      job.ID
	epoch    int64
	index    int64
	state    job.TaskState
	at       int64
	attempts int
	number   int
	last     string
	nodes    string
	tally    job.Tally // what it adds to that of its node; zero: nothing
}

// keep makes an Outcome what is kept of it. Errors: InvalidArgument.
func keep(o Outcome) (outcome, error) {
	switch o.State {
	case job.TaskDone, job.TaskFailed, job.TaskQuarantined:
	default:
		return outcome{}, job.E(job.InvalidArgument, "finish", fmt.Errorf("%q is not the end of a task", o.State), "")
	}
	last, err := encodeAttempt(o.Last)
	if err != nil {
		return outcome{}, err
	}
	nodes, err := encodeNodes(o.Nodes)
	return outcome{o.Job, o.Epoch, o.Index, o.State, nanos(o.At), o.Attempts, o.Last.Number, last, nodes, tallyOf(o)}, err
}

// tallyOf is what a task that is done counts for its node.
func tallyOf(o Outcome) job.Tally {
	if o.State != job.TaskDone || o.Last.Node == "" {
		return job.Tally{}
	}
	t := job.Tally{Node: job.NodeID(plain(string(o.Last.Node))), Done: 1, Busy: o.Last.Took}
	if o.Last.Delayed {
		t.Delayed = 1
	}
	return t
}

// ending is an Ending as it is kept.
type ending struct {
	job     job.ID
	epoch   int64
	version int64
	state   job.State
	err     string
	at      int64
}

// keepEnding makes an Ending what is kept of it. Errors: InvalidArgument.
func keepEnding(e Ending) (ending, error) {
	if !e.State.Final() {
		return ending{}, job.E(job.InvalidArgument, "end", fmt.Errorf("%q is not the end of a job", e.State), "")
	}
	text, err := encodeError(e.Err)
	return ending{e.Job, e.Epoch, e.Version, e.State, text, nanos(e.At)}, err
}

// withLast are attempts with the one that ended the task, which may have been noted.
func withLast(noted []job.Attempt, last job.Attempt) []job.Attempt {
	if last.Number > 0 && slices.ContainsFunc(noted, func(a job.Attempt) bool { return a.Number == last.Number }) {
		return noted
	}
	return append(noted, last)
}

// failure tells of a task that is not done.
func (o outcome) failure(name string) (job.Failure, error) {
	last, err := decodeAttempt(o.last)
	if err != nil {
		return job.Failure{}, err
	}
	nodes, err := decodeNodes(o.nodes)
	return job.Failure{
		Name: name, Attempts: o.attempts, Nodes: nodes, Quarantined: o.state == job.TaskQuarantined, Err: last.Err,
	}, err
}

// outcomes reads those that where selects.
func (s *SQL) outcomes(ctx context.Context, tx *sql.Tx, where string, args ...any) (found []outcome, err error) {
	err = s.each(ctx, tx, func(scan func(...any) error) error {
		var o outcome
		err := scan(&o.index, &o.state, &o.at, &o.attempts, &o.number, &o.last, &o.nodes)
		found = append(found, o)
		return err
	}, "SELECT idx, state, at, attempts, number, last, nodes FROM outcomes WHERE "+where, args...)
	return found, err
}

func indexes(ended []outcome) []int64 {
	list := make([]int64, len(ended))
	for i, o := range ended {
		list[i] = o.index
	}
	return list
}
