package view

import (
	"slices"
	"time"

	"spillway/job"
)

// Task is one task of a job with its attempts.
type Task struct {
	Index    int64         `json:"index" doc:"its position within the job, from 0"`
	Name     string        `json:"name" doc:"the input, or the part of one" example:"a.jpg"`
	State    job.TaskState `json:"state" enum:"pending,running,done,failed,quarantined" doc:"where it stands"`
	Attempts []Attempt     `json:"attempts" doc:"what it went through; those that nodes rejected are not listed"`
}

// Attempt is one try of a task on a node.
type Attempt struct {
	Number   int        `json:"number" doc:"from 1, rejected ones counted; 0 is none: the task ended while no node had it"`
	Node     job.NodeID `json:"node" example:"node_0"`
	Sent     time.Time  `json:"sent" doc:"when it was sent"`
	Delayed  bool       `json:"delayed" doc:"the injected delay struck"`
	QueuedMS float64    `json:"queued_ms" doc:"milliseconds of waiting for a slot of the node"`
	RunMS    float64    `json:"run_ms" doc:"milliseconds of the operation itself"`
	TotalMS  float64    `json:"total_ms" doc:"milliseconds from sending to the answer"`
	Error    *Error     `json:"error,omitempty" doc:"why it is not done"`
}

// Input is what the server itself did for one input of a job.
type Input struct {
	Name    string  `json:"name" example:"clip.avi"`
	Parts   int     `json:"parts" doc:"into how many it was cut"`
	SplitMS float64 `json:"split_ms" doc:"milliseconds that it took to cut"`
	Joined  bool    `json:"joined" doc:"whether its output is whole"`
	JoinMS  float64 `json:"join_ms" doc:"milliseconds that it took to join"`
	Bytes   int64   `json:"bytes" doc:"size of the output"`
	Error   *Error  `json:"error,omitempty" doc:"why it is not joined"`
}

// OfTask shows a task.
func OfTask(t job.TaskInfo) Task {
	return Task{Index: t.Index, Name: t.Name, State: t.State, Attempts: Each(t.Attempts, ofAttempt)}
}

func ofAttempt(a job.Attempt) Attempt {
	return Attempt{
		Number: a.Number, Node: a.Node, Sent: moment(a.Sent), Delayed: a.Delayed,
		QueuedMS: Milliseconds(a.Queued), RunMS: Milliseconds(a.Run), TotalMS: Milliseconds(a.Took), Error: OfError(a.Err),
	}
}

// Inputs gathers the steps of each input that was split or joined, in the order in which
// they first appear. The last time that one was joined counts.
func Inputs(steps []job.Step) []Input {
	var all []Input
	for _, st := range steps {
		if st.Kind == job.TaskStep || st.Kind == job.JoiningStep {
			continue
		}
		at := slices.IndexFunc(all, func(in Input) bool { return in.Name == st.Name })
		if at < 0 {
			at, all = len(all), append(all, Input{Name: st.Name, Parts: st.Parts})
		}
		if in := &all[at]; st.Kind == job.SplitStep {
			in.SplitMS = Milliseconds(st.Took)
		} else {
			in.JoinMS, in.Joined, in.Bytes, in.Error = Milliseconds(st.Took), st.Err == nil, st.Bytes, OfError(st.Err)
		}
	}
	return all
}
