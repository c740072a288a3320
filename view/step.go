package view

import (
	"time"

	"spillway/job"
)

// Step is one thing that happened to a job.
type Step struct {
	Event    job.StepKind  `json:"event" enum:"split,task,joining,joined" doc:"what happened"`
	Job      job.ID        `json:"job"`
	Number   int64         `json:"number" doc:"orders the steps of a job; there are gaps"`
	At       time.Time     `json:"at" doc:"when"`
	Name     string        `json:"name" doc:"the input"`
	Part     int           `json:"part,omitempty" doc:"the part of the input that the task is about"`
	Parts    int           `json:"parts,omitempty" doc:"how many parts the input has"`
	TookMS   float64       `json:"took_ms" doc:"milliseconds that it took"`
	Bytes    int64         `json:"bytes,omitempty" doc:"size of what was joined"`
	State    job.TaskState `json:"state,omitempty" enum:"done,failed,quarantined" doc:"how the task ended"`
	Percent  int           `json:"percent" doc:"of the job's tasks that had ended then"`
	Node     job.NodeID    `json:"node,omitempty" doc:"that had the task last"`
	Attempts int           `json:"attempts,omitempty" doc:"how often nodes took the task"`
	QueuedMS float64       `json:"queued_ms,omitempty" doc:"milliseconds of waiting for a slot, in the last attempt"`
	RunMS    float64       `json:"run_ms,omitempty" doc:"milliseconds of the operation itself, in the last attempt"`
	Error    *Error        `json:"error,omitempty" doc:"why the task is not done, or the input not joined"`
}

// Progress is how far a job is.
type Progress struct {
	Event   string    `json:"event" enum:"progress" doc:"tells it from a step"`
	Job     job.ID    `json:"job"`
	State   job.State `json:"state" enum:"queued,running,succeeded,failed,cancelled"`
	Total   int64     `json:"total" doc:"its tasks, as far as they are counted"`
	Done    int64     `json:"done" doc:"tasks that are done"`
	Failed  int64     `json:"failed" doc:"tasks that failed or are quarantined"`
	Percent int       `json:"percent" doc:"of its tasks that have ended"`
	Skipped int64     `json:"skipped,omitempty" doc:"tasks ended of which no event tells"`
	Waiting string    `json:"waiting,omitempty" doc:"why tasks are parked, or what is being joined"`
}

// OfStep shows a step of the job j, which is at least as new.
func OfStep(j job.Job, st job.Step) Step {
	v := Step{
		Event: st.Kind, Job: j.ID, Number: st.Number, At: moment(st.At), Name: st.Name, Parts: st.Parts, TookMS: Milliseconds(st.Took), Bytes: st.Bytes,
		State: st.State, Node: st.Node, Attempts: st.Attempts, QueuedMS: Milliseconds(st.Queued), RunMS: Milliseconds(st.Run), Error: OfError(st.Err),
		Percent: j.Percent(),
	}
	if p, ok := job.ParsePart(st.Name); ok {
		v.Name, v.Part, v.Parts = p.File, p.Number, p.Of
	}
	switch st.Kind {
	case job.TaskStep:
		v.Percent = job.Percent(st.Ended, j.Total)
	case job.SplitStep: // comes before the first task
		v.Percent = 0
	}
	return v
}

// OfProgress shows how far a job is. Skipped is the caller's to say.
func OfProgress(j job.Job) Progress {
	return Progress{
		Event: "progress", Job: j.ID, State: j.State, Total: j.Total, Done: j.Done, Failed: j.Failed + j.Quarantined,
		Percent: j.Percent(), Waiting: j.Waiting,
	}
}
