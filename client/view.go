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
		Nodes       []tallyJSON       `json:"nodes"`
		Failures    []taskFailureJSON `json:"failures"`
		Error       *errorJSON        `json:"error,omitempty"`
	}
	tallyJSON struct {
		Node     job.NodeID `json:"node"`
		Done     int64      `json:"done"`
		Rejected int64      `json:"rejected"`
		Delayed  int64      `json:"delayed"`
		Failed   int64      `json:"failed"`
		MeanMS   float64    `json:"mean_ms"`
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
	linkJSON struct {
		InFlight      int     `json:"in_flight"`
		Conns         int     `json:"conns"`
		Dials         int64   `json:"dials"`
		Calls         int64   `json:"calls"`
		Errors        int64   `json:"errors"`
		BytesSent     int64   `json:"bytes_sent"`
		BytesReceived int64   `json:"bytes_received"`
		P50MS         float64 `json:"p50_ms"`
		P99MS         float64 `json:"p99_ms"`
	}

	nodeJSON struct {
		Name        job.NodeID    `json:"name"`
		Address     string        `json:"address"`
		State       job.NodeState `json:"state"`
		Slots       int           `json:"slots"`
		Running     int           `json:"running"`
		Queued      int           `json:"queued"`
		Delayed     int           `json:"delayed"`
		Outstanding int           `json:"outstanding"`
		MeanMS      float64       `json:"mean_ms"`
		Basic       bool          `json:"basic"`
		Link        linkJSON      `json:"link"`
		Error       string        `json:"error,omitempty"`
	}
)

func jobView(j job.Job) jobJSON {
	v := jobJSON{
		ID: j.ID, State: j.State, Source: j.Spec.Source, Operation: j.Spec.Operation.String(), Policy: j.Spec.Policy,
		Created: j.Created, ElapsedS: j.Elapsed(time.Now()).Seconds(), Total: j.Total, Done: j.Done, Failed: j.Failed,
		Quarantined: j.Quarantined, Running: j.Running, Parked: j.Parked, Skipped: j.Skipped, Waiting: j.Waiting,
		Nodes: []tallyJSON{}, Failures: []taskFailureJSON{}, Error: errorView(j.Err),
	}
	for _, n := range j.Nodes {
		v.Nodes = append(v.Nodes, tallyJSON{
			Node: n.Node, Done: n.Done, Rejected: n.Rejected, Delayed: n.Delayed, Failed: n.Failed, MeanMS: ms(n.Mean()),
		})
	}
	for _, f := range j.Failures {
		v.Failures = append(v.Failures, taskFailureJSON{
			Name: f.Name, Attempts: f.Attempts, Nodes: append([]job.NodeID{}, f.Nodes...), Quarantined: f.Quarantined, Error: errorView(f.Err),
		})
	}
	return v
}

func linkView(l job.Link) linkJSON {
	return linkJSON{
		InFlight: l.InFlight, Conns: l.Conns, Dials: l.Dials, Calls: l.Calls, Errors: l.Errors,
		BytesSent: l.BytesSent, BytesReceived: l.BytesReceived, P50MS: ms(l.P50), P99MS: ms(l.P99),
	}
}

func nodeView(n job.Node) nodeJSON {
	return nodeJSON{
		Name: n.ID, Address: n.Addr, State: n.State, Slots: n.Load.Slots, Running: n.Load.Running, Queued: n.Load.Queued,
		Delayed: n.Load.Delayed, Outstanding: n.Outstanding, MeanMS: ms(n.Load.Mean), Basic: n.Basic, Link: linkView(n.Link), Error: n.Err,
	}
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
