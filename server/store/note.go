package store

import (
	"spillway/job"
)

// maxAttempts bounds the attempts that wait to be written; further ones are
// dropped. It is reached only while the database is away.
const maxAttempts = 100_000

// notes are what is kept of tasks and jobs that have not ended.
type notes struct {
	tallies  map[tallyKey]job.Tally
	attempts []note
}

type tallyKey struct {
	job   job.ID
	epoch int64
	node  job.NodeID
}

// note is an attempt as it is kept.
type note struct {
	job     job.ID
	epoch   int64
	index   int64
	number  int
	attempt string
}

func (n *notes) empty() bool { return len(n.tallies) == 0 && len(n.attempts) == 0 }

// add takes other's notes in.
func (n *notes) add(other notes) {
	if n.tallies == nil {
		n.tallies = map[tallyKey]job.Tally{}
	}
	for key, t := range other.tallies {
		n.tallies[key] = sum(n.tallies[key], t)
	}
	room := max(0, maxAttempts-len(n.attempts))
	n.attempts = append(n.attempts, other.attempts[:min(room, len(other.attempts))]...)
}

func sum(a, b job.Tally) job.Tally {
	return job.Tally{
		Node: b.Node, Done: a.Done + b.Done, Rejected: a.Rejected + b.Rejected,
		Delayed: a.Delayed + b.Delayed, Failed: a.Failed + b.Failed,
		Superseded: a.Superseded + b.Superseded, Busy: a.Busy + b.Busy,
	}
}

// keepInterim makes an Interim what is kept of it; what cannot be kept is left out.
func keepInterim(i Interim) notes {
	var n notes
	if i.Tally != (job.Tally{}) {
		t := i.Tally
		t.Node = job.NodeID(plain(string(t.Node)))
		n.tallies = map[tallyKey]job.Tally{{i.Job, i.Epoch, t.Node}: t}
	}
	if text, err := encodeAttempt(i.Attempt); err == nil && text != "" {
		n.attempts = []note{{i.Job, i.Epoch, i.Index, i.Attempt.Number, text}}
	}
	return n
}
