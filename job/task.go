package job

import "time"

// Names of the folders within a job's source.
const (
	InputDir  = "input_dir"
	OutputDir = "output_dir"
)

// Task is one unit of a job that one node can do alone, as one attempt carries
// it to a node.
type Task struct {
	Job   ID
	Index int64 // position within the job, from 0
	// Attempt numbers the tries of this task from 1. A result with an older
	// number than the newest attempt changes nothing.
	Attempt int
	// Base is the absolute path of the folder that holds input_dir and output_dir.
	Base string
	// Name is the file name within input_dir: one path element.
	Name string
	// Operation is what is done to it, with every parameter filled in or empty.
	Operation Operation
	// MayReject tells the node that it may turn the task away. Where false it
	// may only delay it.
	MayReject bool
	// Deadline is when the answer is worth nothing any more. Zero: never.
	Deadline time.Time
	// Marker is the name of a file in output_dir that only who sees the very same
	// folder can see. "": the folder is taken for the same.
	Marker string
	// Content carries the files for a node that does not see the marker. Towards a
	// connection it is there whenever it could be of use; a node that is given it
	// leaves Base alone. nil: the folder must be seen.
	Content Content
}

// TaskState is where a task stands.
//
//	pending ──► running ──► done
//	                ├─────► failed
//	                └─────► quarantined   it broke every node that it was tried on
type TaskState string

// The states of a task. Those of a cancelled job that were not done stay pending.
const (
	TaskPending     TaskState = "pending"
	TaskRunning     TaskState = "running"
	TaskDone        TaskState = "done"
	TaskFailed      TaskState = "failed"
	TaskQuarantined TaskState = "quarantined"
)

// Attempt is one try of a task on a node that took it.
type Attempt struct {
	Number  int // from 1; rejected ones are counted, and not listed
	Node    NodeID
	Sent    time.Time
	Delayed bool          // the injected delay struck
	Queued  time.Duration // waiting for a slot of the node
	Run     time.Duration // of the operation itself
	Took    time.Duration // from sending to the answer
	Err     *Error        // nil: done
}

// TaskInfo is one task of a job with what it went through. An attempt of number 0 was
// none: its error tells why the task ended while no node had it.
type TaskInfo struct {
	Index    int64
	Name     string
	State    TaskState
	Attempts []Attempt
}

// TaskFilter selects tasks of a job, in order of their index.
type TaskFilter struct {
	States []TaskState // empty: every state
	After  int64       // only those with a greater index; -1: from the first
	Limit  int         // 0: 100
}

// Result is the answer to one attempt that was done.
type Result struct {
	// Node is the node that did it.
	Node NodeID
	// Delayed tells that the injected delay struck.
	Delayed bool
	// Queued is the time spent waiting for a slot, Run the time of the operation
	// itself; neither holds the injected delay.
	Queued, Run time.Duration
	// Load is the node's load when it answered.
	Load Load
	// Outputs are those that were handed over with the task's content.
	Outputs []string
}

// NodeState is what a node is doing.
type NodeState string

// The states of a node.
const (
	Idle         NodeState = "idle"         // answers, and has nothing to do
	Processing   NodeState = "processing"   // answers, and works
	Draining     NodeState = "draining"     // finishes what it has, takes nothing new
	Inaccessible NodeState = "inaccessible" // does not answer
)

// Load is how busy a node says that it is.
type Load struct {
	Slots   int // tasks that it works on at once
	Running int // tasks being worked on
	Queued  int // admitted tasks that wait for a slot
	Delayed int // admitted tasks in the injected delay
	// Mean is a moving average of the operation time of the latest tasks.
	Mean time.Duration
	// Operations is the same, by operation, and Usage what the node's machine has
	// in use. Only an answer to Probe has them.
	Operations map[string]time.Duration
	Usage      Usage
	// Draining tells that the node finishes what it has, and takes nothing new.
	Draining bool
	// Latency is what a task that comes now would take, by the node's estimate; 0:
	// unknown.
	Latency time.Duration
}

// Usage is what a machine has in use, of all programs. The zero Usage is unknown.
type Usage struct {
	CPU      float64 // percent of all cores, over about a second
	Memory   float64 // percent
	DiskFree int64   // bytes, where the node writes
	// Sent and Received are bytes a second, over all network interfaces but loopback.
	Sent, Received int64
}

// Machine is what a node runs on. The zero Machine is unknown.
type Machine struct {
	Cores  int
	Memory int64  // bytes
	GPU    string // "" where there is none
	System string // "linux/amd64, debian 12.5"
}

// Profile is what a node can do; it does not change while the node runs.
type Profile struct {
	Node       NodeID
	Slots      int
	Operations []OperationInfo
	Machine    Machine
	Tags       []string // that a job may require
}

// Node is what the server knows of one node.
type Node struct {
	ID    NodeID
	Addr  string
	State NodeState
	Load  Load
	// Outstanding is the number of attempts sent to it and not answered.
	Outstanding int
	// Basic tells that the node speaks only the assignment's calls.
	Basic bool
	// Operations are those that it offers; empty for a basic node.
	Operations []OperationInfo
	// Since is when the state changed, Err the last reason it was inaccessible.
	Since time.Time
	Err   string
	// Link is what passed between the server and the node.
	Link Link
	// Tags and Machine are what its profile says of them.
	Tags    []string
	Machine Machine
	// Registered tells that it joined by itself, and is not in machine.txt.
	Registered bool
}

// Link counts what passed between two programs since the one that calls began.
type Link struct {
	InFlight int   // calls that go on or wait
	Conns    int   // open connections
	Dials    int64 // connections tried
	Calls    int64 // calls that have ended
	Errors   int64 // of them, those without an answer, or with one that the contract does not foresee
	// Bytes on the wire.
	BytesSent, BytesReceived int64
	// P50 and P99 are the times that calls took in the last one to two minutes; 0
	// where there were none.
	P50, P99 time.Duration
}
