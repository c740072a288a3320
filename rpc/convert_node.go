package rpc

import (
	"context"
	"time"

	"spillway/gen-go/spillway"
	"spillway/job"
	"spillway/rpc/mux"
	"spillway/trace"
)

func loadToWire(l job.Load) *spillway.Load {
	return &spillway.Load{
		Slots: small(l.Slots), Running: small(l.Running), Queued: small(l.Queued), Delayed: small(l.Delayed),
		MeanUs: l.Mean.Microseconds(), OperationMeanUs: meansToWire(l.Operations), Usage: usageToWire(l.Usage),
		Draining: onlyTrue(l.Draining), LatencyUs: knownMicros(l.Latency),
	}
}

func loadFromWire(l *spillway.Load) job.Load {
	if l == nil {
		return job.Load{}
	}
	return job.Load{
		Slots: int(l.Slots), Running: int(l.Running), Queued: int(l.Queued), Delayed: int(l.Delayed),
		Mean: micros(l.MeanUs), Operations: meansFromWire(l.OperationMeanUs), Usage: usageFromWire(l.Usage), Draining: l.GetDraining(),
		Latency: micros(l.GetLatencyUs()),
	}
}

func operationToWire(o job.Operation) *spillway.Operation {
	return &spillway.Operation{Name: o.Name, Params: o.Params}
}

func operationFromWire(o *spillway.Operation) job.Operation {
	if o == nil {
		return job.Operation{}
	}
	out := job.Operation{Name: o.Name}
	if len(o.Params) > 0 {
		out.Params = o.Params
	}
	return out
}

// taskToWire carries the time that is left at now, by the task's deadline or
// by ctx's, whichever is sooner. It is at least 1 ms, since 0 means none. The trace is
// ctx's.
func taskToWire(ctx context.Context, t job.Task, now time.Time) *spillway.Task {
	deadline := t.Deadline
	if d, ok := ctx.Deadline(); ok && (deadline.IsZero() || d.Before(deadline)) {
		deadline = d
	}
	left := int64(0)
	if !deadline.IsZero() {
		left = max(1, wholeMillis(deadline.Sub(now)))
	}
	return &spillway.Task{
		Job: string(t.Job), Index: t.Index, Attempt: small(t.Attempt),
		BasePath: t.Base, FileName: t.Name, Operation: operationToWire(t.Operation),
		MayReject: t.MayReject, DeadlineMs: left, Marker: given(t.Marker),
		Traceparent: given(trace.Parent(ctx)),
	}
}

func taskFromWire(t *spillway.Task, now time.Time) job.Task {
	out := job.Task{
		Job: job.ID(t.Job), Index: t.Index, Attempt: int(t.Attempt),
		Base: t.BasePath, Name: t.FileName, Operation: operationFromWire(t.Operation),
		MayReject: t.MayReject, Marker: t.GetMarker(),
	}
	if t.DeadlineMs != 0 {
		out.Deadline = now.Add(millis(t.DeadlineMs))
	}
	return out
}

func resultToWire(r job.Result) *spillway.TaskReply {
	return &spillway.TaskReply{
		Node: string(r.Node), Delayed: r.Delayed,
		QueuedUs: r.Queued.Microseconds(), RunUs: r.Run.Microseconds(), Load: loadToWire(r.Load), Outputs: r.Outputs,
	}
}

func resultFromWire(r *spillway.TaskReply) job.Result {
	return job.Result{
		Node: job.NodeID(r.Node), Delayed: r.Delayed,
		Queued: micros(r.QueuedUs), Run: micros(r.RunUs), Load: loadFromWire(r.Load), Outputs: filled(r.Outputs),
	}
}

func profileToWire(p job.Profile) *spillway.Profile {
	return &spillway.Profile{
		Node: string(p.Node), Slots: small(p.Slots), Operations: convert(p.Operations, infoToWire),
		Machine: machineToWire(p.Machine), Tags: p.Tags,
	}
}

func profileFromWire(p *spillway.Profile) job.Profile {
	return job.Profile{
		Node: job.NodeID(p.Node), Slots: int(p.Slots), Operations: convert(p.Operations, infoFromWire),
		Machine: machineFromWire(p.Machine), Tags: filled(p.Tags),
	}
}

func infoToWire(i job.OperationInfo) *spillway.OperationInfo {
	return &spillway.OperationInfo{Name: i.Name, Summary: i.Summary, Params: convert(i.Params, paramToWire)}
}

func infoFromWire(i *spillway.OperationInfo) job.OperationInfo {
	return job.OperationInfo{Name: i.Name, Summary: i.Summary, Params: convert(i.Params, paramFromWire)}
}

func paramToWire(p job.ParamInfo) *spillway.ParamInfo {
	return &spillway.ParamInfo{
		Name: p.Name, Kind: string(p.Kind), DefaultValue: p.Default, Min: p.Min, Max: p.Max,
		Odd: p.Odd, Choices: p.Choices, Summary: p.Summary,
	}
}

func paramFromWire(p *spillway.ParamInfo) job.ParamInfo {
	out := job.ParamInfo{
		Name: p.Name, Kind: job.ParamKind(p.Kind), Default: p.DefaultValue, Min: p.Min, Max: p.Max,
		Odd: p.Odd, Summary: p.Summary,
	}
	if len(p.Choices) > 0 {
		out.Choices = p.Choices
	}
	return out
}

func nodeToWire(n job.Node) *spillway.Node {
	return &spillway.Node{
		Name: string(n.ID), Address: n.Addr, State: string(n.State), Load: loadToWire(n.Load),
		Outstanding: small(n.Outstanding), Basic: n.Basic, Operations: convert(n.Operations, infoToWire),
		SinceUs: toMicros(n.Since), Error: clean(n.Err), Link: linkToWire(n.Link),
		Tags: n.Tags, Machine: machineToWire(n.Machine), Registered: onlyTrue(n.Registered),
	}
}

func nodeFromWire(n *spillway.Node) job.Node {
	return job.Node{
		ID: job.NodeID(n.Name), Addr: n.Address, State: job.NodeState(n.State), Load: loadFromWire(n.Load),
		Outstanding: int(n.Outstanding), Basic: n.Basic, Operations: convert(n.Operations, infoFromWire),
		Since: fromMicros(n.SinceUs), Err: n.Error, Link: linkFromWire(n.Link),
		Tags: filled(n.Tags), Machine: machineFromWire(n.Machine), Registered: n.GetRegistered(),
	}
}

func linkToWire(l job.Link) *spillway.Link {
	return &spillway.Link{
		InFlight: small(l.InFlight), Conns: small(l.Conns), Dials: l.Dials, Calls: l.Calls, Errors: l.Errors,
		BytesSent: l.BytesSent, BytesReceived: l.BytesReceived, P50Us: l.P50.Microseconds(), P99Us: l.P99.Microseconds(),
	}
}

func linkFromWire(l *spillway.Link) job.Link {
	if l == nil {
		return job.Link{}
	}
	return job.Link{
		InFlight: int(l.InFlight), Conns: int(l.Conns), Dials: l.Dials, Calls: l.Calls, Errors: l.Errors,
		BytesSent: l.BytesSent, BytesReceived: l.BytesReceived, P50: micros(l.P50Us), P99: micros(l.P99Us),
	}
}

// link is what a pool counted.
func link(s mux.Stats) job.Link { return job.Link(s) }
