package load

import "spillway/job"

// Counts are the attempts of one or more jobs, and their Tasks: those that are done, where
// a job failed, since what was sent for the others is a cost of these.
type Counts struct {
	Tasks                                       int64
	Done, Delayed, Rejected, Failed, Superseded int64
}

// Add counts those of a job.
func (c *Counts) Add(j job.Job) {
	if j.State == job.Failed {
		c.Tasks += j.Done
	} else {
		c.Tasks += j.Total
	}
	for _, n := range j.Nodes {
		c.Done += n.Done
		c.Delayed += n.Delayed
		c.Rejected += n.Rejected
		c.Failed += n.Failed
		c.Superseded += n.Superseded
	}
}

// Attempts is how many attempts were sent for a task.
func (c Counts) Attempts() float64 {
	return c.per(c.Done + c.Rejected + c.Failed + c.Superseded)
}

// Rejections is how many attempts for a task were turned away.
func (c Counts) Rejections() float64 { return c.per(c.Rejected) }

// Copies is how many attempts for a task another was faster than.
func (c Counts) Copies() float64 { return c.per(c.Superseded) }

// Wasted is the part of the attempts that nodes took whose outcome nobody did.
func (c Counts) Wasted() float64 {
	return float64(c.Superseded+c.Failed) / float64(max(1, c.Done+c.Superseded+c.Failed))
}

func (c Counts) per(n int64) float64 { return float64(n) / float64(max(1, c.Tasks)) }
