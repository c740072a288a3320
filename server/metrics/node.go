package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"spillway/job"
)

// nodeSheet describes what is known of the nodes, and of the way to them.
type nodeSheet struct {
	state, inFlight, slots, tasks, latency     *prometheus.Desc
	cpu, memory, diskFree, network             *prometheus.Desc
	calls, errors, dials, bytes, conns, onLink *prometheus.Desc
	median, p99                                *prometheus.Desc
}

func newNodeSheet() nodeSheet {
	return nodeSheet{
		state:    describe("node_state", "1 for the state that a node is in.", "node", "state"),
		inFlight: describe("node_attempts_in_flight", "Attempts that were sent to a node and are not answered.", "node"),
		slots:    describe("node_slots", "Tasks that a node works on at once.", "node"),
		tasks:    describe("node_tasks", "Tasks that a node has, of all servers: running, queued for a slot, or delayed.", "node", "state"),
		latency:  describe("node_latency_seconds", "What a task that comes now would take, by the node's estimate.", "node"),
		cpu:      describe("node_cpu_ratio", "Part of the machine's cores in use, of all programs.", "node"),
		memory:   describe("node_memory_ratio", "Part of the machine's memory in use, of all programs.", "node"),
		diskFree: describe("node_disk_free_bytes", "Bytes that are free where the node writes.", "node"),
		network:  describe("node_network_bytes_per_second", "Over all network interfaces of the machine but loopback.", "node", "direction"),

		calls:  describe("link_calls_total", "Calls to a node that have ended.", "node"),
		errors: describe("link_errors_total", "Those without an answer, or with one that the contract does not foresee.", "node"),
		dials:  describe("link_dials_total", "Connections to a node that were tried.", "node"),
		bytes:  describe("link_bytes_total", "Bytes on the wire between server and node.", "node", "direction"),
		conns:  describe("link_connections", "Connections to a node that are open.", "node"),
		onLink: describe("link_calls_in_flight", "Calls to a node that go on or wait.", "node"),
		median: describe("link_call_median_seconds", "Time that half of the calls took, and no more, in the last one to two minutes.", "node"),
		p99:    describe("link_call_p99_seconds", "Time that 99 % of the calls took, and no more, in the last one to two minutes.", "node"),
	}
}

// write adds what is known of the nodes. One that has been replaced by another of its
// name, and still finishes something, is left out.
func (s nodeSheet) write(out *snapshot, nodes []job.Node) {
	last := map[job.NodeID]int{}
	for i, n := range nodes {
		last[n.ID] = i
	}
	for i, n := range nodes {
		if last[n.ID] == i {
			s.load(out, n)
			s.link(out, string(n.ID), n.Link)
		}
	}
}

func (s nodeSheet) load(out *snapshot, n job.Node) {
	node := string(n.ID)
	for _, state := range []job.NodeState{job.Idle, job.Processing, job.Draining, job.Inaccessible} {
		is := 0.
		if n.State == state {
			is = 1
		}
		out.gauge(s.state, is, node, string(state))
	}
	out.gauge(s.inFlight, float64(n.Outstanding), node)
	if n.State == job.Inaccessible || n.Basic { // the latest word is old, or there never was one
		return
	}
	out.gauge(s.slots, float64(n.Load.Slots), node)
	out.gauge(s.tasks, float64(n.Load.Running), node, "running")
	out.gauge(s.tasks, float64(n.Load.Queued), node, "queued")
	out.gauge(s.tasks, float64(n.Load.Delayed), node, "delayed")
	if n.Load.Latency > 0 {
		out.gauge(s.latency, n.Load.Latency.Seconds(), node)
	}
	if u := n.Load.Usage; u != (job.Usage{}) {
		const percent = 100
		out.gauge(s.cpu, u.CPU/percent, node)
		out.gauge(s.memory, u.Memory/percent, node)
		out.gauge(s.diskFree, float64(u.DiskFree), node)
		out.gauge(s.network, float64(u.Sent), node, "sent")
		out.gauge(s.network, float64(u.Received), node, "received")
	}
}

func (s nodeSheet) link(out *snapshot, node string, l job.Link) {
	out.counter(s.calls, float64(l.Calls), node)
	out.counter(s.errors, float64(l.Errors), node)
	out.counter(s.dials, float64(l.Dials), node)
	out.counter(s.bytes, float64(l.BytesSent), node, "sent")
	out.counter(s.bytes, float64(l.BytesReceived), node, "received")
	out.gauge(s.conns, float64(l.Conns), node)
	out.gauge(s.onLink, float64(l.InFlight), node)
	if l.P50 > 0 {
		out.gauge(s.median, l.P50.Seconds(), node)
		out.gauge(s.p99, l.P99.Seconds(), node)
	}
}
