// Package view has the shapes in which jobs, tasks, nodes and operations are told as
// JSON: to those who call the client with --json, and to those of the HTTP API.
//
// All is pure: times that depend on now are given it. Times are RFC 3339, or seconds
// since a job was submitted; what took a while is told in milliseconds.
package view

import (
	"time"

	"spillway/job"
	"spillway/trace"
)

// Job is a job as a whole.
type Job struct {
	ID          job.ID    `json:"id" doc:"names the job" example:"b3u5x7k2q4m6n8p9"`
	State       job.State `json:"state" enum:"queued,running,succeeded,failed,cancelled" doc:"where it stands"`
	Source      string    `json:"source" doc:"the folder that holds input_dir, or one file in it" example:"data"`
	Operation   string    `json:"operation" doc:"what is done to each input" example:"blur:kernel=7"`
	Policy      string    `json:"policy" doc:"how nodes are chosen" example:"pull"`
	Created     time.Time `json:"created" doc:"when it was submitted"`
	ElapsedS    float64   `json:"elapsed_s" doc:"seconds from its submission to its end, or to now"`
	Total       int64     `json:"total" doc:"its tasks, as far as they are counted"`
	Done        int64     `json:"done" doc:"tasks that are done"`
	Failed      int64     `json:"failed" doc:"tasks that failed"`
	Quarantined int64     `json:"quarantined" doc:"tasks that broke every node they were tried on"`
	Running     int64     `json:"running" doc:"tasks that are being sent, worked on, or parked"`
	Parked      int64     `json:"parked" doc:"tasks of the running ones that no node takes now"`
	Skipped     int64     `json:"skipped" doc:"what lies among the inputs and is none, by its name"`
	Waiting     string    `json:"waiting,omitempty" doc:"why tasks are parked, or what is being joined"`
	Priority    int       `json:"priority" doc:"a higher one starts first"`
	Tags        []string  `json:"tags,omitempty" doc:"that a node must have to get a task"`
	Position    int       `json:"position,omitempty" doc:"how far a queued job is from its start; 1 is the next"`
	Reason      string    `json:"reason,omitempty" doc:"why a queued job waits"`
	Nodes       []Tally   `json:"nodes" doc:"a row for each node that it was sent to, by name"`
	Failures    []Failure `json:"failures" doc:"tasks that are not done, and why; at most 1000"`
	Error       *Error    `json:"error,omitempty" doc:"why the job as a whole ended early"`
	TraceID     string    `json:"trace_id,omitempty" doc:"the trace that tells where its time went, if there is one" example:"4bf92f3577b34da6a3ce929d0e0e4736"`
}

// JobWithTasks is a job, what the server itself did for its inputs, and some of its tasks.
type JobWithTasks struct {
	Job
	Inputs []Input `json:"inputs,omitempty" doc:"those that were split, the latest"`
	Tasks  []Task  `json:"tasks" doc:"some of its tasks, by index"`
}

// Tally is what one node did for one job. It counts attempts.
type Tally struct {
	Node       job.NodeID `json:"node" example:"node_0"`
	Done       int64      `json:"done" doc:"attempts that finished"`
	Rejected   int64      `json:"rejected" doc:"attempts that the node turned away"`
	Delayed    int64      `json:"delayed" doc:"attempts that finished after the injected delay"`
	Failed     int64      `json:"failed" doc:"attempts that broke in any other way"`
	Superseded int64      `json:"superseded" doc:"attempts cancelled because another of the same task was faster"`
	MeanMS     float64    `json:"mean_ms" doc:"mean milliseconds of a done attempt, from sending to the answer"`
}

// Failure is a task that is not done.
type Failure struct {
	Name        string       `json:"name" doc:"the task" example:"a.jpg"`
	Attempts    int          `json:"attempts" doc:"how often it was sent and not rejected"`
	Nodes       []job.NodeID `json:"nodes" doc:"that had it"`
	Quarantined bool         `json:"quarantined" doc:"it broke every node it was tried on"`
	Error       *Error       `json:"error" doc:"why"`
}

// Error is a fault with its code and the mend.
type Error struct {
	Code    job.Code `json:"code" doc:"who acts on it" example:"data_loss"`
	Message string   `json:"message" doc:"what went wrong, for people"`
	Hint    string   `json:"hint,omitempty" doc:"what to do about it"`
}

// OfJob shows a job as it is now.
func OfJob(j job.Job, now time.Time) Job {
	return Job{
		ID: j.ID, State: j.State, Source: j.Spec.Source, Operation: j.Spec.Operation.String(), Policy: j.Spec.Policy,
		Created: moment(j.Created), ElapsedS: seconds(j.Elapsed(now)), Total: j.Total, Done: j.Done, Failed: j.Failed,
		Quarantined: j.Quarantined, Running: j.Running, Parked: j.Parked, Skipped: j.Skipped, Waiting: j.Waiting,
		Priority: j.Spec.Priority, Tags: j.Spec.Tags, Position: j.Position, Reason: j.Reason,
		TraceID: trace.ID(j.Spec.Trace),
		Nodes:   Each(j.Nodes, ofTally), Failures: Each(j.Failures, ofFailure), Error: OfError(j.Err),
	}
}

func ofTally(n job.Tally) Tally {
	return Tally{
		Node: n.Node, Done: n.Done, Rejected: n.Rejected, Delayed: n.Delayed, Failed: n.Failed, Superseded: n.Superseded,
		MeanMS: Milliseconds(n.Mean()),
	}
}

func ofFailure(f job.Failure) Failure {
	return Failure{
		Name: f.Name, Attempts: f.Attempts, Nodes: append([]job.NodeID{}, f.Nodes...), Quarantined: f.Quarantined, Error: OfError(f.Err),
	}
}

// OfError shows an error; nil stays nil.
func OfError(err *job.Error) *Error {
	if err == nil {
		return nil
	}
	return &Error{Code: err.Code, Message: err.Error(), Hint: err.Hint}
}

// Each shows the elements of a list, in order. Of an empty list, and of nil, it makes an
// empty one, so that JSON says [] and not null.
func Each[A, B any](list []A, show func(A) B) []B {
	out := make([]B, 0, len(list))
	for _, a := range list {
		out = append(out, show(a))
	}
	return out
}

// Times are shown to the microsecond, which is what Thrift carries, so that who asks by
// either way is told the same.

// Milliseconds is d as a number of milliseconds, to the microsecond.
func Milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1e3 }

// seconds is d as a number of seconds, to the microsecond.
func seconds(d time.Duration) float64 { return d.Truncate(time.Microsecond).Seconds() }

// moment is t to the microsecond.
func moment(t time.Time) time.Time { return t.Truncate(time.Microsecond) }
