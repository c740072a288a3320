package view

import (
	"time"

	"spillway/job"
)

// Node is what the server knows of a node. Sizes are bytes, rates bytes a second.
type Node struct {
	Name       job.NodeID    `json:"name" example:"node_0"`
	Address    string        `json:"address" example:"10.0.0.7:5001"`
	State      job.NodeState `json:"state" enum:"idle,processing,draining,inaccessible" doc:"what it is doing"`
	Since      time.Time     `json:"since" doc:"when the state changed"`
	Registered bool          `json:"registered" doc:"it joined by itself, and is not in machine.txt"`
	Tags       []string      `json:"tags" doc:"that a job may require"`
	Cores      int           `json:"cores" doc:"of the machine; 0: unknown"`
	Memory     int64         `json:"memory_bytes" doc:"of the machine; 0: unknown"`
	GPU        string        `json:"gpu" doc:"of the machine; empty: there is none"`
	System     string        `json:"system" example:"linux/amd64, debian 12.5"`
	Load
	Operations map[string]float64 `json:"operation_mean_ms" doc:"the same, by operation"`
	Basic      bool               `json:"basic" doc:"it speaks only execute and delayed_execute"`
	Link       Link               `json:"link" doc:"what passed between server and node"`
	Error      string             `json:"error,omitempty" doc:"the last reason that it was inaccessible"`
	Log        []string           `json:"log,omitempty" doc:"the end of its log, where it was asked for"`
}

// Load is how busy a node is. Sizes are bytes, rates bytes a second.
type Load struct {
	CPU         float64 `json:"cpu_percent" doc:"of all cores, in use by all programs"`
	MemoryUsed  float64 `json:"memory_percent" doc:"in use by all programs"`
	DiskFree    int64   `json:"disk_free_bytes" doc:"where the node writes"`
	Sent        int64   `json:"sent_bytes_per_s" doc:"over the machine's network interfaces"`
	Received    int64   `json:"received_bytes_per_s" doc:"over the machine's network interfaces"`
	Slots       int     `json:"slots" doc:"tasks that it works on at once"`
	Running     int     `json:"running" doc:"tasks that it works on"`
	Queued      int     `json:"queued" doc:"tasks that wait for a slot"`
	Delayed     int     `json:"delayed" doc:"tasks in the injected delay"`
	Outstanding int     `json:"outstanding" doc:"attempts sent to it and not answered"`
	MeanMS      float64 `json:"mean_ms" doc:"moving average of the milliseconds that an operation takes"`
}

// Link is what passed between the server and a node since the server began.
type Link struct {
	InFlight      int     `json:"in_flight" doc:"calls that go on or wait"`
	Conns         int     `json:"conns" doc:"open connections"`
	Dials         int64   `json:"dials" doc:"connections tried"`
	Calls         int64   `json:"calls" doc:"calls that have ended"`
	Errors        int64   `json:"errors" doc:"calls that ended without an answer, or with an unforeseen one"`
	BytesSent     int64   `json:"bytes_sent"`
	BytesReceived int64   `json:"bytes_received"`
	P50MS         float64 `json:"p50_ms" doc:"median milliseconds of a call"`
	P99MS         float64 `json:"p99_ms" doc:"99th percentile of the milliseconds of a call"`
}

// OfNode shows a node, without its log.
func OfNode(n job.Node) Node {
	v := Node{
		Name: n.ID, Address: n.Addr, State: n.State, Since: moment(n.Since), Registered: n.Registered, Tags: append([]string{}, n.Tags...),
		Cores: n.Machine.Cores, Memory: n.Machine.Memory, GPU: n.Machine.GPU, System: n.Machine.System,
		Load: OfLoad(n), Operations: map[string]float64{}, Basic: n.Basic, Link: ofLink(n.Link), Error: n.Err,
	}
	for name, mean := range n.Load.Operations {
		v.Operations[name] = Milliseconds(mean)
	}
	return v
}

// OfLoad shows how busy a node is.
func OfLoad(n job.Node) Load {
	return Load{
		CPU: n.Load.Usage.CPU, MemoryUsed: n.Load.Usage.Memory, DiskFree: n.Load.Usage.DiskFree,
		Sent: n.Load.Usage.Sent, Received: n.Load.Usage.Received,
		Slots: n.Load.Slots, Running: n.Load.Running, Queued: n.Load.Queued, Delayed: n.Load.Delayed, Outstanding: n.Outstanding,
		MeanMS: Milliseconds(n.Load.Mean),
	}
}

func ofLink(l job.Link) Link {
	return Link{
		InFlight: l.InFlight, Conns: l.Conns, Dials: l.Dials, Calls: l.Calls, Errors: l.Errors,
		BytesSent: l.BytesSent, BytesReceived: l.BytesReceived, P50MS: Milliseconds(l.P50), P99MS: Milliseconds(l.P99),
	}
}
