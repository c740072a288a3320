package main

import (
	"time"

	"spillway/job"
)

// The shapes that --json prints of a node. Sizes are bytes, rates bytes a second.
type (
	nodeJSON struct {
		Name        job.NodeID         `json:"name"`
		Address     string             `json:"address"`
		State       job.NodeState      `json:"state"`
		Since       time.Time          `json:"since"`
		Registered  bool               `json:"registered"`
		Tags        []string           `json:"tags"`
		Cores       int                `json:"cores"`
		Memory      int64              `json:"memory_bytes"`
		GPU         string             `json:"gpu"`
		System      string             `json:"system"`
		CPU         float64            `json:"cpu_percent"`
		MemoryUsed  float64            `json:"memory_percent"`
		DiskFree    int64              `json:"disk_free_bytes"`
		Sent        int64              `json:"sent_bytes_per_s"`
		Received    int64              `json:"received_bytes_per_s"`
		Slots       int                `json:"slots"`
		Running     int                `json:"running"`
		Queued      int                `json:"queued"`
		Delayed     int                `json:"delayed"`
		Outstanding int                `json:"outstanding"`
		MeanMS      float64            `json:"mean_ms"`
		Operations  map[string]float64 `json:"operation_mean_ms"`
		Basic       bool               `json:"basic"`
		Link        linkJSON           `json:"link"`
		Error       string             `json:"error,omitempty"`
		Log         []string           `json:"log,omitempty"`
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
)

func nodeView(n job.Node) nodeJSON {
	v := nodeJSON{
		Name: n.ID, Address: n.Addr, State: n.State, Since: n.Since, Registered: n.Registered, Tags: append([]string{}, n.Tags...),
		Cores: n.Machine.Cores, Memory: n.Machine.Memory, GPU: n.Machine.GPU, System: n.Machine.System,
		CPU: n.Load.Usage.CPU, MemoryUsed: n.Load.Usage.Memory, DiskFree: n.Load.Usage.DiskFree,
		Sent: n.Load.Usage.Sent, Received: n.Load.Usage.Received,
		Slots: n.Load.Slots, Running: n.Load.Running, Queued: n.Load.Queued, Delayed: n.Load.Delayed, Outstanding: n.Outstanding,
		MeanMS: ms(n.Load.Mean), Operations: map[string]float64{}, Basic: n.Basic, Link: linkView(n.Link), Error: n.Err,
	}
	for name, mean := range n.Load.Operations {
		v.Operations[name] = ms(mean)
	}
	return v
}

func linkView(l job.Link) linkJSON {
	return linkJSON{
		InFlight: l.InFlight, Conns: l.Conns, Dials: l.Dials, Calls: l.Calls, Errors: l.Errors,
		BytesSent: l.BytesSent, BytesReceived: l.BytesReceived, P50MS: ms(l.P50), P99MS: ms(l.P99),
	}
}
