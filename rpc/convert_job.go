package rpc

import (
	"spillway/gen-go/spillway"
	"spillway/job"
)

func specToWire(s job.Spec) *spillway.JobSpec {
	out := &spillway.JobSpec{}
	if s.ID != "" {
		id := string(s.ID)
		out.ID = &id
	}
	if s.Source != "" {
		out.Source = &s.Source
	}
	if s.Operation.Name != "" || len(s.Operation.Params) > 0 {
		out.Operation = operationToWire(s.Operation)
	}
	if s.Policy != "" {
		out.Policy = &s.Policy
	}
	if s.Deadline != 0 {
		ms := wholeMillis(s.Deadline)
		out.DeadlineMs = &ms
	}
	if s.Priority != 0 {
		priority := small(s.Priority)
		out.Priority = &priority
	}
	out.Tags = convert(s.Tags, clean)
	if s.Keep != 0 {
		ms := wholeMillis(s.Keep)
		out.KeepMs = &ms
	}
	out.Traceparent = given(s.Trace)
	return out
}

func specFromWire(s *spillway.JobSpec) job.Spec {
	if s == nil {
		return job.Spec{}
	}
	return job.Spec{
		ID: job.ID(s.GetID()), Source: s.GetSource(), Operation: operationFromWire(s.Operation),
		Policy: s.GetPolicy(), Deadline: millis(s.GetDeadlineMs()),
		Priority: int(s.GetPriority()), Tags: s.Tags, Keep: millis(s.GetKeepMs()),
		Trace: s.GetTraceparent(),
	}
}

func jobToWire(j job.Job) *spillway.Job {
	position, reason := small(j.Position), clean(j.Reason)
	return &spillway.Job{
		Position: &position, Reason: &reason,
		ID: string(j.ID), Spec: specToWire(j.Spec), State: string(j.State), Version: j.Version,
		CreatedUs: toMicros(j.Created), StartedUs: toMicros(j.Started), FinishedUs: toMicros(j.Finished),
		Total: j.Total, Counted: j.Counted, Skipped: j.Skipped,
		Done: j.Done, Failed: j.Failed, Quarantined: j.Quarantined, Running: j.Running,
		Parked: j.Parked, Waiting: clean(j.Waiting),
		Nodes: convert(j.Nodes, tallyToWire), Failures: convert(j.Failures, taskFailureToWire),
		Failure: jobErrorToWire(j.Err),
	}
}

func jobFromWire(j *spillway.Job) job.Job {
	return job.Job{
		ID: job.ID(j.ID), Spec: specFromWire(j.Spec), State: job.State(j.State), Version: j.Version,
		Created: fromMicros(j.CreatedUs), Started: fromMicros(j.StartedUs), Finished: fromMicros(j.FinishedUs),
		Total: j.Total, Counted: j.Counted, Skipped: j.Skipped,
		Done: j.Done, Failed: j.Failed, Quarantined: j.Quarantined, Running: j.Running,
		Parked: j.Parked, Waiting: j.Waiting,
		Nodes: convert(j.Nodes, tallyFromWire), Failures: convert(j.Failures, taskFailureFromWire),
		Err: failureFromWire(j.Failure), Position: int(j.GetPosition()), Reason: j.GetReason(),
	}
}

// eventToWire leaves out what its receiver counts itself.
func eventToWire(e job.Event) *spillway.Job {
	j := jobToWire(e.Job)
	j.Steps = convert(e.Steps, stepToWire)
	return j
}

func stepToWire(s job.Step) *spillway.Step {
	return &spillway.Step{
		Number: s.Number, Kind: string(s.Kind), AtUs: toMicros(s.At), Name: clean(s.Name), Parts: small(s.Parts),
		TookUs: s.Took.Microseconds(), Bytes: s.Bytes, State: string(s.State), Ended: s.Ended, Node: string(s.Node),
		Attempts: small(s.Attempts), QueuedUs: s.Queued.Microseconds(), RunUs: s.Run.Microseconds(), Failure: jobErrorToWire(s.Err),
	}
}

func stepFromWire(s *spillway.Step) job.Step {
	return job.Step{
		Number: s.Number, Kind: job.StepKind(s.Kind), At: fromMicros(s.AtUs), Name: s.Name, Parts: int(s.Parts),
		Took: micros(s.TookUs), Bytes: s.Bytes, State: job.TaskState(s.State), Ended: s.Ended, Node: job.NodeID(s.Node),
		Attempts: int(s.Attempts), Queued: micros(s.QueuedUs), Run: micros(s.RunUs), Err: failureFromWire(s.Failure),
	}
}

func tallyToWire(t job.Tally) *spillway.Tally {
	return &spillway.Tally{
		Node: string(t.Node), Done: t.Done, Rejected: t.Rejected, Delayed: t.Delayed, Failed: t.Failed,
		BusyUs: t.Busy.Microseconds(), Superseded: &t.Superseded,
	}
}

func tallyFromWire(t *spillway.Tally) job.Tally {
	return job.Tally{
		Node: job.NodeID(t.Node), Done: t.Done, Rejected: t.Rejected, Delayed: t.Delayed, Failed: t.Failed,
		Busy: micros(t.BusyUs), Superseded: t.GetSuperseded(),
	}
}

func taskFailureToWire(f job.Failure) *spillway.TaskFailure {
	return &spillway.TaskFailure{
		Name: clean(f.Name), Attempts: small(f.Attempts), Nodes: convert(f.Nodes, word[string, job.NodeID]),
		Quarantined: f.Quarantined, Failure: jobErrorToWire(f.Err),
	}
}

func taskFailureFromWire(f *spillway.TaskFailure) job.Failure {
	return job.Failure{
		Name: f.Name, Attempts: int(f.Attempts), Nodes: convert(f.Nodes, word[job.NodeID, string]),
		Quarantined: f.Quarantined, Err: failureFromWire(f.Failure),
	}
}

func filterToWire(f job.Filter) *spillway.JobFilter {
	after := string(f.After)
	return &spillway.JobFilter{
		States: convert(f.States, word[string, job.State]), Limit: small(f.Limit), After: &after, OldestFirst: &f.OldestFirst,
	}
}

func filterFromWire(f *spillway.JobFilter) job.Filter {
	if f == nil {
		return job.Filter{}
	}
	return job.Filter{
		States: convert(f.States, word[job.State, string]), Limit: int(f.Limit), After: job.ID(f.GetAfter()), OldestFirst: f.GetOldestFirst(),
	}
}
