package trace

// The names of attributes. Where OpenTelemetry's semantic conventions have one, it is
// theirs (version 1.43).
const (
	ErrorType = "error.type" // a code of [spillway/job], or an HTTP status

	HTTPMethod = "http.request.method"
	HTTPRoute  = "http.route" // the pattern, not the path
	HTTPStatus = "http.response.status_code"
	// User is the name of the account that makes a call; nothing else of a person is kept.
	User = "enduser.id"

	RPCSystem = "rpc.system.name" // [Thrift]
	RPCMethod = "rpc.method"      // SERVICE/method

	JobID     = "spillway.job.id"
	JobState  = "spillway.job.state"
	JobPolicy = "spillway.policy" // with its parameters
	Operation = "spillway.operation"

	Tasks     = "spillway.tasks"        // of the job
	TasksDone = "spillway.tasks.done"   // of them
	TasksNot  = "spillway.tasks.failed" // given up or quarantined
	TasksTold = "spillway.tasks.traced" // have a span
	TaskIndex = "spillway.task.index"   // from 0
	TaskName  = "spillway.task.name"    // of the input, or a part of it
	TaskState = "spillway.task.state"
	Attempts  = "spillway.task.attempts"        // that nodes took
	Untold    = "spillway.task.attempts.untold" // that were made, and have no span

	Attempt = "spillway.attempt"         // its number, from 1
	Hedge   = "spillway.attempt.hedge"   // it is a copy of one that takes long
	Outcome = "spillway.attempt.outcome" // done, rejected, failed, superseded, cancelled or unsent
	Node    = "spillway.node"

	Delay    = "spillway.delay_ms" // that was injected
	Bytes    = "spillway.bytes"
	BytesIn  = "spillway.bytes.in"  // of the files that were read
	BytesOut = "spillway.bytes.out" // of those that were written
	File     = "spillway.file"
)

// Thrift is the value of [RPCSystem].
const Thrift = "thrift"
