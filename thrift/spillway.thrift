// The contract of Spillway. Fields and calls are only ever added; new fields are
// optional. No struct is recursive.
//
// The assignment's own calls come first in each service, unchanged on the wire,
// so that its clients and servers work with ours.

namespace go spillway
namespace py spillway

// Failure is any error that is not a rejection. code is one of
// invalid_argument not_found already_exists failed_precondition unimplemented
// unauthenticated permission_denied resource_exhausted unavailable
// deadline_exceeded cancelled internal data_loss.
exception Failure {
  1: string code,
  2: string message,          // what and where, in words for people
  3: optional string hint,    // what to do
}

// Usage is what the node's machine has in use, of all programs.
struct Usage {
  1: double cpu_percent,      // of all cores, since the last probe
  2: double memory_percent,
  3: i64 disk_free_bytes,     // where the node writes
  4: i64 sent_bytes_per_s,    // over all network interfaces but loopback
  5: i64 received_bytes_per_s,
}

// Load is how busy a node is.
struct Load {
  1: i32 slots,               // tasks that it works on at once
  2: i32 running,             // tasks being worked on
  3: i32 queued,              // admitted tasks that wait for a slot
  4: i32 delayed,             // admitted tasks in the injected delay
  5: i64 mean_us,             // moving average of the operation time
  6: optional Usage usage,
  7: optional map<string, i64> operation_mean_us,   // the same, by operation
  8: optional bool draining,  // finishes what it has, takes nothing new
  9: optional i64 latency_us, // what a task that comes now would take, by the node's estimate; none: unknown
}

// Rejected: the node turned the task away, untouched; it may go elsewhere.
exception Rejected {
  1: string reason,
  2: i64 retry_after_ms,      // 0: unknown
  3: Load load,
}

// Operation names what is done to each input, with its parameters as text.
struct Operation {
  1: string name,
  2: map<string, string> params,
}

struct ParamInfo {
  1: string name,
  2: string kind,             // int, float, choice, name
  3: string default_value,
  4: double min,
  5: double max,
  6: bool odd,
  7: list<string> choices,
  8: string summary,
}

struct OperationInfo {
  1: string name,
  2: string summary,
  3: list<ParamInfo> params,
}

// JobSpec is what a submission asks for. The id is made by the client and makes
// the submission idempotent.
struct JobSpec {
  1: optional string id,
  2: optional string source,
  3: optional Operation operation,   // default: edges
  4: optional string policy,         // default: the server's
  5: optional i64 deadline_ms,       // from the submission; 0: none
  6: optional i32 priority,          // -100 to 100; a higher one starts first
  7: optional list<string> tags,     // that a node must have
  8: optional i64 keep_ms,           // how long it is remembered after its end; 0: the server's
  9: optional string traceparent,    // W3C; the trace that the submission is part of. Of a job: the server's
}

struct Tally {
  1: string node,
  2: i64 done,
  3: i64 rejected,
  4: i64 delayed,
  5: i64 failed,
  6: i64 busy_us,             // sum over the done attempts, from sending to the answer
  7: optional i64 superseded, // another attempt of the same task was faster
}

struct TaskFailure {
  1: string name,
  2: i32 attempts,
  3: list<string> nodes,
  4: bool quarantined,
  5: Failure failure,
}

// Step is one thing that happened to a job. What a kind does not tell is 0 or empty.
struct Step {
  1: i64 number,              // ascends within the job
  2: string kind,             // split task joining joined
  3: i64 at_us,               // since 1970: when it had happened; of joining: when it began
  4: string name,             // of the input, or the task
  5: i32 parts,               // of the input
  6: i64 took_us,             // splitting or joining; of a task: its last attempt
  7: i64 bytes,               // of what was joined
  8: string state,            // of a task: done failed quarantined
  9: i64 ended,               // tasks of the job that have ended, this one included
  10: string node,            // that had the task last
  11: i32 attempts,           // how often nodes took it
  12: i64 queued_us,          // as in Attempt
  13: i64 run_us,
  14: optional Failure failure,   // why the task is not done, or the input not joined
}

// Job is a snapshot. Times are microseconds since 1970, 0 where there is none.
struct Job {
  1: string id,
  2: JobSpec spec,
  3: string state,            // queued running succeeded failed cancelled
  4: i64 version,             // grows with every change
  5: i64 created_us,
  6: i64 started_us,
  7: i64 finished_us,
  8: i64 total,
  9: bool counted,            // total is final
  10: i64 done,
  11: i64 failed,
  12: i64 quarantined,
  13: i64 running,
  14: i64 parked,
  15: string waiting,         // why the parked tasks wait
  16: list<Tally> nodes,
  17: list<TaskFailure> failures,   // the first thousand
  18: optional Failure failure,     // why the job as a whole ended early
  19: i64 skipped,            // files and folders beside the inputs that are none
  20: optional i32 position,  // of a queued job: 1 starts next
  21: optional string reason, // why it waits
  22: optional list<Step> steps,  // only in an answer to wait: those behind after, in order, the latest 512 at most
}

// Attempt is one try of a task on a node that took it.
struct Attempt {
  1: i32 number,
  2: string node,
  3: i64 sent_us,
  4: bool delayed,
  5: i64 queued_us,           // waiting for a slot of the node
  6: i64 run_us,              // of the operation itself
  7: i64 took_us,             // from sending to the answer
  8: optional Failure failure,   // none: done
}

struct TaskInfo {
  1: i64 index,
  2: string name,
  3: string state,            // pending running done failed quarantined
  4: list<Attempt> attempts,
}

struct TaskFilter {
  1: list<string> states,     // empty: all
  2: i64 after,               // only greater indices; -1: from the first
  3: i32 limit,               // 0: 100
}

struct JobFilter {
  1: list<string> states,     // empty: all
  2: i32 limit,               // 0: 100
  3: optional string after,   // the last id of the page before
  4: optional bool oldest_first,
}

// Link counts what passed between the server and a node.
struct Link {
  1: i32 in_flight,
  2: i32 conns,
  3: i64 dials,
  4: i64 calls,
  5: i64 errors,
  6: i64 bytes_sent,
  7: i64 bytes_received,
  8: i64 p50_us,              // of the last one to two minutes
  9: i64 p99_us,
}

// Machine is what a node runs on.
struct Machine {
  1: i32 cores,
  2: i64 memory_bytes,
  3: string gpu,              // empty: none
  4: string system,           // "linux/amd64, Debian 12"
}

struct Node {
  1: string name,
  2: string address,
  3: string state,            // idle processing draining inaccessible
  4: Load load,
  5: i32 outstanding,         // attempts sent and not answered
  6: bool basic,              // speaks only the assignment's calls
  7: list<OperationInfo> operations,
  8: i64 since_us,
  9: string error,            // why it was last inaccessible
  10: optional Link link,
  11: optional list<string> tags,
  12: optional Machine machine,
  13: optional bool registered,   // joined by itself, and is not in machine.txt
}

// Registration is a node that joins a running server.
struct Registration {
  1: string name,
  2: string address,          // HOST:PORT; without a host: as the server sees the caller
  3: list<string> tags,
  4: optional bool leaving,   // it stops: send nothing new, and forget it when it is gone
}

// Registered is the answer to it.
struct Registered {
  1: i64 every_ms,            // register again so often, or be forgotten after three times that
}

service Server {
  // The assignment's call: processes source_folder/input_dir into
  // source_folder/output_dir and returns the elapsed seconds as text. is_random:
  // the policy random; otherwise the server's balance policy. With a spec, its
  // policy counts, or else the server's default where is_random is false; its id
  // attaches a second call to a job that runs.
  string submit_request(1: string source_folder, 2: bool is_random, 3: JobSpec spec) throws (1: Failure failure),
  void ping(),

  // submit accepts a job and returns its id at once.
  string submit(1: JobSpec spec) throws (1: Failure failure),
  Job job(1: string id) throws (1: Failure failure),
  list<Job> jobs(1: JobFilter filter) throws (1: Failure failure),
  // wait returns as soon as the job's version is newer than seen, or after
  // timeout_ms (at most a minute) with the job as it is. after is the number of the last
  // step that the caller knows; -1: it knows none; 0, as of callers that do not send it:
  // no steps are wanted.
  Job wait(1: string id, 2: i64 seen, 3: i64 timeout_ms, 4: i64 after) throws (1: Failure failure),
  void cancel(1: string id) throws (1: Failure failure),
  list<Node> nodes() throws (1: Failure failure),
  list<TaskInfo> tasks(1: string id, 2: TaskFilter filter) throws (1: Failure failure),
  // retry_failed makes the failed tasks of an ended job pending again.
  void retry_failed(1: string id) throws (1: Failure failure),
  Registered register_node(1: Registration registration) throws (1: Failure failure),
  // drain lets a node finish what it has and sends it nothing new; with false it
  // takes work again.
  void drain_node(1: string node, 2: bool on) throws (1: Failure failure),
  // node_log is the last lines of a node's log.
  list<string> node_log(1: string node, 2: i32 lines) throws (1: Failure failure),
}

// Task is one attempt of one task. deadline_ms is the time that is left, so that
// clocks need not agree; 0: none.
struct Task {
  1: string job,
  2: i64 index,
  3: i32 attempt,
  4: string base_path,
  5: string file_name,
  6: Operation operation,
  7: bool may_reject,
  8: i64 deadline_ms,
  9: optional string marker,      // a file in output_dir that shows that the folder is the same
  10: optional string content,    // set: base_path is not looked at, the files travel with serve_content under this random word
  11: optional i64 input_bytes,   // with content: the length of the input
  12: optional i64 input_modified_us, // with content: when the input was changed last, for nodes that keep it; absent: unknown
  13: optional string traceparent,  // W3C; of the attempt, where somebody records it
}

// NeedsContent: the node sees no marker below base_path, and has drawn nothing;
// sent with content, it can do the task.
exception NeedsContent {
  1: string reason,
}

// ContentWish is what an attempt asks of its caller's files next.
struct ContentWish {
  1: i64 number,                  // from 1; 0: nothing at the moment, ask again
  2: string output,               // empty: a piece of the input is asked for; else one of this output is handed over
  3: i64 offset,
  4: i64 length,                  // of the piece
  5: optional i64 size,           // of the whole output
  6: optional binary data,        // of the output
  7: optional binary sha256,      // of the whole output, with its last piece
}

// ContentAnswer fulfils a wish, or says why it cannot be fulfilled.
struct ContentAnswer {
  1: i64 number,                  // of the wish; 0: none was made yet
  2: optional binary data,        // of the input
  3: optional binary sha256,      // of the whole input, with its last piece
  4: optional Failure failure,
}

struct TaskReply {
  1: string node,
  2: bool delayed,
  3: i64 queued_us,
  4: i64 run_us,
  5: Load load,
  6: optional list<string> outputs,   // of a task with content: what it handed over
}

struct Profile {
  1: string node,
  2: i32 slots,
  3: list<OperationInfo> operations,
  4: optional Machine machine,
  5: optional list<string> tags,
}

// FilePiece is some bytes of a file, in the order of their offsets, at most 524288.
struct FilePiece {
  1: string name,                 // one path element
  2: i64 size,                    // of the whole file
  3: i64 offset,
  4: binary data,
  5: optional binary sha256,      // of the whole file, with its last piece
}

struct FileEntry {
  1: string name,
  2: i64 size,
}

// Activity is one thing that a node works on. Of a file whose name is no
// <video_id>.<frame>.<extension>, video_id is the name without its extension, and
// frame is 0.
struct Activity {
  1: string file,
  2: string operation,
  3: string video_id,
  4: i64 frame,
  5: i64 since_us,
}

// VideoMetadata describes a video. Its rate is a fraction: 30000/1001 for 29.97.
struct VideoMetadata {
  1: i64 rate_numerator,
  2: i64 rate_denominator,
  3: i64 duration_us,
  4: i32 width,
  5: i32 height,
  6: string codec,
  7: i64 frames,
  8: bool audio,
}

// Extraction asks for the pictures of a video.
struct Extraction {
  1: string name,
  2: optional i64 rate_numerator,   // pictures a second; none: every frame
  3: optional i64 rate_denominator,
  4: optional i64 from_us,
  5: optional i64 duration_us,      // 0: to the end
}

// Creation asks for a video of pictures.
struct Creation {
  1: list<string> names,            // of the pictures, in order
  2: optional i64 rate_numerator,   // none: 25 pictures a second
  3: optional i64 rate_denominator,
  4: optional i64 duration_us,      // it ends then; 0: with the last picture
  5: optional string output,        // the video's name; none: made of the first picture's
  6: optional string audio,         // the file whose sound goes with it
}

// Point is a place in a picture, in pixels from its upper left corner.
struct Point {
  1: double x,
  2: double y,
}

service ComputeNode {
  // The assignment's calls. execute answers "Success" or "Rejected",
  // delayed_execute always does the work.
  string execute(1: string base_path, 2: string file_name),
  string delayed_execute(1: string base_path, 2: string file_name),
  void ping(),

  TaskReply run(1: Task task) throws (1: Rejected rejected, 2: Failure failure, 3: NeedsContent needs_content),
  // A caller that closes its connection gives up what it waits for. Where it must
  // stay open, cancel_attempt gives up an attempt that runs; unknown ones are no error.
  void cancel_attempt(1: string job, 2: i64 index, 3: i32 attempt),
  // forget_job tells that a job has ended, so that nothing of it need be kept.
  void forget_job(1: string job),
  Load probe(),
  Profile profile(),
  // log is the last lines of the node's log.
  list<string> log(1: i32 lines),
  // serve_content answers the last wish of the attempt that runs with this content,
  // and returns the next. It waits for it, but after the last piece of a file. Who
  // repeats an answer gets the next wish again.
  ContentWish serve_content(1: string content, 2: ContentAnswer answer) throws (1: Failure failure),

  // The node's own files, in one flat folder that lives as long as the node.
  //
  // put_file takes a piece; only with the last, which has the sum of all, can the
  // file be seen. put_offset is how many bytes of an unfinished file have come.
  void put_file(1: FilePiece piece) throws (1: Failure failure),
  i64 put_offset(1: string name, 2: i64 size) throws (1: Failure failure),
  FilePiece get_file(1: string name, 2: i64 offset) throws (1: Failure failure),
  list<FileEntry> list_files() throws (1: Failure failure),
  void delete_file(1: string name) throws (1: Failure failure),
  void delete_all_files() throws (1: Failure failure),

  // view_job is what the node works on now, the oldest first.
  list<Activity> view_job() throws (1: Failure failure),
  VideoMetadata video_metadata(1: string name) throws (1: Failure failure),
  // extract_images returns the names of the pictures, <video_id>.<frame>.png, in order.
  list<string> extract_images(1: Extraction extraction) throws (1: Failure failure),
  // create_video returns the video's name.
  string create_video(1: Creation creation) throws (1: Failure failure),
  // detect_face is the 68 points of the first face; none where there is no face.
  list<Point> detect_face(1: string name) throws (1: Failure failure),
  // draw_mesh returns the name of a copy of the picture with the mesh on it: mesh-<name>.
  string draw_mesh(1: string name, 2: list<Point> points) throws (1: Failure failure),
}
