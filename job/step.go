package job

import (
	"slices"
	"time"
)

// StepKind is what a [Step] tells of.
type StepKind string

// The kinds of steps.
const (
	SplitStep   StepKind = "split"   // an input was cut into parts
	TaskStep    StepKind = "task"    // a task ended
	JoiningStep StepKind = "joining" // what became of an input's parts begins to be joined
	JoinedStep  StepKind = "joined"  // it was joined or, with an error, could not be
)

// Step is one thing that happened to a job. What a kind does not tell is zero.
type Step struct {
	// Number orders the steps of a job, also across servers. Numbers have gaps.
	Number int64
	Kind   StepKind
	At     time.Time // when it had happened; of a JoiningStep: when it began
	// Name is the input's within input_dir, or the task's as [TaskInfo] has it.
	Name  string
	Parts int // of the input; a task has none
	// Took is how long splitting or joining took, or the attempt that ended the task, from
	// sending to the answer. 0 for a task that no node had when it ended.
	Took  time.Duration
	Bytes int64 // of what was joined

	// State is how a task ended: done, failed or quarantined.
	State TaskState
	// Ended is how many tasks of the job have ended, this one included.
	Ended int64
	// Node had the task last, Attempts tells how often nodes took it, Queued and Run are
	// those of the last attempt, as in [Attempt].
	Node        NodeID
	Attempts    int
	Queued, Run time.Duration
	// Err is why the task is not done, or the input not joined; nil otherwise.
	Err *Error
}

// MaxSteps bounds the steps about tasks that a service remembers of a job, the latest, and
// as many about inputs. Older ones can only be had as what they led to: the job's counts,
// and its tasks.
const MaxSteps = 256

// What a watcher may name instead of the number of the last step that it knows.
const (
	NoSteps  int64 = 0  // it wants none
	AllSteps int64 = -1 // it knows none
)

// Event says that a job changed. Events coalesce: a slow watcher misses states
// in between, never the last one.
type Event struct {
	Job Job
	// Steps are those since the event before, in order, at most twice [MaxSteps]; none
	// for a watcher that wants none.
	Steps []Step
	// Skipped is how many tasks have ended meanwhile of which Steps does not tell: too
	// many at once, too long ago, or under another server. 0 for a watcher that wants none.
	Skipped int64
}

// Known is what a watcher knows of a job's steps. It makes events of what follows.
type Known struct {
	// After is the number of the last step that it knows, [NoSteps] or [AllSteps].
	After int64

	ended  int64 // tasks that it knows to have ended
	counts bool  // it knows of that many
}

// Next is the event that tells of j, with the steps behind After.
func (k *Known) Next(j Job, steps []Step) Event {
	e := Event{Job: j, Steps: steps}
	if k.counts || k.After == AllSteps {
		e.Skipped = max(0, j.Ended()-k.ended-tasksIn(steps))
	}
	k.counts, k.ended = k.After != NoSteps, j.Ended()
	if len(steps) > 0 {
		k.After = steps[len(steps)-1].Number
	}
	return e
}

// Then is the event that takes the place of both where nobody has seen e yet.
func (e Event) Then(next Event) Event {
	all := slices.Concat(e.Steps, next.Steps)
	drop := max(0, len(all)-2*MaxSteps)
	next.Skipped += e.Skipped + tasksIn(all[:drop])
	next.Steps = all[drop:]
	return next
}

func tasksIn(steps []Step) (n int64) {
	for _, s := range steps {
		if s.Kind == TaskStep {
			n++
		}
	}
	return n
}

// Percent is how many of 100 of the job's tasks have ended, rounded down; 0 where it has
// none. Splitting comes before the first of them, and joining after the last.
func (j Job) Percent() int { return Percent(j.Ended(), j.Total) }

// Percent is ended of total in percent, rounded down; 0 where total is.
func Percent(ended, total int64) int {
	if total <= 0 {
		return 0
	}
	return int(100 * ended / total)
}
