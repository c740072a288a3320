package rpc

import (
	"spillway/gen-go/spillway"
	"spillway/job"
)

func attemptToWire(a job.Attempt) *spillway.Attempt {
	return &spillway.Attempt{
		Number: small(a.Number), Node: string(a.Node), SentUs: toMicros(a.Sent), Delayed: a.Delayed,
		QueuedUs: a.Queued.Microseconds(), RunUs: a.Run.Microseconds(), TookUs: a.Took.Microseconds(),
		Failure: jobErrorToWire(a.Err),
	}
}

func attemptFromWire(a *spillway.Attempt) job.Attempt {
	return job.Attempt{
		Number: int(a.Number), Node: job.NodeID(a.Node), Sent: fromMicros(a.SentUs), Delayed: a.Delayed,
		Queued: micros(a.QueuedUs), Run: micros(a.RunUs), Took: micros(a.TookUs), Err: failureFromWire(a.Failure),
	}
}

func taskInfoToWire(t job.TaskInfo) *spillway.TaskInfo {
	return &spillway.TaskInfo{
		Index: t.Index, Name: clean(t.Name), State: string(t.State), Attempts: convert(t.Attempts, attemptToWire),
	}
}

func taskInfoFromWire(t *spillway.TaskInfo) job.TaskInfo {
	return job.TaskInfo{
		Index: t.Index, Name: t.Name, State: job.TaskState(t.State), Attempts: convert(t.Attempts, attemptFromWire),
	}
}

func taskFilterToWire(f job.TaskFilter) *spillway.TaskFilter {
	return &spillway.TaskFilter{States: convert(f.States, word[string, job.TaskState]), After: f.After, Limit: small(f.Limit)}
}

// taskFilterFromWire selects from the first task on where nothing is asked for.
func taskFilterFromWire(f *spillway.TaskFilter) job.TaskFilter {
	if f == nil {
		return job.TaskFilter{After: -1}
	}
	return job.TaskFilter{States: convert(f.States, word[job.TaskState, string]), After: f.After, Limit: int(f.Limit)}
}
