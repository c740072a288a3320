package main

import (
	"time"

	"spillway/job"
)

// The shapes that --json prints. Times are seconds since the job was submitted,
// or RFC 3339; means are milliseconds.
type (
	jobJSON struct {
		ID          job.ID            `json:"id"`
		State       job.State         `json:"state"`
		Source      string            `json:"source"`
		Operation   string            `json:"operation"`
		Policy      string            `json:"policy"`
		Created     time.Time         `json:"created"`
		ElapsedS    float64           `json:"elapsed_s"`
		Total       int64             `json:"total"`
		Done        int64             `json:"done"`
		Failed      int64             `json:"failed"`
		Quarantined int64             `json:"quarantined"`
		Running     int64             `json:"running"`
		Parked      int64             `json:"parked"`
		Skipped     int64             `json:"skipped"`
		Waiting     string            `json:"waiting,omitempty"`
		Priority    int               `json:"priority"`
		Tags        []string          `json:"tags,omitempty"`
		Position    int               `json:"position,omitempty"`
		Reason      string            `json:"reason,omitempty"`
		Nodes       []tallyJSON       `json:"nodes"`
		Failures    []taskFailureJSON `json:"failures"`
		Error       *errorJSON        `json:"error,omitempty"`
	}
	// jobWithTasks is what client job prints.
	jobWithTasks struct {
		jobJSON
		Inputs []inputJSON `json:"inputs,omitempty"` // those that were split, the latest
		Tasks  []taskJSON  `json:"tasks"`
	}
	inputJSON struct {
		Name    string     `json:"name"`
		Parts   int        `json:"parts"`
		SplitMS float64    `json:"split_ms"`
		Joined  bool       `json:"joined"`
		JoinMS  float64    `json:"join_ms"`
		Bytes   int64      `json:"bytes"`
		Error   *errorJSON `json:"error,omitempty"` // why it is not joined
	}
	taskJSON struct {
		Index    int64         `json:"index"`
		Name     string        `json:"name"`
		State    job.TaskState `json:"state"`
		Attempts []attemptJSON `json:"attempts"`
	}
	attemptJSON struct {
		Number   int        `json:"number"`
		Node     job.NodeID `json:"node"`
		Sent     time.Time  `json:"sent"`
		Delayed  bool       `json:"delayed"`
		QueuedMS float64    `json:"queued_ms"`
		RunMS    float64    `json:"run_ms"`
		TotalMS  float64    `json:"total_ms"`
		Error    *errorJSON `json:"error,omitempty"`
	}
	tallyJSON struct {
		Node       job.NodeID `json:"node"`
		Done       int64      `json:"done"`
		Rejected   int64      `json:"rejected"`
		Delayed    int64      `json:"delayed"`
		Failed     int64      `json:"failed"`
		Superseded int64      `json:"superseded"`
		MeanMS     float64    `json:"mean_ms"`
	}
	taskFailureJSON struct {
		Name        string       `json:"name"`
		Attempts    int          `json:"attempts"`
		Nodes       []job.NodeID `json:"nodes"`
		Quarantined bool         `json:"quarantined"`
		Error       *errorJSON   `json:"error"`
	}
	errorJSON struct {
		Code    job.Code `json:"code"`
		Message string   `json:"message"`
		Hint    string   `json:"hint,omitempty"`
	}
	operationJSON struct {
		Name    string      `json:"name"`
		Summary string      `json:"summary"`
		Params  []paramJSON `json:"params"`
	}
	paramJSON struct {
		Name    string        `json:"name"`
		Kind    job.ParamKind `json:"kind"`
		Default string        `json:"default"`
		Min     float64       `json:"min"`
		Max     float64       `json:"max"`
		Odd     bool          `json:"odd,omitempty"`
		Choices []string      `json:"choices,omitempty"`
		Summary string        `json:"summary"`
	}
)

func jobView(j job.Job) jobJSON {
	v := jobJSON{
		ID: j.ID, State: j.State, Source: j.Spec.Source, Operation: j.Spec.Operation.String(), Policy: j.Spec.Policy,
		Created: j.Created, ElapsedS: j.Elapsed(time.Now()).Seconds(), Total: j.Total, Done: j.Done, Failed: j.Failed,
		Quarantined: j.Quarantined, Running: j.Running, Parked: j.Parked, Skipped: j.Skipped, Waiting: j.Waiting,
		Priority: j.Spec.Priority, Tags: j.Spec.Tags, Position: j.Position, Reason: j.Reason,
		Nodes: []tallyJSON{}, Failures: []taskFailureJSON{}, Error: errorView(j.Err),
	}
	for _, n := range j.Nodes {
		v.Nodes = append(v.Nodes, tallyJSON{
			Node: n.Node, Done: n.Done, Rejected: n.Rejected, Delayed: n.Delayed, Failed: n.Failed, Superseded: n.Superseded, MeanMS: ms(n.Mean()),
		})
	}
	for _, f := range j.Failures {
		v.Failures = append(v.Failures, taskFailureJSON{
			Name: f.Name, Attempts: f.Attempts, Nodes: append([]job.NodeID{}, f.Nodes...), Quarantined: f.Quarantined, Error: errorView(f.Err),
		})
	}
	return v
}

func taskView(t job.TaskInfo) taskJSON {
	return taskJSON{Index: t.Index, Name: t.Name, State: t.State, Attempts: views(t.Attempts, func(a job.Attempt) attemptJSON {
		return attemptJSON{
			Number: a.Number, Node: a.Node, Sent: a.Sent, Delayed: a.Delayed,
			QueuedMS: ms(a.Queued), RunMS: ms(a.Run), TotalMS: ms(a.Took), Error: errorView(a.Err),
		}
	})}
}

// views maps a list, an empty one to an empty one.
func views[A, B any](list []A, view func(A) B) []B {
	out := make([]B, 0, len(list))
	for _, a := range list {
		out = append(out, view(a))
	}
	return out
}

func operationView(op job.OperationInfo) operationJSON {
	v := operationJSON{Name: op.Name, Summary: op.Summary, Params: []paramJSON{}}
	for _, p := range op.Params {
		v.Params = append(v.Params, paramJSON{
			Name: p.Name, Kind: p.Kind, Default: p.Default, Min: p.Min, Max: p.Max, Odd: p.Odd, Choices: p.Choices, Summary: p.Summary,
		})
	}
	return v
}

func errorView(err *job.Error) *errorJSON {
	if err == nil {
		return nil
	}
	return &errorJSON{Code: err.Code, Message: err.Error(), Hint: err.Hint}
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
